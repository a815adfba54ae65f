"""Semantic edges, the borders between classes."""

from tasks.edges.task import Edges

__all__ = ["Edges"]
