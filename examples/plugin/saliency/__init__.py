"""A label kind and a task of a distribution's own: where people look."""

from saliency.label import Saliency
from saliency.task import SaliencyTask

__all__ = ["Saliency", "SaliencyTask"]
