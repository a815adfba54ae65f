"""Which class a stored value is: read from classes.txt, and equal to a plain look-up in numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sets.manifest import Manifest
from ednas_nni.data.class_table import ClassTable, merged, read_classes
from ednas_nni.errors import DataError
from tests.data_sets.written import written

HERE = Path("a.png")
NAMES = ("wall", "floor", "box", "ignore")
TABLES = st.dictionaries(st.integers(-3, 1200), st.sampled_from(NAMES), min_size=2, max_size=12)


def check_lookup(table: ClassTable, dtype: str) -> None:
    """Against a loop over pixels that knows only the rules of the page."""
    limits = (np.iinfo(dtype).min, np.iinfo(dtype).max) if np.dtype(dtype).kind in "iu" else (-3, 1200)
    values = [v for v in (*table.named, 7, 255, -1) if limits[0] <= v <= limits[1]]
    stored = np.random.default_rng(0).choice(np.array(values, dtype), (6, 9))
    if np.dtype(dtype).kind == "f":
        stored[0, :4] = np.nan
    order = list(dict.fromkeys(n for n in (*table.named.values(), table.rest) if n != "ignore"))
    wanted = np.full(stored.shape, 255)
    for at, value in np.ndenumerate(stored):
        rest = "ignore" if value in (255, -1) else table.rest
        name = "ignore" if np.isnan(value) else table.named.get(int(value), rest)
        wanted[at] = 255 if name == "ignore" else order.index(name)
    np.testing.assert_array_equal(table.labels(stored, (), HERE), wanted)


@given(named=TABLES, rest=st.sampled_from(NAMES), dtype=st.sampled_from(["uint8", "uint16", "int32", "float32"]))
def test_labels_are_a_lookup(named: dict[int, str], rest: str, dtype: str) -> None:
    check_lookup(ClassTable(named, rest), dtype)


def test_one_label_a_value_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant: two values of one class become two classes."""
    monkeypatch.setattr(ClassTable, "label", lambda self, name: [*self.named.values(), self.rest].index(name))
    with pytest.raises(AssertionError):
        check_lookup(ClassTable({1: "wall", 5: "box", 36: "box", 9: "floor"}, "ignore"), "uint16")


@pytest.mark.parametrize(
    ("text", "named", "rest"),
    [
        ("wall\nfloor\n", {0: "wall", 1: "floor"}, None),
        ("1: wall\n2: floor\n", {1: "wall", 2: "floor"}, None),
        ("5, 36 7: box\n1: wall\n*: ignore\n", {5: "box", 36: "box", 7: "box", 1: "wall"}, "ignore"),
        ("5: box\n1: wall\n36: box\n0: ignore\n", {5: "box", 1: "wall", 36: "box", 0: "ignore"}, None),
        ("1: wall\n*: other things\n", {1: "wall"}, "other things"),
    ],
)
def test_classes_file(text: str, named: dict[int, str], rest: str | None, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text(text)
    table = read_classes(tmp_path / "classes.txt")
    assert (table.named, table.rest) == (named, rest) and list(table.named) == list(named)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1: wall\n1: floor\n", "repeats a value"),
        ("1 2: wall\n2: floor\n", "repeats a value"),
        ("*: a\n*: b\n", "repeats a value"),
        ("wall\nwall\n", "repeats a value or a name"),
        ("1: wall\n0: ignore\n", "names 1 classes"),
        ("1: wall\nfloor\n", "has no value"),
        ("1: wall\n2:\n", "names nothing"),
    ],
)
def test_wrong_classes_files(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(DataError, match=words):
        read_classes(tmp_path / "classes.txt")


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (
            np.array([[1, 38]], np.uint16),
            r"holds the value 38, but the classes are 1, 5\. .*`38: ignore`.*`\*: ignore`",
        ),
        (np.array([[1, 0.5]]), "holds 0.5, which is no whole number"),
        (np.array([[1, np.inf, np.nan]]), "holds inf, which is no whole number"),
    ],
)
def test_values_that_are_no_class(stored: np.ndarray, words: str) -> None:
    with pytest.raises(DataError, match=words):
        ClassTable({1: "wall", 5: "box"}).labels(stored, (), HERE)


def test_few_classes_of_many_in_any_data_set(rooms, tmp_path: Path) -> None:
    folder = written(Manifest, rooms, tmp_path / "d")
    groups = {"seats": ["chair", "sofa"], "floor": ["floor"], "walls": ["wall", "window", "picture"]}
    source = Manifest(folder, (32, 64), cache=tmp_path / "c", class_map=groups)
    before = Manifest(folder, (32, 64), cache=tmp_path / "c")
    assert source.info.classes == ("seats", "floor", "walls")
    lookup = np.full(256, 255, np.uint8)
    for label, names in enumerate(groups.values()):
        lookup[[before.info.classes.index(name) for name in names]] = label
    for record in source.records["search"]:
        np.testing.assert_array_equal(source.read(record)["segmentation"], lookup[before.read(record)["segmentation"]])


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ({"a": ["x"], "b": ["nothing"]}, "has the class 'nothing'"),
        ({"a": ["x"], "b": ["x"]}, "names the class 'x' twice"),
        ({"a": ["x"]}, "must name 2 or more classes"),
        (["x", "y"], "must name 2 or more classes"),
    ],
)
def test_wrong_class_maps(groups: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        merged(("x", "y"), groups)
