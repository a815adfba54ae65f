"""What a trust measurement has trained so far: one JSON file that grows with every training."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ednas_nni.errors import EdnasError
from ednas_nni.record.whole_file import write_whole

FORMAT = 2
SHIPPED = "study"
TRUTH = "longer"
INHERITED, HELD_OUT_QUALITY = "inherited", "held_out"
"""Of studies that inherit: what networks score with the weights of the supernet, as trials do, and on `select`."""
PARTS = ("study", "cost", "seeds", "directions", "architectures", "recipes", "images", "runs")


def longer(steps: int) -> str:
    """Name of a longer training that is not the one that others are compared with, or not yet."""
    return f"{TRUTH}, {steps} steps"


def is_longer(recipe: str) -> bool:
    """Whether a recipe is the one that others are compared with, or a longer training beside it."""
    return recipe == TRUTH or recipe.startswith(f"{TRUTH}, ")


@dataclass
class TrustRecord:
    """Trainings of the same architectures by several recipes.

    Attributes:
        study: What decides about a training, as plain data.
        cost: The cost that the architectures are spread over.
        seeds: Trainings of each architecture by each recipe.
        directions: Task -> "max" or "min": which way its primary metric is better.
        architectures: Architecture id -> {"sample": ..., "costs": {name: value}}, the cheapest first.
        recipes: Name -> options that differ from the study's evaluator. `study` has none, `longer` is what the others
            are compared with.
        images: Recipe -> images that a training sees, steps times batch size: what it costs. The clock would also count
            what else the machine did. Of `inherited`: those of the supernet, for all architectures together.
        runs: Recipe -> architecture id -> seed (text) -> {"quality": ..., a task: its primary metric, "train_s": ...}.
    """

    study: Mapping[str, Any]
    cost: str
    seeds: int
    directions: Mapping[str, str]
    architectures: dict[str, dict[str, Any]]
    recipes: dict[str, dict[str, Any]]
    images: dict[str, int]
    runs: dict[str, dict[str, dict[str, dict[str, float]]]] = field(default_factory=dict)

    def add(self, recipe: str, architecture: str, seed: int, result: Mapping[str, float]) -> None:
        """Take in one training."""
        rounded = {name: float(f"{value:.6g}") for name, value in result.items()}
        self.runs.setdefault(recipe, {}).setdefault(architecture, {})[str(seed)] = rounded

    def has(self, recipe: str, architecture: str, seed: int) -> bool:
        """Whether this training is there already."""
        return str(seed) in self.runs.get(recipe, {}).get(architecture, {})

    def keep_truth(self) -> None:
        """Name the longer trainings by their number of steps too."""
        if (truth := self.recipes.get(TRUTH)) is not None:
            name = longer(truth["steps"])
            self.recipes[name], self.images[name] = truth, self.images[TRUTH]
            for key, runs in self.runs.get(TRUTH, {}).items():
                self.runs.setdefault(name, {}).setdefault(key, {}).update(runs)

    def take_as_truth(self, recipe: str) -> None:
        """Compare with the longer trainings of this name from now on; those of before stay under theirs."""
        self.keep_truth()
        self.recipes[TRUTH], self.images[TRUTH] = self.recipes[recipe], self.images[recipe]
        self.runs[TRUTH] = {key: dict(runs) for key, runs in self.runs[recipe].items()}

    def complete(self, recipe: str) -> bool:
        """Whether every architecture has all its trainings by this recipe."""
        return all(len(self.runs.get(recipe, {}).get(key, {})) >= self.seeds for key in self.architectures)

    @property
    def inherited(self) -> bool:
        """Whether every architecture has its inherited score."""
        return all(self.runs.get(INHERITED, {}).get(key) for key in self.architectures)

    def without(self, architectures: Collection[str]) -> TrustRecord:
        """The same without some architectures, of which a training gives no result."""
        left = {key: value for key, value in self.architectures.items() if key not in architectures}
        return replace(self, architectures=left)

    def write(self, path: Path) -> None:
        """Write the file as a whole; EdnasError where the place cannot be written."""
        content = {"format": FORMAT, **{part: getattr(self, part) for part in PARTS}}
        try:
            write_whole(path, json.dumps(content, indent=1) + "\n")
        except OSError as error:
            raise EdnasError(f"{path}: cannot be written ({error.strerror}). Name another file with --out.") from None

    @classmethod
    def read(cls, path: Path) -> TrustRecord:
        """Read a file; EdnasError where it is no record of a trust measurement."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise ValueError(f"format {content['format']!r} is not {FORMAT}, the one this version writes")
            return cls(**{part: content[part] for part in PARTS})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EdnasError(
                f"{path}: is no record of `ednas trust` that can be read ({error}). Name another file with --out."
            ) from None

    def take_over(self, other: TrustRecord, path: Path) -> None:
        """Add the recipes and trainings of another measurement, but for those that have another recipe's name."""
        if differs := self._differs(other):
            raise EdnasError(
                f"--from {path}: nothing of it can be taken over; {' and '.join(differs)} differ. Leave --from out."
            )
        for name, options in other.recipes.items():
            if self.recipes.setdefault(name, options) == options:
                self.images[name] = other.images[name]
                for architecture, runs in other.runs.get(name, {}).items():
                    for seed, result in runs.items():
                        self.add(name, architecture, int(seed), result)

    def _differs(self, other: TrustRecord) -> list[str]:
        same = {
            "the study": self.study == other.study,
            "the architectures": list(self.architectures) == list(other.architectures),
            "the number of seeds": self.seeds == other.seeds,
        }
        return [name for name, equal in same.items() if not equal]

    def check_continues(self, other: TrustRecord, path: Path) -> None:
        """Refuse to add trainings that cannot be compared: of another study, architectures, seeds, or other recipes."""
        differs = self._differs(other)
        differs += [f"recipe {n!r}" for n, options in self.recipes.items() if other.recipes.get(n, options) != options]
        if differs:
            raise EdnasError(
                f"{path}: holds other trainings; {' and '.join(differs)} differ. Give the same arguments as then, or "
                "name another file with --out."
            )
