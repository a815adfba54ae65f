"""The base class of weightings: how the losses of several tasks become one scalar, or one gradient."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from ednas_nni.plugins import Group
from ednas_nni.tasks.base import Task


class Weighting(nn.Module):
    """Turns the losses of all tasks into one differentiable scalar and carries its state.

    A weighting is a torch module: its parameters are trained with the network, its buffers and parameters are its state
    (`state_dict`). Further arguments of a subclass are its options, plain data that a study may set.

    Args:
        tasks: The study's tasks.

    Attributes:
        names: The tasks' names, in the order of `values`.
        values: Buffer (K,) of K tasks: the present factor of each task's loss, 1 at the start.
    """

    values: Tensor

    def __init__(self, tasks: Sequence[Task]):
        super().__init__()
        self.names = tuple(task.name for task in tasks)
        self.register_buffer("values", torch.ones(len(self.names)))

    @abstractmethod
    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Combine scalar losses, one for each task name, into a scalar.

        The loss of a batch without a label of a task is 0; it must stop no other task.
        """

    def stacked(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The losses as one tensor (K,)."""
        return torch.stack([losses[name] for name in self.names])

    def weights(self) -> dict[str, float]:
        """The present factor of each task's loss, for reports; `values` by default."""
        return dict(zip(self.names, self.values.tolist(), strict=True))


class GradientWeighting(Weighting):
    """A weighting that combines the tasks' gradients instead of their losses.

    It runs the backward pass itself, so it cannot serve one-shot strategies, which own the optimisation.
    """

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The plain sum, for logs; the gradients do not come from it."""
        return self.stacked(losses).sum()

    @abstractmethod
    def backward(self, losses: Mapping[str, Tensor], parameters: Iterable[nn.Parameter]) -> None:
        """Add this step's gradients to `grad` of all parameters that are trained.

        The scalar losses of the tasks are already scaled where mixed precision asks for it.
        """


WEIGHTINGS: Group[Callable[..., Weighting]] = Group("weightings", Weighting)
