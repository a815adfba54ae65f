"""Monocular depth: metric, inverse, or disparity."""

from tasks.depth.task import Depth

__all__ = ["Depth"]
