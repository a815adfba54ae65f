"""The evaluator `inherited`: a network takes its part of a supernet's weights and is scored."""

# No `from __future__ import annotations` here: the evaluator's signature holds these annotations as objects.

from dataclasses import KW_ONLY
from typing import Annotated, Any

import nni
import numpy as np
import torch
from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from ednas_nni.compat.nas import ModelSpace
from ednas_nni.errors import StudyError, TrialError
from ednas_nni.nn.statistics import recalibrate
from ednas_nni.study.options import filled, takes
from ednas_nni.training.data import TrialData
from ednas_nni.training.jared import TrainingEvaluator, device_of
from ednas_nni.training.module import check_combines_losses, make_weighting
from ednas_nni.training.recipe import Recipe, Whole
from ednas_nni.training.supernet.made import Supernet
from ednas_nni.training.supernet.module import SEVERAL, SupernetOptions

CALIBRATION = 12


def _options(value: object) -> object:
    return filled(SupernetOptions, "evaluator.supernet", **value) if isinstance(value, dict) else value


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class InheritedRecipe(Recipe):
    """A recipe whose networks begin with the weights of a supernet.

    Attributes:
        steps: Steps that each network is trained on.
        learning_rate: Peak of their schedule.
        supernet: Options of the supernet's training (docs/supernet.md).
        calibration: Batches of training images on which batch norms are estimated.
    """

    steps: Annotated[int, Field(ge=0)] = 0
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.005
    _: KW_ONLY
    supernet: Annotated[SupernetOptions, BeforeValidator(_options)] = Field(default_factory=SupernetOptions)
    calibration: Whole = CALIBRATION

    @property
    def trained_on(self) -> dict[str, Any]:
        """What tells a network's score from that with the shared weights as they are, plain JSON; {} for these."""
        calibrated = {"calibration": self.calibration} if self.calibration != CALIBRATION else {}
        if not self.steps:
            return calibrated
        frozen = {"freeze": list(self.freeze), "freeze_steps": self.freeze_steps} if self.freeze else {}
        return {"steps": self.steps, "learning_rate": self.learning_rate, **frozen, **calibrated}


@nni.trace
class InheritedEvaluator(TrainingEvaluator):
    """Scores a network with the weights that it has in a supernet; the first evaluation makes the supernet.

    One training serves every network of the space: a trial copies its part of the shared weights, estimates its batch
    norms on `calibration` batches of training images, and is scored; with `steps` it is trained on first. Such a
    quality is *inherited*: networks are compared by it, and those of the front are to be confirmed.

    Its arguments, their types, ranges and defaults are those of `InheritedRecipe`. The final result is that of
    `JaredEvaluator`.

    Raises:
        StudyError: An argument is outside what is allowed.
    """

    recipe: InheritedRecipe
    inherits = True

    @takes(InheritedRecipe)
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(filled(InheritedRecipe, "evaluator", *args, **options))

    def check(self) -> None:
        """As `TrainingEvaluator.check`."""
        super().check()
        recipe = self.recipe
        if recipe.init_from is not None:
            raise StudyError("evaluator: 'inherited' takes its weights from the supernet; remove `init_from`.")
        if recipe.freeze and not recipe.steps:
            raise StudyError(
                "evaluator.freeze: a supernet trains all parts, and 0 steps train nothing more; remove it."
            )
        check_combines_losses(make_weighting(recipe, TrialData(recipe).unmeasured), recipe, SEVERAL)

    def preparation(self, space: ModelSpace) -> Supernet:
        """The supernet."""
        return self.supernet(space)

    def supernet(self, space: torch.nn.Module) -> Supernet:
        """The supernet of a space, or of the space of a network.

        Raises:
            TrialError: It is neither.
        """
        if not isinstance(space, ModelSpace):
            raise TrialError(
                f"evaluator 'inherited': {type(space).__name__} is not a network of a model space, so no "
                "supernet has its weights; use 'jared'."
            )
        return Supernet(space, self.recipe, self.recipe.supernet)

    def open_shared(self, space: torch.nn.Module) -> None:
        """As `TrainingEvaluator.open_shared`; also the supernet."""
        super().open_shared(space)
        supernet = self.supernet(space)
        if supernet.folder.exists():
            supernet.arrays()

    def prepare(self, model: torch.nn.Module, data: TrialData) -> None:
        """Let the network inherit; makes the supernet where there is none."""
        from ednas_nni.data.batches import BatchDataset  # torchvision is slow to import

        supernet = self.supernet(model)
        supernet.make()
        supernet.inherit(model)
        recipe, images = self.recipe, BatchDataset(data.source.split("train"), {})  # without labels, which cost as much
        drawn = np.random.default_rng([recipe.seed, 1]).permutation(len(images))
        batches = np.resize(drawn, (recipe.calibration, recipe.batch_size)).tolist()
        place = device_of(recipe.accelerator)
        recalibrate(model.to(place), (images.__getitems__(batch)["image"].to(place) for batch in batches))
        model.train()  # Lightning leaves modes as they are
