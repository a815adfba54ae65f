"""Semantic segmentation: one class per pixel."""

from ednas_nni.tasks.segmentation.task import Segmentation

__all__ = ["Segmentation"]
