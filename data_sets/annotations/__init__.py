"""Annotations of COCO, CVAT and LabelMe as class maps: shapes that are painted when an image is read."""
