"""The training recipe of a trial: every option of `JaredEvaluator`, its type, its range and what it is, said once.

The evaluator takes its signature from here, a study's options are checked against it, docs/study.md is made from it.
"""

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, InitVar, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from ednas_nni.data.augment import Augmentation
from ednas_nni.errors import StudyError, quoted

# No `from __future__ import annotations` here: the evaluator's signature holds these annotations as objects.

TRAINING = 1
"""Version of what a training does. Raise it with every change of optimiser, schedule, initial weights or losses that no
field of a recipe tells, so that baselines made before are not mistaken for the same training."""

SHORTHANDS = {"depth_loss": ("depth", "loss"), "depth_relative_scale": ("depth", "relative_scale")}
"""Option of the evaluator -> the task and its option that it is short for; without effect where the task is not
trained, and overruled by `task_options`."""


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names or len(set(names)) < len(names):
        raise ValueError("must be distinct task names, at least one")
    return names


def _named(value: object) -> object:
    """`"rooms"` and `{"name": "rooms", ...}` mean the same."""
    value = {"name": value} if isinstance(value, str) else value
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise ValueError("must be a name, or a mapping with the key 'name' and the plugin's options")
    return dict(value)


def _augmentation(value: str | Mapping[str, Any]) -> str | Mapping[str, Any]:
    Augmentation.parse(value)
    return value


def _clips(value: float) -> float:
    if 0 < value < 1e-4:
        raise ValueError("must be 0 (no limit), or from 0.0001 to 1000000: a smaller one leaves nothing of a gradient")
    return value


