"""Scores of a supernet's networks, made by anybody: a line of JSON each, in a file beside the supernet.

A network that is scored as it is inherited, or trained on for as many steps, scores the same whoever asks, for whatever
device and limit, so a score is made once. Lines are appended whole; one that cannot be read, such as a torn one, is
passed by.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from ednas_nni.data.cache import beside
from ednas_nni.space.domains import Sample
from ednas_nni.training.supernet.made import Supernet

FILE = ".scores.jsonl"


@dataclass(frozen=True)
class InheritedScore:
    """What a network scores with the weights that it has in a supernet.

    Attributes:
        architecture: Its id.
        split: The images that it was scored on.
        sample: Canonical.
        metrics: Final metrics; `default` is the quality.
        trained_on: How it was trained before, as `InheritedRecipe.trained_on`; {} = not at all.
    """

    architecture: str
    split: str
    sample: Sample
    metrics: Mapping[str, float]
    trained_on: Mapping[str, Any] = field(default_factory=dict)


def read(supernet: Supernet, split: str, trained_on: Mapping[str, Any]) -> dict[str, InheritedScore]:
    """Architecture id -> its first score on a split, trained on in one way."""
    scores: dict[str, InheritedScore] = {}
    with suppress(FileNotFoundError), beside(supernet.folder, FILE).open("rb") as file:
        for line in file:
            with suppress(ValueError, TypeError):
                score = InheritedScore(**json.loads(line))
                alike = (score.split, score.trained_on) == (split, trained_on)
                if alike and isinstance(score.metrics["default"], float):
                    scores.setdefault(score.architecture, score)
    return scores


def add(supernet: Supernet, score: InheritedScore) -> None:
    """Write one down; processes may do so at the same time."""
    line = json.dumps(asdict(score)).encode() + b"\n"
    handle = os.open(beside(supernet.folder, FILE), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)
