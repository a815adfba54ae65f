"""Semantic edges, the borders between classes."""

from ednas_nni.tasks.edges.task import Edges

__all__ = ["Edges"]
