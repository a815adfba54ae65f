"""Semantic segmentation: one class per pixel."""

from tasks.segmentation.task import Segmentation

__all__ = ["Segmentation"]
