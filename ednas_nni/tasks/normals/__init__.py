"""Surface normals."""

from ednas_nni.tasks.normals.task import Normals

__all__ = ["Normals"]
