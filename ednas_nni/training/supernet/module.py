"""What one step of a supernet's training does: several networks on one batch, on shared weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from ednas_nni.nn.elastic import SharedWeights
from ednas_nni.nn.statistics import recalibrate
from ednas_nni.training.data import Batch, TrialData
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


class SupernetModule(JaredModule):
    """Trains the networks of a supernet; what it validates is the largest.

    Args:
        recipe: With the supernet's own steps and learning rate.
        options: See there.
        paths: Draws the networks of each step.

    Raises:
        StudyError: The weighting combines gradients of tasks.
    """

    model: SharedWeights

    def __init__(self, recipe: Recipe, options: SupernetOptions, paths: Paths) -> None:
        super().__init__(recipe)
        check_combines_losses(self.weighting, recipe, SEVERAL)
        self.options, self.paths = options, paths

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
        batches = TrialData(replace(self.recipe, steps=CURVE)).train_batches()
        with seeded(self.recipe.seed):  # what is drawn here changes nothing in the training
            self.model.train()
            recalibrate(network, (batch["image"].to(self.device) for batch in batches), self)
            self.model.eval()

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Raw outputs of the largest network."""
        return self.model.run(self.paths.largest, x)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One batch through all networks of the step; the loss is the mean of theirs.

        Raises:
            TrialError: A loss is not finite.
        """
        options, tasks = self.options, self.data.tasks
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        alone = self.steps_done < options.warm_up * self.recipe.steps
        samples = [self.paths.largest] if alone else self.paths.step(options.paths, options.sandwich)
        teacher: dict[str, Tensor] = {}
        totals, first = [], dict[str, Tensor]()
        for sample in samples:
            outputs = self.model.run(sample, image)
            losses = {task.name: task.loss(outputs[task.name], batch[task.name]) for task in tasks}
            if teacher and options.distillation:
                share = options.distillation
                losses = {
                    task.name: (1 - share) * losses[task.name]
                    + share * task.imitation(outputs[task.name], teacher[task.name])
                    for task in tasks
                }
            totals.append(self.weighting(losses))
            first = first or losses
            if options.sandwich and not teacher:
                teacher = {name: output.detach() for name, output in outputs.items()}
        return self.finite(torch.stack(totals).mean(), first)
