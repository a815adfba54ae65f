"""Monocular depth: metric, inverse, or disparity."""

from ednas_nni.tasks.depth.task import Depth

__all__ = ["Depth"]
