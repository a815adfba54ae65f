"""What one step of a supernet's training does: several networks on one batch, on shared weights.

Small networks on small images keep one core busy, however many threads torch has. So the paths of a step run side by
side on processors, each in a thread with a share of torch's. Each has a gradient of its own, and these are added in the
order of the paths, as the weighting of the losses sees them in that order: weights depend neither on which path was
ready first, nor on how many ran at a time. Paths a b c d in two threads:

    thread 1    a forward | a's losses weighted | a backward      | c forward ...
    thread 2    b forward | waits for a         | b's ... weighted | b backward       | d forward ...
    then        gradient = ((a + b) + c) + d

A path goes through without a stop, because a forward pass of many small operations is mostly Python, which one thread
at a time can run, while a backward pass leaves Python alone: two that are out of step get through in half the time, two
in the same phase do not.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import reduce
from typing import Annotated, Any, Literal

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from ednas_nni.nn.elastic import SharedWeights
from ednas_nni.nn.statistics import recalibrate
from ednas_nni.training.data import Batch, Batches
from ednas_nni.training.jared import graphics_memory, threads
from ednas_nni.training.module import JaredModule, check_combines_losses
from ednas_nni.training.recipe import Recipe, Share, Whole
from ednas_nni.training.seeding import seeded
from ednas_nni.training.supernet.paths import Paths

CURVE = 8
"""Batches for the statistics of the largest network, before it is scored during the training."""

SEVERAL = "of which every network of a supernet has its own"
"""Why a supernet takes no weighting that combines gradients."""


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class SupernetOptions:
    """How a supernet is trained, beside the recipe that it has in common with every other training.

    Attributes:
        steps: Optimisation steps.
        paths: Networks trained in each step, on the same images; a step costs as much as that many ordinary ones.
        learning_rate: Peak of the schedule.
        sandwich: Whether the largest and the smallest network are two of the paths of every step.
        distillation: Share of the loss of all networks but the largest that is taken against the outputs of the largest
            instead of the labels (in-place distillation, BigNAS); takes part only with `sandwich`.
        sampling: "labels" draws every choice evenly, "dealt" gives each of its values equally often, "macs" spreads
            the paths over MACs; see `Paths`.
        sharing: "elastic" lets kernels and expansions of one kind of block share weights, "own" gives each operation
            its own; widths always share.
        warm_up: Share of the steps, at the start, in which the largest network is trained alone.
        seed: Of its weights, paths and order of images; studies and trainings of other seeds inherit from it all the
            same.
    """

    steps: Whole = 1500
    paths: Whole = 4
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.01
    sandwich: bool = False
    distillation: Annotated[float, Field(ge=0, le=1)] = 0.0
    sampling: Literal["labels", "dealt", "macs"] = "labels"
    sharing: Literal["elastic", "own"] = "elastic"
    warm_up: Share = 0.0

    def __post_init__(self) -> None:
        if self.distillation and not self.sandwich:
            raise ValueError("`distillation` needs the largest network in every step; write `sandwich: true` as well")

    seed: Annotated[int, Field(ge=0)] = 0


def side_by_side(recipe: Recipe, paths: int) -> tuple[int, int]:
    """How many paths run at a time, and how many threads of torch each has.

    A graphics card runs one after the other.
    """
    count = recipe.threads or torch.get_num_threads()
    at_a_time = 1 if graphics_memory(recipe.accelerator) else min(count, paths)
    return at_a_time, count // at_a_time


@contextmanager
def each_path(recipe: Recipe, paths: int) -> Iterator[Each]:
    """`map` over the paths of a step, as many at a time as `side_by_side` says."""
    at_a_time, inside = side_by_side(recipe, paths)
    if at_a_time == 1:
        with threads(recipe.threads):
            yield map
        return
    # Each thread has a count of its own.
    with threads(inside), ThreadPoolExecutor(at_a_time, "path", torch.set_num_threads, (inside,)) as pool:
        yield pool.map


Each = Callable[[Callable[[Any], Any], Any], Iterator[Any]]


class SupernetModule(JaredModule):
    """Trains the networks of a supernet; what it validates is the largest.

    Args:
        recipe: With the supernet's own steps and learning rate.
        options: See there.
        paths: Draws the networks of each step.
        each: Maps a function over the paths of a step, see `each_path`.
    """

    model: SharedWeights

    def __init__(self, recipe: Recipe, options: SupernetOptions, paths: Paths, each: Each = map) -> None:
        super().__init__(recipe)
        self.options, self.paths, self._each = options, paths, each
        self._gradients: list[tuple[Tensor, list[Tensor | None]]] = []
        check_combines_losses(self.weighting, recipe, SEVERAL)

    def progress_state(self) -> dict[str, Any]:
        """As of every training, and which networks are drawn next."""
        return {**super().progress_state(), "paths": self.paths.state}

    def take_over(
        self, steps_done: int, progress: dict[str, Any], average: list[Tensor], losses: Tensor | None
    ) -> None:
        """As of every training."""
        super().take_over(steps_done, progress, average, losses)
        self.paths.state = progress["paths"]

    def on_validation_start(self) -> None:
        """Score the largest network as a trial would: its statistics are not trained, and no checkpoint has them."""
        super().on_validation_start()
        network, _ = self.model.network(self.paths.largest)
        batches = Batches(self.data.train_batches().loader, CURVE)
        with seeded(self.recipe.seed):  # what is drawn here changes nothing in the training
            self.model.train()
            recalibrate(network, (batch["image"].to(self.device) for batch in batches), self)
            self.model.eval()

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Raw outputs of the largest network."""
        return self.model.run(self.paths.largest, x)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One batch through all networks of the step; the loss is the mean of theirs."""
        options, tasks = self.options, self.data.tasks
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        alone = self.steps_done < options.warm_up * self.recipe.steps
        samples = [self.paths.largest] if alone else self.paths.step(options.paths, options.sandwich)
        counts = list(Counter(map(json.dumps, samples)).items())  # what was drawn twice runs once and counts twice
        kind, trained = image.device.type, [p for p in self.parameters() if p.requires_grad]
        mixed, dtype = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)  # of this thread only
        weighted = [threading.Event() for _ in counts]
        teacher: dict[str, Tensor] = {}

        def path(number: int) -> tuple[Tensor, dict[str, Tensor], Sequence[Tensor | None]]:
            sample, count = counts[number]
            try:
                with torch.autocast(kind, dtype, enabled=mixed):
                    outputs = self.model.run(json.loads(sample), image)
                    losses = {task.name: task.loss(outputs[task.name], batch[task.name]) for task in tasks}
                    for task in tasks if teacher else ():
                        imitation = task.imitation(outputs[task.name], teacher[task.name])
                        losses[task.name] = torch.lerp(losses[task.name], imitation, options.distillation)
                    if number:
                        weighted[number - 1].wait()
                    total = self.weighting(losses) * (count / len(samples))
            finally:
                weighted[number].set()
            if options.distillation and not number:
                teacher.update((name, output.detach()) for name, output in outputs.items())
            if kind != "cpu":  # where mixed precision may have to scale the loss first
                return total, losses, ()
            return total.detach(), losses, torch.autograd.grad(total, trained, allow_unused=True)

        first = [path(0)] if options.distillation else []
        done = [*first, *self._each(path, range(len(first), len(counts)))]
        self._gradients = [(p, parts) for p, *parts in zip(trained, *(grads for *_, grads in done), strict=False)]
        return self.finite(torch.stack([total for total, *_ in done]).sum(), done[0][1])

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Add the gradients of the paths, in their order."""
        if not self._gradients:
            super().backward(loss, *args, **kwargs)
        for parameter, parts in self._gradients:
            there = [part for part in parts if part is not None]
            parameter.grad = reduce(torch.add, there) if there else None
        self._gradients = []
