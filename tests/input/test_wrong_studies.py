"""Hostile and clumsy values in a study: each is one clear line of `StudyError`, before anything is loaded or built."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest

from ednas_nni.errors import StudyError
from ednas_nni.study import Study, parse

DEEP: list[Any] = []
for _ in range(3000):
    DEEP = [DEEP]
LOOP: dict[str, Any] = {"name": "rooms"}
LOOP["folder"] = LOOP


def rooms(**options: Any) -> dict[str, Any]:
    return {"data": {"name": "rooms", **options}}


#  what a user wrote                                 what the message must say
HOSTILE = [
    ({"space": "na\x1b[2Jno"}, ("space", "control character \\x1b", "remove it")),
    (rooms(folder="/data\x00/x"), ("data.folder", "control character \\x00", "remove it")),
    ({"space": "na\u202eonan"}, ("space", "control character \\u202e", "remove it")),
    ({"strategy": "\ud800"}, ("strategy", "\\ud800", "remove it")),
    (rooms(**{"f\x07": 1}), ("data.'f\\x07'", "control character \\x07")),
    ({"seed": 10**5000}, ("seed", "bits", "below 2^63")),
    (rooms(train=-(10**400)), ("data.train", "bits", "below 2^63")),
    (rooms(x=DEEP), ("data", "nested more than 32 levels")),
    ({"tasks": DEEP}, ("tasks", "nested more than 32 levels")),
    ({"data": LOOP}, ("data", "nested more than 32 levels")),
    ({"start": ["a"] * 50_000}, ("start", "more than 20000 entries")),
    ({"space": "x" * 10_000}, ("space", "10000 characters", "at most 4096")),
    (rooms(since=datetime.date(2024, 1, 1)), ("data.since", "date", "quotes")),
    ({"tasks": {"depth"}}, ("tasks", "set", "lists and mappings are allowed")),
    ({"space": b"nano"}, ("space", "bytes", "text")),
    (rooms(scale=float("nan")), ("data.scale", "nan", "finite number")),
    ({"hardware_aware": {"target": float("inf")}}, ("hardware_aware.target", "inf", "finite number")),
    ({3: 4}, ("3", "must be text")),
    ({"space": {"name": "nano", None: 1}}, ("space.None", "must be text")),
    ({"allow_open_port": "yes"}, ("allow_open_port = 'yes'", "true or false")),
    ({"allow_open_port": 1}, ("allow_open_port = 1", "true or false")),
    ({"init_from": "~nobody_of_that_name/x.pt"}, ("init_from", "no home folder", "whole path")),
    ({"init_from": "../x.pt"}, ("init_from = '../x.pt'", "absolute path")),
]
CLUMSY = [
    ({"constraints": None}, ("constraints: is empty", "latency_ms <= 19", "remove the line")),
    ({"space": None}, ("space: is empty", "space: nano", "remove the line")),
    ({"tasks": [None]}, ("tasks.0 = None", "must be text", "tasks: [segmentation, depth, normals]")),
    ({"constraints": {"latency_ms": 8}}, ("constraints.0 = {'latency_ms': 8}", "must be text", "[latency_ms <= 19]")),
    ({"objectives": [1]}, ("objectives.0 = 1", "must be text", "objectives: [quality, latency_ms]")),
    ({"train_size": ["64", "128"]}, ("train_size.0 = '64'", "whole number", "train_size: [64, 128]")),
    ({"train_size": [64.5, 64]}, ("train_size.0 = 64.5", "whole number")),
    ({"train_size": [64, 64, 3]}, ("train_size = [64, 64, 3]", "too many entries", "[64, 128]")),
    ({"train_size": []}, ("train_size", "too few entries", "[64, 128]")),
    ({"train_size": {"height": 64}}, ("train_size = {'height': 64}", "must be a list")),
    ({"deploy_size": [32, 320_000]}, ("deploy_size.1 = 320000", "at most 8192")),
    ({"deploy_size": [0, 32]}, ("deploy_size.0 = 0", "at least 32")),
    ({"trial_time_limit_s": 1e-300}, ("trial_time_limit_s", "at least 1")),
    ({"hardware_aware": {"target": True}}, ("hardware_aware.target = True", "number")),
    ({"seed": True}, ("seed = True", "whole number", "seed: 0")),
    ({"seed": "0"}, ("seed = '0'", "whole number")),
    ({"seed": 2**32}, ("seed = 4294967296", "below 4294967296")),
    ({"device": [["edge_tpu"]]}, ("device.0 = ['edge_tpu']", "plugin name", "{name: ..., option: value}")),
    ({"device": 3}, ("device.0 = 3", "plugin name")),
    ({"space": {"name": 3}}, ("space.name = 3", "must be text", "space: nano")),
    ({"space": ["nano"]}, ("space = ['nano']", "plugin name")),
    ({"reference": ["mobilenet_v2"]}, ("reference = ['mobilenet_v2']", "name of one member", "null")),
    ({"hardware_aware": [1]}, ("hardware_aware = [1]", "'auto' or 'off'", "target: 8")),
    ({"hardware_aware": {"target": -1}}, ("hardware_aware.target = -1", "above 0")),
    ({"hardware_aware": {"weight": "much"}}, ("hardware_aware.weight = 'much'", "must be a number")),
    ({"trial_start": "fork"}, ("trial_start = 'fork'", "'prefork' or 'plain'")),
    ({"Space": "nano"}, ("unknown field 'Space'", "Did you mean 'space'?")),
    ({"trainSize": [64, 128]}, ("unknown field 'trainSize'", "Did you mean 'train_size'?")),
]
WRONG = HOSTILE + CLUMSY


@pytest.mark.parametrize(("study", "words"), WRONG, ids=[f"{i}: {words[0]}" for i, (_, words) in enumerate(WRONG)])
def test_a_wrong_study(study: Any, words: tuple[str, ...], raised: Callable[..., str]) -> None:
    text = raised(lambda: parse(study, "FILE.yml"), StudyError, ("FILE.yml: ", *words))
    faulty_sizes = sum("train_size" in line for line in text.splitlines())
    assert len(text.splitlines()) == max(1, faulty_sizes), "one line per fault"


@pytest.mark.parametrize("study", [[], 3, "nano", True, b"x"], ids=repr)
def test_no_mapping(study: Any, raised: Callable[..., str]) -> None:
    raised(lambda: parse(study), StudyError, ("classArgs must be a mapping", type(study).__name__))


def test_every_field_has_an_example_that_is_right() -> None:
    import yaml

    from ednas_nni.study.messages import EXAMPLES, example

    assert EXAMPLES.keys() <= Study.model_fields.keys()
    for name, default in Study().dump().items():
        written = yaml.safe_load(example(name, Study().dump()))
        assert list(written) == [name] and parse(written)
        assert default is not None or name in (*EXAMPLES, "reference", "init_from"), "a field without an example"


def test_what_changes_no_result_is_not_in_the_digest() -> None:
    assert parse({"allow_open_port": True, "trial_start": "plain"}).digest == parse({}).digest
    assert parse({"allow_open_port": True}) != parse({})
