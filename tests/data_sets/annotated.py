"""Folders of photos with polygons, as the tools write them: written here anew from their documentation."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
from PIL import Image

Drawn = Sequence[tuple[str, Sequence[tuple[float, float]]]]
"""Labels and corners (x, y), the lowest shape first."""

COLOURS = {"background": (0, 0, 0), "street": (128, 64, 128), "car": (0, 0, 142), "tree": (107, 142, 35)}
SIZE = (48, 64)
STREET = [(0.0, 30.0), (64.0, 30.0), (64.0, 48.0), (0.0, 48.0)]


def drawn(number: int) -> Drawn:
    """A street, a car that covers a part of it, and a tree with a corner outside of the picture."""
    x = 4.0 + 3 * number % 30
    car = [(x, 24.0), (x + 18.3, 24.0), (x + 18.3, 36.6), (x + 9, 39.2), (x, 36.6)]
    return [("street", STREET), ("car", car), ("tree", [(50.0, 4.0), (70.0, 30.7), (44.7, 30.7)])]


def photos(folder: Path, names: Sequence[str], orientation: int = 1) -> None:
    """Pictures of random colours, upright 48 x 64, no two alike."""
    rng = np.random.default_rng(len(names))
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(rng.integers(0, 255, (*(SIZE if orientation < 5 else SIZE[::-1]), 3), np.uint8))
        exif = Image.Exif()
        exif[0x0112] = orientation
        picture.save(path, exif=exif)


def coco(path: Path, images: Mapping[str, Drawn], encode: Callable[[Drawn, int], object] | None = None) -> None:
    """`instances_*.json`; `encode` makes another segmentation of one shape than a polygon."""
    labels = [*sorted({label for shapes in images.values() for label, _ in shapes}), "bus"]
    categories = [{"id": 10 + n, "name": label, "supercategory": "any"} for n, label in enumerate(labels)]
    listed, areas = [], []
    for number, (name, shapes) in enumerate(images.items()):
        listed.append({"id": 100 + number, "file_name": name, "height": SIZE[0], "width": SIZE[1]})
        for at, (label, corners) in enumerate(shapes):
            polygon = [[float(value) for corner in corners for value in corner]]
            segmentation = encode(shapes, at) if encode else polygon
            areas.append(
                {"id": len(areas) + 1, "image_id": 100 + number, "category_id": 10 + labels.index(label),
                 "bbox": [0, 0, 1, 1], "area": 1.0, "iscrowd": 0, "segmentation": segmentation}
            )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({"info": {}, "licenses": [], "images": listed, "annotations": areas, "categories": categories})
    )


def cvat(path: Path, images: Mapping[str, Drawn]) -> None:
    """`annotations.xml` of "CVAT for images 1.1": shapes in another order than their z_order."""
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        "<annotations>",
        "<version>1.1</version>",
        "<meta><task><labels>",
    ]
    lines += [f"<label><name>{name}</name><color>#804080</color></label>" for name in ("tree", "street", "car")]
    lines.append("</labels></task></meta>")
    for number, (name, shapes) in enumerate(images.items()):
        lines.append(f'<image id="{number}" name={quoteattr(name)} width="{SIZE[1]}" height="{SIZE[0]}">')
        for order, (label, corners) in reversed(list(enumerate(shapes))):
            points = ";".join(f"{x:.2f},{y:.2f}" for x, y in corners)
            lines.append(f'<polygon label="{label}" source="manual" occluded="0" points="{points}" z_order="{order}"/>')
        lines += ['<tag label="car" source="manual"/>', "</image>"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, "</annotations>"]), encoding="utf-8")


def labelme(folder: Path, images: Mapping[str, Drawn]) -> None:
    """One file beside each image, as LabelMe 5 writes it."""
    for name, shapes in images.items():
        content = {
            "version": "5.5.0", "flags": {}, "imagePath": Path(name).name, "imageData": None, "imageHeight": SIZE[0],
            "imageWidth": SIZE[1], "shapes": [
                {"label": label, "points": corners, "group_id": None, "description": "", "shape_type": "polygon",
                 "flags": {}, "mask": None} for label, corners in shapes]}  # fmt: skip
        (folder / name).with_suffix(".json").write_text(json.dumps(content))


def masks(folder: Path, images: Mapping[str, np.ndarray], how: str) -> None:
    """`SegmentationClass/*.png` of numbers into COLOURS, with `ImageSets`; `how` is palette or colours."""
    (folder / "SegmentationClass").mkdir(parents=True)
    (folder / "ImageSets/Segmentation").mkdir(parents=True)
    table = np.array(list(COLOURS.values()), np.uint8)
    for name, values in images.items():
        picture = Image.fromarray(table[values])
        if how == "palette":
            picture = Image.fromarray(values.astype(np.uint8), "P")
            picture.putpalette(table.tobytes())
        picture.save(folder / "SegmentationClass" / f"{Path(name).stem}.png")
    stems = "\n".join(Path(name).stem for name in images)
    (folder / "ImageSets/Segmentation/default.txt").write_text(stems)
    listed = [f"{name}:{','.join(map(str, colour))}::" for name, colour in COLOURS.items()]
    (folder / "labelmap.txt").write_text("\n".join(["# label:color_rgb:parts:actions", *listed, ""]))


def png(bits: np.ndarray) -> str:
    """A mask of LabelMe."""
    buffer = io.BytesIO()
    Image.fromarray(bits).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
