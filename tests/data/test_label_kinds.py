"""Every registered label kind keeps the contract, and the suite rejects each kind that breaks a rule of it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

from ednas_nni.data.info import DEPTH_KINDS, LabelFacts
from ednas_nni.data.kinds import LABEL_KINDS, LabelKind, LabelTable, label_kind
from ednas_nni.data.targets import ClassMap, Label
from ednas_nni.errors import DataError, PluginError
from ednas_nni.testing.label_kinds import check_label_kind

Depth, Normals, Segmentation = (LABEL_KINDS.load(name) for name in ("depth", "normals", "segmentation"))
SHAPE = (3, 8, 12)
CLASSES = ("floor", "wall", "thing")
FACTS = LabelFacts(classes=CLASSES)


def examples() -> dict[str, np.ndarray]:
    """Labels with a fifth of invalid pixels."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(*SHAPE, 3))
    vectors[..., 2] = np.abs(vectors[..., 2]) + 0.5
    normals = (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float16)
    labels = {
        "segmentation": rng.integers(0, 3, SHAPE).astype(np.uint8),
        "depth": rng.uniform(0.5, 5, SHAPE).astype(np.float32),
        "normals": normals,
    }
    hole = rng.random(SHAPE) < 0.2
    for name, values in labels.items():
        values[hole] = 255 if name == "segmentation" else 0
    return labels


VALUES = examples()


def test_the_examples_are_those_of_every_registered_kind() -> None:
    assert {name for name in LABEL_KINDS.names() if name in VALUES} == set(VALUES)


@pytest.mark.parametrize("name", VALUES)
def test_every_kind_that_comes_with_ednas(name: str) -> None:
    check_label_kind(LABEL_KINDS.load(name), VALUES[name], FACTS)


@pytest.mark.parametrize("kind", DEPTH_KINDS)
def test_every_kind_of_depth(kind: str) -> None:
    check_label_kind(Depth, VALUES["depth"], LabelFacts(depth_kind=kind))


class ShoutingName(Depth):
    name = "Depth"


class TakenColumn(Depth):
    name = "thickness"


class TakenWords(Depth):
    name, column, details, same, mask = "thickness", "thickness", {}, {}, ""


class ZeroIsAClass(Segmentation):
    def invalid(self, facts: LabelFacts) -> float:
        return 0


class PlainTensor(Segmentation):
    def tensor(self, rows: np.ndarray, facts: LabelFacts) -> Any:
        return torch.from_numpy(rows.astype(np.int64))


class FillsWithAClass(Segmentation):
    class Filled(ClassMap):
        invalid = 0

    def tensor(self, rows: np.ndarray, facts: LabelFacts) -> Any:
        return torch.from_numpy(rows.astype(np.int64)).as_subclass(self.Filled)


class ForgetsToMirrorBack(Normals):
    class Turned(Label):
        @classmethod
        def mirrored(cls, values: torch.Tensor, axis: int) -> torch.Tensor:
            return values.roll(1, -3)

    def tensor(self, rows: np.ndarray, facts: LabelFacts) -> Any:
        return super().tensor(rows, facts).as_subclass(self.Turned)


class FitsByScaling(Depth):
    def fit(self, small, stored, across, facts, where):
        return super().fit(small * 2, stored, across, facts, where)


class ForgetsTheScale(Depth):
    def storing(self, rows, facts, exact=False):
        store = super().storing(rows, facts, exact)
        return lambda values: (store(values)[0], {"depth_scale": "1"})


class UnknownCells(Depth):
    def storing(self, rows, facts, exact=False):
        return lambda values: (values, {"depth_colour": "red"})


class PaintsHoles(Depth):
    def drawing(self, values, facts):
        drawing = super().drawing(values, facts)
        colors = drawing.colors
        drawing.colors = lambda one: colors(one) + np.uint8(1)
        return drawing


class CountsHoles(Depth):
    def survey(self, facts):
        class Sums(type(super().survey(facts))):
            def add(self, values):
                super().add(values)
                self.images += 1
                return True

        return Sums()


class ShortRows(Depth):
    def table(self, surveys, facts):
        table = super().table(surveys, facts)
        return LabelTable(table.title, table.columns, [row[1:] for row in table.rows])


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (ShoutingName, "lower-case identifier"),
        (TakenColumn, "of a manifest belong to others; rename them"),
        (TakenWords, "tell files of another kind"),
        (ZeroIsAClass, "a label that an image lacks has valid pixels"),
        (PlainTensor, "derived from ednas_nni.data.targets.Label"),
        (FillsWithAClass, "tensor: other pixels are valid"),
        (ForgetsToMirrorBack, "flipped twice, it is not the same"),
        (FitsByScaling, "fit changes values"),
        (ForgetsTheScale, "other values after it was stored"),
        (UnknownCells, "for which there are no `details`"),
        (PaintsHoles, "invalid pixels are not black"),
        (CountsHoles, "the survey counts an image that lacks the label"),
        (ShortRows, "another number of cells than columns"),
    ],
)
def test_a_kind_that_breaks_a_rule(kind: type[LabelKind], words: str) -> None:
    parent = next(name for name in VALUES if issubclass(kind, LABEL_KINDS.load(name)))
    with pytest.raises(PluginError, match=re.escape(words)):
        check_label_kind(kind, VALUES[parent], FACTS)


def test_values_that_show_nothing_are_rejected() -> None:
    with pytest.raises(PluginError, match="some pixels that are invalid"):
        check_label_kind(Depth, np.ones(SHAPE, np.float32))
    with pytest.raises(PluginError, match="but dtype is 'float32'"):
        check_label_kind(Depth, np.ones(SHAPE))


def test_names_of_kinds() -> None:
    with pytest.raises(PluginError, match="Did you mean 'depth'"):
        label_kind("dept")
    with pytest.raises(DataError, match="allowed are the registered label kinds segmentation, depth, normals"):
        LabelFacts(targets=("dept",))
