"""Changes of a study on the command line."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from ednas_nni.errors import StudyError
from ednas_nni.study.changes import changed

STUDY = {"evaluator": "jared", "strategy": {"name": "ednas", "start": 3}, "seed": 0, "device": ["macs"]}


@pytest.mark.parametrize(
    ("change", "made"),
    [
        ("seed=7", {"seed": 7}),
        ("evaluator.steps=100", {"evaluator": {"name": "jared", "steps": 100}}),
        ("strategy.start=4", {"strategy": {"name": "ednas", "start": 4}}),
        ("strategy=random", {"strategy": "random"}),
        ("constraints=[latency_ms <= 9, params <= 1e6]", {"constraints": ["latency_ms <= 9", "params <= 1e6"]}),
        ("finish.steps=5", {"finish": {"steps": 5}}),
    ],
)
def test_a_field_is_set_and_the_given_study_stays(change: str, made: dict[str, Any]) -> None:
    before = deepcopy(STUDY)
    assert changed(STUDY, [change]) == {**STUDY, **made}
    assert before == STUDY


@pytest.mark.parametrize(
    "change", ["seed", "=3", "seed.=1", "evaluator steps=1", "device.name=1", "seed=[1", "a=!!x 1"]
)
def test_what_is_no_change_is_said_with_a_way_out(change: str) -> None:
    with pytest.raises(StudyError, match="--set "):
        changed(STUDY, [change])


def test_a_field_that_is_left_out_has_the_studys_own_plugin() -> None:
    assert changed({}, ["data.train=9"], {"data": "rooms"}) == {"data": {"name": "rooms", "train": 9}}


def test_device_and_devices_are_one_field() -> None:
    assert changed({"devices": ["macs"]}, ["device=roofline"]) == {"device": "roofline"}
    assert changed(STUDY, ["devices=[a, b]"])["devices"] == ["a", "b"] and "device" not in changed(STUDY, ["devices=a"])


def test_changes_follow_each_other() -> None:
    assert changed(STUDY, ["evaluator.steps=1", "evaluator.steps=2", "evaluator.lr=0.1"])["evaluator"] == {
        "name": "jared",
        "steps": 2,
        "lr": 0.1,
    }
