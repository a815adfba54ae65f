"""Samples and codes that do not belong to a space: one `SampleError` that names label, value and what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ednas_nni.errors import PluginError, SampleError, quoted
from ednas_nni.space.dimensions import Dimension, Literal
from ednas_nni.space.domains import Domains

WIDTH = Dimension("width", (16, 24, 32))
OPERATION = Dimension("operation", ("conv", "ibn"), (((Literal("depth", frozenset({2})),),),))
SPACE = Domains([Dimension("depth", (1, 2)), WIDTH, Dimension("skip", (False, True)), OPERATION])
GOOD = {"depth": 2, "width": 16, "skip": False, "operation": "ibn"}
READERS = ("check", "canonical", "active", "complete", "architecture_id", "encode")

WRONG = [
    ({**GOOD, "widht": 16}, ("'widht'", "Did you mean 'width'?")),
    ({**GOOD, "width": 17}, ("width = 17", "not in the search space", "16, 24, 32")),
    ({**GOOD, "width": "16"}, ("width = '16'", "Did you mean '16'?")),
    ({**GOOD, "width": 16.5}, ("width = 16.5", "16, 24, 32")),
    ({**GOOD, "width": None}, ("width = None", "16, 24, 32")),
    ({**GOOD, "width": [16]}, ("width = [16]", "16, 24, 32")),
    ({**GOOD, "width": {"value": 16}}, ("width = {'value': 16}", "16, 24, 32")),
    ({**GOOD, "width": float("nan")}, ("width = nan", "16, 24, 32")),
    ({**GOOD, "width": 10**5000}, ("width = a whole number of 16610 bits", "16, 24, 32")),
    ({**GOOD, "width": np.array([16, 24])}, ("width = array([16, 24])", "16, 24, 32")),
    ({**GOOD, "depth": True}, ("depth = True", "1, 2")),
    ({**GOOD, "skip": 0}, ("skip = 0", "False, True")),
    ({**GOOD, "operation": "i\x1b[2Jbn"}, ("operation = 'i\\x1b[2Jbn'", "conv, ibn")),
    ({**GOOD, "operation": "x" * 10**6}, ("operation = 'xxx", "...", "conv, ibn")),
    ({**GOOD, ("a", "b"): 1}, ("('a', 'b')", "depth, operation, skip, width")),
    ({"width": 16}, ("lacks depth", "1, 2")),
    ({}, ("lacks", "depth", "1, 2")),
    (None, ("mapping from label to value", "NoneType")),
    ("depth", ("mapping from label to value", "str")),
    ([1, 16, False, "conv"], ("mapping from label to value", "list")),
    (3, ("mapping from label to value", "int")),
]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("sample", "words"), WRONG, ids=[f"{i}: {words[0][:20]}" for i, (_, words) in enumerate(WRONG)]
)
def test_a_wrong_sample(sample: Any, words: tuple[str, ...], reader: str, raised: Callable[..., str]) -> None:
    if reader == "complete" and isinstance(sample, dict) and set(sample) < set(GOOD):
        words = ("lacks", "depth")
    raised(lambda: getattr(SPACE, reader)(sample), SampleError, words)


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        ([0, 0, 0], ("needs 4 positions", "not 3")),
        ([0, 0, 0, 0, 0], ("needs 4 positions", "not 5")),
        ([0, 3, 0, 0], ("width: position 3", "0..2")),
        ([0, -1, 0, 0], ("width: position -1", "0..2")),
        ([0, 10**5000, 0, 0], ("width: position a whole number of 16610 bits", "0..2")),
        ([0, 1.7, 0, 0], ("4 whole numbers", "1.7")),
        ([0, float("nan"), 0, 0], ("4 whole numbers", "nan")),
        ([0, None, 0, 0], ("4 whole numbers", "None")),
        ("0000", ("4 whole numbers", "'0000'")),
        (np.zeros((4, 4)), ("4 whole numbers",)),
        (None, ("4 whole numbers", "None")),
        (7, ("4 whole numbers", "7")),
    ],
    ids=lambda value: quoted(value, 24),
)
def test_wrong_codes(codes: Any, words: tuple[str, ...], raised: Callable[..., str]) -> None:
    raised(lambda: SPACE.decode(codes), SampleError, words)


@pytest.mark.parametrize("label", ["widht", None, 3, ["width"], "w" * 10**6], ids=lambda value: quoted(value, 20))
def test_wrong_labels(label: Any, raised: Callable[..., str]) -> None:
    raised(lambda: SPACE[label], SampleError, ("no label", "Allowed: depth, operation, skip, width"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, ("not a search space",)),
        (3, ("not a search space",)),
        ({"label": "a"}, ("not a search space",)),
        ([{"label": "a"}], ("not a search space", "values")),
        ([{"label": "a/b", "values": [1]}], ("'a/b'", "letters, digits and underscores")),
        ([{"label": "../x", "values": [1]}], ("'../x'", "letters, digits and underscores")),
        ([{"label": ["a"], "values": [1]}], ("['a']", "letters, digits and underscores")),
        ([{"label": "a", "values": []}], ("'a'", "no values")),
        ([{"label": "a", "values": [[1]]}], ("'a'", "JSON scalars")),
        ([{"label": "a", "values": [1, 1]}], ("'a'", "all different")),
        ([{"label": "a", "values": ["\x1b[2J", "b"]}], ("'a'", "no control characters", "\\x1b[2J")),
        ([{"label": "a", "values": [1, 2]}] * 2, ("'a'", "twice")),
        ([{"label": "a", "values": [1], "conditions": [[[["b", [1]]]]]}], ("'a'", "depends on 'b'", "Allowed: a")),
        ([{"label": "a", "values": [1, 2], "conditions": [[[["a", [1]]]]]}], ("'a'", "depends on itself")),
        ([{"label": "a", "values": [1], "conditions": [[[["a", 1]]]]}], ("not a search space",)),
        ([{"label": "a", "values": [1], "conditions": [[[[["a"], [1]]]]]}], ("a label is text, not ['a']",)),
    ],
    ids=lambda value: quoted(value, 40),
)
def test_wrong_spaces(data: Any, words: tuple[str, ...], raised: Callable[..., str]) -> None:
    """What a journal's head holds of the space."""
    raised(lambda: Domains.from_json(data), PluginError, words)
