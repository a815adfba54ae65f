"""The weighting contract."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

if TYPE_CHECKING:
    from ednas_nni.tasks.base import Task


class Weighting(nn.Module):
    """Turns the losses of all tasks into one differentiable scalar and carries its state.

    A weighting is a torch module: its parameters are trained with the network, its buffers and parameters are
    its state (`state_dict`).

    Attributes:
        needs_task_gradients: True when a method needs the gradient of each task alone. Such methods cannot
            serve one-shot strategies, where the strategy owns the optimisation.
    """

    needs_task_gradients: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def for_tasks(cls, tasks: Sequence[Task], **options: Any) -> Weighting:
        """Build from the study's tasks; `options` are plain data."""

    @abstractmethod
    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Combine scalar losses, one for each task name, into a scalar."""

    @abstractmethod
    def weights(self) -> dict[str, float]:
        """The present factor of each task's loss, for reports."""
