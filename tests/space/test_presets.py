"""Presets are read strictly: every mistake is named with its place, its value and what is allowed."""

from __future__ import annotations

import copy

import pytest

from ednas_nni.errors import StudyError
from ednas_nni.nn.blocks import parse_op
from search_spaces import presets

GOOD = {
    "description": "test",
    "stem": 16,
    "ops": ["ibn_k3_e3", "fused_k3_e6"],
    "stages": [{"channels": 24, "depth": [1, 3]}, {"channels": 32, "depth": [2, 2], "ops": ["ibn_k7_e1"]}],
    "fusion": 32,
    "head": 32,
}


def test_good_preset():
    spec = presets.parse(GOOD, "x.yml")
    assert spec.stem == 16 and spec.stages[0].depth == (1, 3)
    assert spec.stages[0].ops == ("ibn_k3_e3", "fused_k3_e6") and spec.stages[1].ops == ("ibn_k7_e1",)


def test_shipped_presets_are_valid():
    assert "nano" in presets.names()
    for name in presets.names():
        assert presets.load(name).stages


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("stem",), 12, "stem = 12 must be a multiple of 8"),
        (("stem",), True, "stem = True"),
        (("fusion",), "32", "fusion = '32'"),
        (("head",), 0, "head = 0"),
        (("heads",), 32, r"unknown field 'heads'\. Did you mean 'head'"),
        (("ops",), [], "list of different operations"),
        (("ops",), "ibn_k3_e3", "list of different operations"),
        (("ops",), ["ibn_k3_e3", "ibn_k3_e3"], "list of different operations"),
        (("ops",), ["ibn_k4_e3"], "ops: Unknown operation 'ibn_k4_e3'"),
        (("stages",), {}, "2 to 5 stages"),
        (("stages",), [GOOD["stages"][0]], "2 to 5 stages"),
        (("stages", 0), 24, r"stages\[1\] must be a mapping"),
        (("stages", 1, "depth"), [0, 2], r"stages\[2\].depth = \[0, 2\]"),
        (("stages", 1, "depth"), 3, r"stages\[2\].depth = 3"),
        (("stages", 1, "width"), 3, r"stages\[2\]: unknown field 'width'"),
        (("stages", 1, "ops"), ["x"], r"stages\[2\].ops: Unknown operation 'x'"),
    ],
)
def test_mistakes_are_named(path, value, words):
    data = copy.deepcopy(GOOD)
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(StudyError, match=words) as caught:
        presets.parse(data, "x.yml")
    assert str(caught.value).startswith("x.yml")


def test_missing_fields_and_files(tmp_path):
    data = {k: v for k, v in GOOD.items() if k not in ("stem", "head")}
    with pytest.raises(StudyError, match=r"x\.yml lacks stem, head"):
        presets.parse(data, "x.yml")
    with pytest.raises(StudyError, match="must be a mapping"):
        presets.parse(None, "x.yml")
    with pytest.raises(StudyError, match="cannot be read"):
        presets.read(tmp_path / "none.yml")
    (tmp_path / "bad.yml").write_text("a: [")
    with pytest.raises(StudyError, match="cannot be read"):
        presets.read(tmp_path / "bad.yml")
    (tmp_path / "code.yml").write_text("!!python/object/apply:os.getcwd []")
    with pytest.raises(StudyError, match="cannot be read"):
        presets.read(tmp_path / "code.yml")


def test_operation_names():
    assert parse_op("fused_k5_e3") == ("fused", 5, 3)
    for name in ("ibn", "ibn_k3_e0", "ibn_k3_e6_x", "tucker_k3_e3", 3, None):
        with pytest.raises(StudyError, match="for example ibn_k3_e6"):
            parse_op(name)
