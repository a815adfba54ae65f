from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ednas_nni.errors import StudyError
from ednas_nni.study.objectives import REWARDS, Constraint, Objective, parse_constraint, parse_objective, reward

WEIGHTS = st.floats(-2, 0)
RATIOS = st.floats(1, 100)


@pytest.mark.parametrize(
    ("text", "name", "direction"),
    [
        ("quality", "quality", "max"),
        ("latency_ms", "latency_ms", "min"),
        ("max:segmentation_miou", "segmentation_miou", "max"),
        ("min: depth_abs_error_m", "depth_abs_error_m", "min"),
        ("delta_t", "delta_t", "max"),
    ],
)
def test_objectives_are_read(text, name, direction):
    assert parse_objective(text) == Objective(name, direction)


@pytest.mark.parametrize("text", ["", "up:quality", "max:", "a b", "max:a:b", 3])
def test_bad_objectives_are_refused(text):
    with pytest.raises(StudyError):
        parse_objective(text)


@pytest.mark.parametrize("text", ["latency_ms <= 8", "latency_ms<=8.0", " latency_ms  <= 8e0 "])
def test_constraints_are_read(text):
    assert parse_constraint(text) == Constraint("latency_ms", "<=", 8.0)
    assert str(parse_constraint(text)) == "latency_ms <= 8"


@pytest.mark.parametrize("text", ["latency_ms < 8", "latency_ms == 8", "latency_ms <= fast", "8 >= x", "x <= nan", 5])
def test_bad_constraints_name_the_way_out(text):
    with pytest.raises(StudyError, match=r"latency_ms <= 19|number"):
        parse_constraint(text)


def test_constraint_holds():
    limit = parse_constraint("latency_ms <= 8")
    assert limit.holds(8.0) and not limit.holds(8.1) and not limit.holds(math.nan)


@given(st.sampled_from(sorted(REWARDS)), st.floats(0.01, 1), WEIGHTS, RATIOS, RATIOS)
def test_no_reward_rises_when_the_cost_grows_beyond_the_target(kind, quality, weight, one, two):
    near, far = sorted((one, two))
    assert reward(kind, quality, 8 * far, 8, weight) <= reward(kind, quality, 8 * near, 8, weight) + 1e-12


@given(st.sampled_from(["log", "tunas_abs", "one_sided_abs"]), st.floats(-1, 0), WEIGHTS, RATIOS, RATIOS)
def test_sums_are_right_for_negative_quality(kind, quality, weight, one, two):
    near, far = sorted((one, two))
    assert reward(kind, quality, 8 * far, 8, weight) <= reward(kind, quality, 8 * near, 8, weight) + 1e-12


def test_a_product_reward_without_the_guard_breaks_the_property():
    """The broken variant: for Q < 0 MnasNet's product rewards the slower network, hence the refusal."""
    assert REWARDS["mnas_soft"](-0.5, 4.0, -0.07) > REWARDS["mnas_soft"](-0.5, 2.0, -0.07)
    for quality in (-0.5, 0.0):
        with pytest.raises(StudyError, match="log"):
            reward("mnas_soft", quality, 9, 8, -0.07)


def test_values_of_the_published_formulas():
    assert reward("log", 0.5, 16, 8, -0.07) == pytest.approx(0.5 - 0.07 * math.log(2))
    assert reward("tunas_abs", 0.5, 4, 8, -0.1) == pytest.approx(0.45)
    assert reward("one_sided_abs", 0.5, 4, 8, -0.1) == 0.5
    assert reward("mnas_soft", 0.5, 4, 8, -0.07) == pytest.approx(0.5 * 0.5**-0.07)
    assert reward("mnas_hard", 0.5, 4, 8, -1) == 0.5
    assert reward("mnas_hard", 0.5, 16, 8, -1) == 0.25


@pytest.mark.parametrize("change", [{"kind": "logg"}, {"weight": 0.1}, {"target": 0}, {"target": math.inf}])
def test_bad_rewards_are_refused(change):
    arguments = {"kind": "log", "quality": 0.5, "cost": 5.0, "target": 8.0, "weight": -0.1} | change
    with pytest.raises(StudyError, match="reward"):
        reward(**arguments)


@pytest.mark.parametrize(("quality", "cost"), [(math.nan, 1), (0.5, 0), (0.5, math.inf)])
def test_rewards_of_non_numbers_are_errors(quality, cost):
    with pytest.raises(ValueError):
        reward("log", quality, cost, 8)
