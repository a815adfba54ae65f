"""A label kind with one number per pixel and nothing special about it: the start of a kind of your own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ednas_nni.data.info import Array, LabelFacts
from ednas_nni.data.kinds.base import Drawing, LabelKind, LabelTable, Storage, Storing, ValidSurvey, by_split, percent
from ednas_nni.data.reading import read_map


class PlainSurvey(ValidSurvey):
    """Valid pixels of a split."""

    def __init__(self, kind: PlainKind, facts: LabelFacts) -> None:
        super().__init__()
        self._kind, self._facts = kind, facts

    def add(self, values: Array) -> bool:
        """Count one image."""
        return self.count(self._kind.valid(values, self._facts))


class PlainKind(LabelKind[PlainSurvey]):
    """One number per pixel, (H, W), read from grey pictures or `.npy` as it is stored.

    A subclass sets `name`, `dtype` and `column`, says which value is `invalid`, and makes the `tensor`.
    """

    def valid(self, values: Array, facts: LabelFacts) -> NDArray[np.bool_]:
        """All but the invalid value."""
        return values != self.invalid(facts)

    def read(self, path: Path, storage: Storage) -> Array:
        """Read a grey picture or `.npy`; (H, W)."""
        return read_map(path)

    def fit(self, small: Array, stored: Array, across: float, facts: LabelFacts, where: str) -> Array:
        """Keep the values; what is not finite is invalid."""
        return np.where(np.isfinite(small), small, self.invalid(facts)).astype(self.dtype)

    def storing(self, rows: Array, facts: LabelFacts, exact: bool = False) -> Storing:
        """Store the values as they are."""
        return lambda values: (values, {})

    def drawing(self, values: Array, facts: LabelFacts) -> Drawing:
        """Shades of grey from the least value to the largest."""
        return PlainDrawing(self, values, facts)

    def survey(self, facts: LabelFacts) -> PlainSurvey:
        """Valid pixels."""
        return PlainSurvey(self, facts)

    def table(self, surveys: Mapping[str, PlainSurvey], facts: LabelFacts) -> LabelTable:
        """One row per split."""
        return by_split(self.name.capitalize(), ["% valid"], surveys, lambda one: [percent(one.valid)])


class PlainDrawing(Drawing):
    """Shades of grey; the least valid value is dark grey, for black is invalid."""

    def __init__(self, kind: PlainKind, values: Array, facts: LabelFacts) -> None:
        self.title = kind.name
        self._kind, self._facts = kind, facts
        valid = values[kind.valid(values, facts)]
        self._low, self._high = (float(valid.min()), float(valid.max())) if valid.size else (0.0, 1.0)

    def colors(self, values: Array) -> NDArray[np.uint8]:
        """Colour one label."""
        share = (values.astype(np.float32) - self._low) / max(self._high - self._low, 1e-6)
        grey = np.where(self._kind.valid(values, self._facts), 40 + 215 * share.clip(0, 1), 0)
        return np.repeat(grey.astype(np.uint8)[..., None], 3, -1)
