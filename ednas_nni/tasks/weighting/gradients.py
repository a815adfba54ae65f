"""Gradient methods of multi-task learning, by TorchJD: they combine the tasks' gradients instead of their losses.

A parameter that several tasks use gets what the method makes of their gradients; one that a single task uses (its head,
its own branch) gets that task's gradient as it is. `JaredModule.backward` calls `GradientWeighting.backward` instead of
the ordinary backward pass, so that the optimiser, clipping and mixed precision stay as they are.

The methods need the gradient of each task alone. One-shot strategies run the backward pass themselves, so these serve
multi-trial strategies only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from ednas_nni.errors import EdnasError, StudyError
from ednas_nni.tasks.weighting.base import Weighting

if TYPE_CHECKING:
    from ednas_nni.tasks.base import Task


class GradientWeighting(Weighting):
    """Base: one TorchJD aggregator by name.

    Args:
        names: The tasks.
        **options: The aggregator's own.

    Raises:
        EdnasError: TorchJD, or what this method needs beside it, is not installed.
    """

    needs_task_gradients: ClassVar[bool] = True
    aggregator: ClassVar[str]

    def __init__(self, names: Sequence[str], **options: Any):
        super().__init__()
        self.names = tuple(names)
        self.aggregate = self._make(options)

    @classmethod
    def for_tasks(cls, tasks: Sequence[Task]) -> GradientWeighting:
        """Take the tasks' names."""
        return cls([task.name for task in tasks])

    def _make(self, options: Mapping[str, Any]) -> nn.Module:
        try:
            from torchjd import aggregation

            return getattr(aggregation, self.aggregator)(**options)
        except ImportError as error:
            raise EdnasError(
                f"weighting {self.aggregator}: needs TorchJD, which is not (wholly) installed ({error}). "
                'Run: pip install "ednas-nni[mtl]"'
            ) from None

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The plain sum, for logs; the gradients do not come from it."""
        return torch.stack([losses[name] for name in self.names]).sum()

    def backward(self, losses: Mapping[str, Tensor], parameters: Iterable[nn.Parameter]) -> None:
        """Add this step's gradients to `grad` of the parameters.

        Args:
            losses: Scalar loss of each task, already scaled where mixed precision asks for it.
            parameters: All parameters that are trained.
        """
        trained = [p for p in parameters if p.requires_grad]
        found: list[Sequence[Tensor | None]] = []
        for i, name in enumerate(self.names):
            last = i == len(self.names) - 1
            found.append(torch.autograd.grad(losses[name], trained, retain_graph=not last, allow_unused=True))
        users = [[g is not None for g in column] for column in zip(*found, strict=True)]
        shared = [i for i, used in enumerate(users) if sum(used) > 1]
        if shared:
            rows = [torch.cat([_or_zero(row[i], trained[i]).reshape(-1) for i in shared]) for row in found]
            combined = self.aggregate(torch.stack(rows))
            sizes = [trained[i].numel() for i in shared]
            for i, part in zip(shared, combined.split(sizes), strict=True):
                _accumulate(trained[i], part.reshape(trained[i].shape))
        for i, used in enumerate(users):
            if sum(used) == 1:
                _accumulate(trained[i], next(row[i] for row in found if row[i] is not None))

    def weights(self) -> dict[str, float]:
        """1 for each task: what the method does to shared gradients is no number per task."""
        return dict.fromkeys(self.names, 1.0)


def _or_zero(gradient: Tensor | None, parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter) if gradient is None else gradient


def _accumulate(parameter: nn.Parameter, gradient: Tensor) -> None:
    parameter.grad = gradient.clone() if parameter.grad is None else parameter.grad + gradient


class PCGrad(GradientWeighting):
    """Conflicting gradients are projected onto each other's normal planes (Yu et al., arXiv 2001.06782)."""

    aggregator = "PCGrad"


class CAGrad(GradientWeighting):
    """Largest worst improvement within a ball around the mean gradient (Liu et al., arXiv 2110.14048)."""

    aggregator = "CAGrad"

    @classmethod
    def for_tasks(cls, tasks: Sequence[Task], c: float = 0.5) -> CAGrad:
        """Take the tasks' names.

        Args:
            tasks: The study's tasks.
            c: The ball's radius as a share of the mean gradient's length, at least 0.

        Raises:
            StudyError: `c` is negative or no number.
        """
        if not (isinstance(c, int | float) and math.isfinite(c) and c >= 0):
            raise StudyError(f"weighting cagrad: c is {c!r}; it must be at least 0.")
        return cls([task.name for task in tasks], c=float(c))


class IMTLG(GradientWeighting):
    """Equal projections onto all tasks' gradients (Liu et al., "Impartial Multi-task Learning", ICLR 2021)."""

    aggregator = "IMTLG"


class NashMTL(GradientWeighting):
    """The Nash bargaining solution of the tasks (Navon et al., ICML 2022, arXiv 2202.01017)."""

    aggregator = "NashMTL"

    @classmethod
    def for_tasks(cls, tasks: Sequence[Task], every: int = 1) -> NashMTL:
        """Take the tasks' names.

        Args:
            tasks: The study's tasks.
            every: Steps after which the weights are computed anew, at least 1.

        Raises:
            StudyError: `every` is no number of steps.
        """
        if not isinstance(every, int) or isinstance(every, bool) or every < 1:
            raise StudyError(f"weighting nash_mtl: every is {every!r}; it must be a whole number of steps, at least 1.")
        return cls([task.name for task in tasks], n_tasks=len(tasks), update_weights_every=every)


class UPGrad(GradientWeighting):
    """Mean of the projections onto the cone in which no task gets worse (Quinton, Rey, arXiv 2406.16232)."""

    aggregator = "UPGrad"


class MGDA(GradientWeighting):
    """The shortest convex combination of the gradients (Sener, Koltun, arXiv 1810.04650)."""

    aggregator = "MGDA"


class AlignedMTL(GradientWeighting):
    """Gradients with their principal components made equally long (Senushkin et al., arXiv 2305.19000)."""

    aggregator = "AlignedMTL"


class DualProj(GradientWeighting):
    """Projection of the mean gradient onto the cone without conflicts (Lopez-Paz, Ranzato, arXiv 1706.08840)."""

    aggregator = "DualProj"
