"""Studies: strict, defaulted, told apart by their digest."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ednas_nni.errors import EdnasError, StudyError
from ednas_nni.study import parse

WRONG = [
    ({"taks": []}, "unknown field 'taks'. Did you mean 'tasks'?"),
    ({"space": {"preset": "nano"}}, "space = .*needs a `name`"),
    ({"space": 3}, "space = 3"),
    ({"train_size": [60, 128]}, "train_size must be multiples of 32"),
    ({"train_size": [64]}, "train_size"),
    ({"deploy_size": "large"}, "deploy_size"),
    ({"tasks": []}, "tasks = .*at least one"),
    ({"tasks": ["depth", "depth"]}, "names something twice: depth"),
    ({"tasks": 3}, "tasks"),
    ({"seed": -1}, "seed = -1"),
    ({"seed": "x"}, "seed = 'x'"),
    ({"hardware_aware": {"coss": "macs"}}, "unknown field 'hardware_aware.coss'. Did you mean 'cost'"),
    ({"a[b]": 1}, r"unknown field 'a\[b\]'"),  # words that look like pydantic's own are the user's here
    ({"str": 1}, "unknown field 'str'. Did you mean 'start'"),
    ({"Plugin": 1}, "unknown field 'Plugin'"),
    ({"hardware_aware": {"literal": 1}}, "unknown field 'hardware_aware.literal'"),
    ({"hardware_aware": {"weight": 0.5}}, "hardware_aware.weight = 0.5"),
    ({"hardware_aware": "atuo"}, "hardware_aware"),
    ({"device": []}, "device = .*at least one"),
    ({"device": "edge_tpu", "devices": ["params"]}, "device and devices are one field"),
    ("nano", "classArgs must be a mapping"),
    ([1], "classArgs must be a mapping"),
    ({"hardware_aware": yaml.safe_load("weight: -1e-2")}, r"weight = '-1e-2': must be a number \(YAML .* write 0.001"),
]


@pytest.mark.parametrize(("data", "message"), WRONG, ids=[m[:40] for _, m in WRONG])
def test_messages(data: object, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        parse(data)


def test_defaults_and_round_trip() -> None:
    study = parse(None)
    assert parse(study.dump()) == study
    assert parse({"tasks": "depth", "hardware_aware": False}).hardware_aware == "off"
    assert parse({"space": {"name": "nano", "x": 1}}).space.options == {"x": 1}
    two = ["edge_tpu", {"name": "ethos_u", "accelerator": "u55-64"}]
    assert parse({"devices": two}) == parse({"device": two}) and parse({"devices": two}).dump()["device"] == two


def test_digest_sees_meaning_not_writing() -> None:
    assert parse({"space": "nano"}).digest == parse({"space": {"name": "nano"}}).digest == parse({}).digest
    assert parse({"seed": 1}).digest != parse({}).digest


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*parse({}).dump(), "other"]), json_values, max_size=4))
def test_any_plain_data_is_a_study_or_our_own_error(data: dict) -> None:
    try:
        parse(data)
    except EdnasError as error:
        assert "Traceback" not in str(error)


def test_the_precisions_are_those_of_lightning() -> None:
    from typing import get_args

    from lightning_fabric.plugins.precision import precision

    from ednas_nni.training.recipe import Precision

    known = get_args(precision._PRECISION_INPUT_STR) + get_args(precision._PRECISION_INPUT_STR_ALIAS)
    assert set(get_args(Precision)) == {p for p in known if p.endswith("mixed") or p in ("32-true", "32", "16", "bf16")}


@pytest.mark.parametrize(
    ("study", "target"),
    [
        ({"constraints": ["latency_ms >= 2", "latency_ms <= 16"]}, 16.0),
        ({"objectives": ["quality", "max:params", "latency_ms"], "constraints": ["latency_ms <= 8"]}, 8.0),
        ({"objectives": ["quality", "max:params"], "constraints": ["params <= 1e6"]}, None),
    ],
)
def test_the_reward_s_target_is_an_upper_limit_of_a_cost_to_be_kept_small(study: dict, target: float | None) -> None:
    from ednas_nni.study.reward import hardware_reward

    found = hardware_reward(parse(study), single_objective=True)
    assert (found and found["target"]) == target
    with pytest.raises(StudyError, match="'latency_ms <= NUMBER'"):
        hardware_reward(parse({"constraints": ["latency_ms >= 2"]}), single_objective=True)
