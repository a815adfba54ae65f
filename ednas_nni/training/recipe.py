"""The training recipe of a trial: plain data, checked once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ednas_nni.data.augment import Augmentation
from ednas_nni.errors import StudyError
from ednas_nni.tasks.protocols import PROTOCOLS

TRAINING = 1
"""Version of what a training does. Raise it with every change of optimiser, schedule, initial weights or losses that no
field of a recipe tells, so that references made before are not mistaken for the same training."""

PRECISIONS = ("32-true", "16-mixed", "bf16-mixed", "16-true", "bf16-true", "64-true", "transformer-engine")
PRECISIONS += ("transformer-engine-float16", "32", "16", "bf16", "64")
"""Lightning's, of which the last four are short for its own."""


@dataclass(frozen=True)
class Recipe:
    """Arguments of `JaredEvaluator`, normalised; see there for their meaning.

    Raises:
        StudyError: A value is outside what is allowed; the message names the field and the way out.
    """

    tasks: tuple[str, ...]
    data: Mapping[str, Any]
    train_size: tuple[int, int]
    steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    warmup: float
    cooldown: float
    gradient_clip: float
    average: float
    weighting: Mapping[str, Any]
    task_options: Mapping[str, Mapping[str, Any]]
    augmentation: str | Mapping[str, Any]
    protocol: str
    reports: int
    seed: int
    threads: int | None
    examples: int
    accelerator: str
    precision: str
    scored_on: str
    references: Mapping[str, Mapping[str, float]] | None
    score: str
    init_from: str | None = None
    compile: bool = False
    version: int = TRAINING

    def __post_init__(self) -> None:
        """Check every field."""
        tasks, size = self.tasks, self.train_size
        distinct = isinstance(tasks, tuple) and len(tasks) > 0 and len(set(tasks)) == len(tasks)
        _check("tasks", tasks, distinct, "a list of distinct task names")
        for name in ("data", "weighting"):
            value = getattr(self, name)
            named = isinstance(value, Mapping) and isinstance(value.get("name"), str)
            _check(name, value, named, "a name, or a mapping with the key 'name' and the plugin's options")
        whole = isinstance(size, tuple) and len(size) == 2 and all(_whole(side, 1) for side in size)
        _check("train_size", size, whole, "(height, width) in whole pixels")
        for name, least in (("steps", 1), ("batch_size", 2), ("reports", 1), ("seed", 0), ("examples", 0)):
            value = getattr(self, name)
            _check(name, value, _whole(value, least), f"a whole number of at least {least}")
        _check("compile", self.compile, isinstance(self.compile, bool), "true or false")
        _check("threads", self.threads, self.threads is None or _whole(self.threads, 1), "null or at least 1")
        scored = self.scored_on in ("search", "select")
        _check("scored_on", self.scored_on, scored, "'search' (candidates) or 'select' (confirmation and picking)")
        rate = self.learning_rate
        _check("learning_rate", rate, _number(rate) and rate > 0, "a number above 0")
        for name in ("weight_decay", "gradient_clip"):
            value = getattr(self, name)
            _check(name, value, _number(value) and value >= 0, "a number of at least 0")
        for name in ("warmup", "average"):
            value = getattr(self, name)
            _check(name, value, _number(value) and 0 <= value < 1, "a number of at least 0 and below 1")
        whole = _number(self.cooldown) and 0 <= self.cooldown <= 1 - self.warmup
        _check(
            "cooldown", self.cooldown, whole, "a share from 0 (constant) to 1 - warmup (cools down from the peak on)"
        )
        Augmentation.parse(self.augmentation)
        _check("precision", self.precision, self.precision in PRECISIONS, "one of " + ", ".join(map(repr, PRECISIONS)))
        _check("protocol", self.protocol, self.protocol in PROTOCOLS, " or ".join(map(repr, PROTOCOLS)))
        score = self.score == "quality" or (self.score == "delta_t" and bool(self.references))
        _check("score", self.score, score, "'quality', or 'delta_t' where the study has references")
        given = self.init_from is None or isinstance(self.init_from, str)
        _check("init_from", self.init_from, given, "the path of a file of weights, or null")
        for name in self.task_options:
            _check("task_options", name, name in tasks, f"a mapping whose keys are among {', '.join(tasks)}")


def normalise_plugin(field_name: str, value: Any) -> dict[str, Any]:
    """`"rooms"` and `{"name": "rooms", ...}` mean the same.

    Raises:
        StudyError: Neither a name nor a mapping.
    """
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, Mapping):
        return dict(value)
    raise StudyError(f"{field_name} is {value!r}; it must be a name, or a mapping with 'name' and options.")


def _check(name: str, value: object, good: bool, allowed: str) -> None:
    if not good:
        raise StudyError(f"evaluator: {name} is {value!r}; it must be {allowed}.")


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
