"""Gradient methods of multi-task learning, by TorchJD: they combine the tasks' gradients instead of their losses.

A parameter that several tasks use gets what the method makes of their gradients; one that a single task uses (its head,
its own branch) gets that task's gradient as it is. `JaredModule.backward` calls `backward` instead of the ordinary
backward pass. One-shot strategies run that themselves, so these serve multi-trial strategies only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ednas_nni.errors import EdnasError, StudyError
from ednas_nni.tasks.base import Task
from ednas_nni.tasks.weighting.base import GradientWeighting


class TorchJD(GradientWeighting):
    """Base: an aggregator of TorchJD combines the gradients of shared parameters."""

    aggregate: nn.Module
    every_task = False
    """Whether the method keeps something of every task, and needs a gradient of each."""

    def backward(self, losses: Mapping[str, Tensor], parameters: Iterable[nn.Parameter]) -> None:
        """As `GradientWeighting.backward`.

        Each task's gradient is taken alone. A parameter that two tasks reach is shared: its rows, one a task (zero for
        a third task that does not reach it), are what the method combines. With a trunk of 100 weights and two heads,
        the method sees a matrix (2, 100), and each head gets the gradient of its own task.
        """
        trained = [p for p in parameters if p.requires_grad]
        gradients: list[Sequence[Tensor | None]] = []  # one row a task, one column a parameter
        for i, name in enumerate(self.names):
            last = i == len(self.names) - 1
            gradients.append(torch.autograd.grad(losses[name], trained, retain_graph=not last, allow_unused=True))
        columns = [[g for g in column if g is not None] for column in zip(*gradients, strict=True)]
        shared = [i for i, column in enumerate(columns) if len(column) > 1]
        if shared:
            zeros = {i: torch.zeros_like(trained[i]) for i in shared}
            full = [[zeros[i] if (g := row[i]) is None else g for i in shared] for row in gradients]
            rows = [torch.cat([g.reshape(-1) for g in row]) for row in full]
            combined = self._combined(torch.stack(rows))
            sizes = [trained[i].numel() for i in shared]
            for i, part in zip(shared, combined.split(sizes), strict=True):
                _accumulate(trained[i], part.reshape(trained[i].shape))
        for parameter, column in zip(trained, columns, strict=True):
            if len(column) == 1:
                _accumulate(parameter, column[0])

    def _combined(self, rows: Tensor) -> Tensor:
        """(tasks, weights) to (weights,): by the method over the tasks that have a label in this batch.

        A row of zeros would make the shortest combination zero, so that nobody is trained. The method sees rows of
        length 1 together, as mixed precision scales all of them, and methods have thresholds: below a length of 0.01
        CAGrad would train nobody. Where no method has an answer (a gradient is not finite, which mixed precision then
        leaves out; no task has a label) it is the sum.
        """
        there, length = rows.any(1), rows.norm()
        if (self.every_task and not there.all()) or not 0 < length < math.inf:
            return rows.sum(0)
        return self.aggregate(rows[there] / length) * length


def _accumulate(parameter: nn.Parameter, gradient: Tensor) -> None:
    parameter.grad = gradient.clone() if parameter.grad is None else parameter.grad + gradient


def aggregator(name: str, **options: float) -> nn.Module:
    """An aggregator of TorchJD, with options of its own.

    Raises:
        EdnasError: TorchJD, or what this method needs beside it, is not installed.
    """
    try:
        from torchjd import aggregation  # an optional package

        return getattr(aggregation, name)(**options)
    except ImportError as error:
        raise EdnasError(
            f"weighting {name}: needs TorchJD, which is not (wholly) installed ({error}). "
            'Run: pip install "ednas-nni[mtl]"'
        ) from None


class Plain(TorchJD):
    """Base: the aggregator of the class's name, which has no options."""

    def __init__(self, tasks: Sequence[Task]):
        super().__init__(tasks)
        self.aggregate = aggregator(type(self).__name__)


class PCGrad(Plain):
    """Conflicting gradients are projected onto each other's normal planes (Yu et al., arXiv 2001.06782)."""


class CAGrad(TorchJD):
    """Largest worst improvement within a ball around the mean gradient (Liu et al., arXiv 2110.14048).

    Args:
        tasks: The study's tasks.
        c: The ball's radius as a share of the mean gradient's length, at least 0.

    Raises:
        StudyError: `c` is negative or not a number.
    """

    def __init__(self, tasks: Sequence[Task], c: float = 0.5):
        if not (isinstance(c, int | float) and math.isfinite(c) and c >= 0):
            raise StudyError(f"weighting cagrad: c is {c!r}; it must be at least 0.")
        super().__init__(tasks)
        self.aggregate = aggregator("CAGrad", c=float(c))


class IMTLG(Plain):
    """Equal projections onto all tasks' gradients (Liu et al., "Impartial Multi-task Learning", ICLR 2021)."""


class NashMTL(TorchJD):
    """The Nash bargaining solution of the tasks (Navon et al., ICML 2022, arXiv 2202.01017).

    Args:
        tasks: The study's tasks.
        every: Steps after which weights are computed anew.

    Raises:
        StudyError: `every` is not a number of steps.
    """

    every_task = True

    def __init__(self, tasks: Sequence[Task], every: int = 1):
        if not isinstance(every, int) or isinstance(every, bool) or every < 1:
            raise StudyError(f"weighting nash_mtl: every is {every!r}; it must be a whole number of steps, at least 1.")
        super().__init__(tasks)
        self.aggregate = aggregator("NashMTL", n_tasks=len(tasks), update_weights_every=every)

    def get_extra_state(self) -> dict[str, Any]:
        """Steps so far and the last solution, from which the next one is sought, as part of the state."""
        method: Any = self.aggregate.weighting
        return {"step": method.step, "solution": list(map(float, method.prvs_alpha))}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Go on from there; TorchJD states its problem in the first step only, which may be over."""
        method: Any = self.aggregate.weighting
        method._init_optim_problem()
        method.step, method.prvs_alpha = state["step"], np.array(state["solution"])


class UPGrad(Plain):
    """Mean of the projections onto the cone in which no task gets worse (Quinton, Rey, arXiv 2406.16232)."""


class MGDA(Plain):
    """The shortest convex combination of the gradients (Sener, Koltun, arXiv 1810.04650)."""


class AlignedMTL(Plain):
    """Gradients with their principal components made equally long (Senushkin et al., arXiv 2305.19000)."""


class DualProj(Plain):
    """Projection of the mean gradient onto the cone without conflicts (Lopez-Paz, Ranzato, arXiv 1706.08840)."""