Whole = Annotated[int, Field(ge=1)]
Steps = Annotated[int, Field(ge=1, le=10**7)]
Share = Annotated[float, Field(ge=0, lt=1)]
Amount = Annotated[float, Field(ge=0, le=1e9)]
Plugin = Annotated[Mapping[str, Any], BeforeValidator(_named)]
TaskOptions = Annotated[Mapping[str, Mapping[str, Any]], BeforeValidator(lambda value: {} if value is None else value)]
Size = Annotated[tuple[Whole, Whole], BeforeValidator(_listed)]
Cooldown = Annotated[float, BeforeValidator(lambda value: math.inf if value is None else value), Field(ge=0)]
Precision = Literal["32-true", "16-mixed", "bf16-mixed", "32", "16", "bf16"]
"""Of Lightning's, those that keep the weights in 32 bits; the last three are short for them."""


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class Recipe:
    """How a network is trained and scored: plain data, checked and normalised.

    Attributes:
        tasks: Names of the tasks, e.g. ("segmentation", "depth", "normals").
        data: Name of a data set, or {"name": ..., its options}.
        train_size: (height, width) in pixels of the images that trials see.
        steps: Of a trial.
        batch_size: Images a step.
        learning_rate: Peak: linear warm-up, then half a cosine to a hundredth.
        weighting: Name of a weighting, or {"name": ..., its options}.
        depth_loss: The option `loss` of the task depth.
        reports: Intermediate scores, at most.
        seed: Seeds the order of the images, their mirroring, and networks that NNI builds for this evaluator.
            A caller who builds the network calls `evaluator.seed_everything()` before.
        threads: torch threads; None leaves torch as it is.
        examples: Images that the report shows.
        depth_relative_scale: The option `relative_scale` of the task depth.
        task_options: Task name -> {option: value}.
        weight_decay: Of AdamW, on weights with two or more dimensions.
        augmentation: "flip", "flip_zoom", "none", or {"flip": probability, "zoom": [factors from 1 to 4]}.
        protocol: Of evaluation (docs/metrics.md).
        warmup: Share of the steps in which the learning rate rises.
        cooldown: Share of the steps in which it falls to a hundredth, by half a cosine; by default all after the
            warm-up.
        gradient_clip: Largest norm of the gradient; 0 = no limit.
        average: Decay of a moving average of the weights that is scored instead.
        accelerator: Lightning's; "auto" = a GPU if the trial sees one.
        precision: Lightning's.
        scored_on: Split that is scored.
        references: Task -> metric -> value of single-task baselines: trials then report `delta_t`, in percent.
        score: What `default` is: "quality", or "delta_t" where the study has baselines.
        freeze: Paths of modules that are not trained, batch norms included, such as `stages.0`; `encoder` = all before
            the fusion.
        freeze_steps: For so many first steps; by default all.
        encoder_learning_rate: Of all before the fusion, as a factor of `learning_rate`.
        init_from: File of weights of which networks take what fits before the training; see `nn.checkpoint.init_from`.
        compile: Train through `torch.compile` (docs/trials.md).
        int8: Score as the int8 file computes as well; `confirmed` = on `select` alone (docs/export.md).
        version: `TRAINING`.

    Raises:
        ValidationError: A value is outside what is allowed; `study.options.filled` says so in a study's words.
    """

    tasks: Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_distinct)] = (
        "segmentation",
        "depth",
        "normals",
    )
    data: Plugin = Field(default="rooms", validate_default=True)
    train_size: Size = (64, 128)
    steps: Steps = 400
    batch_size: Annotated[int, Field(ge=2, le=1 << 16)] = 8
    learning_rate: Annotated[float, Field(ge=1e-8, le=1)] = 0.02
    weighting: Plugin = Field(default="fixed", validate_default=True)
    depth_loss: InitVar[str | None] = None
    reports: Steps = 6
    seed: Annotated[int, Field(ge=0)] = 0
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    examples: Annotated[int, Field(ge=0, le=100)] = 3
    _: KW_ONLY
    depth_relative_scale: InitVar[Amount | None] = None
    task_options: TaskOptions = Field(default=None, validate_default=True)
    weight_decay: Share = 1e-4
    augmentation: Annotated[str | Mapping[str, Any], AfterValidator(_augmentation)] = "flip"
    protocol: Literal["standard", "adashare"] = "standard"
    warmup: Share = 0.1
    cooldown: Cooldown = Field(default=None, validate_default=True)
    gradient_clip: Annotated[float, Field(ge=0, le=1e6), AfterValidator(_clips)] = 5.0
    average: Share = 0.0
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "auto"
    precision: Precision = "32-true"
    scored_on: Literal["search", "select"] = "search"
    references: Mapping[str, Mapping[str, float]] | None = None
    score: Literal["quality", "delta_t"] = "quality"
    freeze: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    freeze_steps: Steps | None = None
    encoder_learning_rate: Annotated[float, Field(ge=1e-6, le=100)] = 1.0
    init_from: str | None = None
    compile: bool = False
    int8: bool | Literal["confirmed"] = False
    version: int = field(default=TRAINING, init=False)  # not of pydantic: its 2.11 forgets `init` in subclasses

    def __post_init__(self, depth_loss: str | None, depth_relative_scale: float | None) -> None:
        """Sort the tasks' options, and check what two fields decide together."""
        options = {name: dict(values) for name, values in self.task_options.items()}
        for name in options:
            if name not in self.tasks:
                raise StudyError(
                    f"evaluator.task_options: {quoted(name)} is not a task of this study; tasks are "
                    f"{', '.join(self.tasks)}."
                )
        for name, value in (("depth_loss", depth_loss), ("depth_relative_scale", depth_relative_scale)):
            task, option = SHORTHANDS[name]
            if value is not None and task in self.tasks:
                options[task] = {option: value, **options.get(task, {})}
        object.__setattr__(self, "task_options", options)
        rest = 1 - self.warmup
        if self.cooldown == math.inf:
            object.__setattr__(self, "cooldown", rest)
        if self.cooldown > rest:
            raise StudyError(f"evaluator.cooldown = {self.cooldown:g}: must be at most 1 - warmup, here {rest:g}.")
        if self.freeze_steps is not None and not self.freeze:
            raise StudyError("evaluator.freeze_steps: names no parts; say which in `freeze`, for example [encoder].")
        if self.score == "delta_t" and not self.references:
            raise StudyError("evaluator.score is 'delta_t'; it needs baselines: name a `reference` in the study.")
