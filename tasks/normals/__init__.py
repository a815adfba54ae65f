"""Surface normals."""

from tasks.normals.task import Normals

__all__ = ["Normals"]
