"""Delta_T: the formula against an independent one, its properties, and how often the interval holds the truth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ednas_nni.baselines import interval as module
from ednas_nni.baselines.interval import DeltaTEstimate, estimate
from ednas_nni.errors import BaselineError
from ednas_nni.tasks import delta_t as formula
from ednas_nni.tasks.delta_t import delta_t, delta_task

DIRECTIONS = {
    "segmentation": {"miou": "max", "pixel_accuracy": "max"},
    "depth": {"abs_error_m": "min", "rel_error": "min", "delta1": "max", "delta2": "max", "delta3": "max"},
    "normals": {"mean_deg": "min", "within_30": "max"},
}
Values = dict[str, dict[str, float]]
amounts = st.floats(0.01, 100)


@st.composite
def values(draw: st.DrawFn) -> Values:
    return {task: {name: draw(amounts) for name in metrics} for task, metrics in DIRECTIONS.items()}


def independent(candidate: Values, baseline: Values) -> float:
    """The formula as the papers print it, one loop."""
    total = 0.0
    for task, metrics in DIRECTIONS.items():
        part = 0.0
        for name, way in metrics.items():
            lower_is_better = 1 if way == "min" else 0
            part += (-1) ** lower_is_better * (candidate[task][name] - baseline[task][name]) / baseline[task][name]
        total += 100 / len(metrics) * part
    return total / len(DIRECTIONS)


def equals_the_printed_formula(candidate: Values, baseline: Values) -> None:
    assert delta_t(candidate, baseline, DIRECTIONS) == pytest.approx(independent(candidate, baseline), rel=1e-9)


def improving_raises_it(candidate: Values, baseline: Values, task: str, name: str) -> None:
    better = {k: dict(v) for k, v in candidate.items()}
    better[task][name] *= 1.1 if DIRECTIONS[task][name] == "max" else 0.9
    assert delta_t(better, baseline, DIRECTIONS) > delta_t(candidate, baseline, DIRECTIONS)


@given(values(), values())
def test_equals_the_printed_formula(candidate: Values, baseline: Values) -> None:
    equals_the_printed_formula(candidate, baseline)


def test_published_single_task_row() -> None:
    """AdaShare's single-task depth on CityScapes against one metric changed by a tenth: 100 * 0.1 / 5."""
    single = {"abs_error_m": 0.017, "rel_error": 0.33, "delta1": 70.3, "delta2": 86.3, "delta3": 93.3}
    better = {**single, "rel_error": 0.33 * 0.9}
    assert delta_task(better, single, DIRECTIONS["depth"]) == pytest.approx(2.0)
    assert delta_task(single, single, DIRECTIONS["depth"]) == 0.0


@given(values(), values(), st.sampled_from(sorted(DIRECTIONS)), st.data())
def test_improving_any_metric_raises_it(candidate: Values, baseline: Values, task: str, data: st.DataObject) -> None:
    improving_raises_it(candidate, baseline, task, data.draw(st.sampled_from(sorted(DIRECTIONS[task]))))


@given(values(), values(), amounts)
def test_units_do_not_matter(candidate: Values, baseline: Values, factor: float) -> None:
    """Metres or millimetres: a relative change has no unit."""
    scaled = [{k: dict(v) for k, v in each.items()} for each in (candidate, baseline)]
    for each in scaled:
        each["depth"]["abs_error_m"] *= factor
    plain = delta_t(candidate, baseline, DIRECTIONS)
    assert delta_t(*scaled, DIRECTIONS) == pytest.approx(plain, rel=1e-9, abs=1e-9)


@given(values(), values())
def test_every_task_weighs_the_same(candidate: Values, baseline: Values) -> None:
    parts = [delta_task(candidate[t], baseline[t], DIRECTIONS[t]) for t in DIRECTIONS]
    assert delta_t(candidate, baseline, DIRECTIONS) == pytest.approx(sum(parts) / 3, rel=1e-9, abs=1e-9)


def test_a_wrong_sign_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant: every metric counted as larger-is-better. The formula's test must notice."""
    baseline = {task: dict.fromkeys(metrics, 2.0) for task, metrics in DIRECTIONS.items()}
    candidate = {task: dict.fromkeys(metrics, 1.0) for task, metrics in DIRECTIONS.items()}
    equals_the_printed_formula(candidate, baseline)
    improving_raises_it(candidate, baseline, "depth", "rel_error")
    monkeypatch.setattr(formula, "signs", lambda directions: np.ones(len(directions)))
    with pytest.raises(AssertionError):
        equals_the_printed_formula(candidate, baseline)
    with pytest.raises(AssertionError):
        improving_raises_it(candidate, baseline, "depth", "rel_error")


@pytest.mark.parametrize("bad", [0.0, -0.1, math.nan, math.inf])
def test_unusable_baselines_are_refused(bad: float) -> None:
    baseline = {"miou": bad, "pixel_accuracy": 0.8}
    with pytest.raises(BaselineError, match=r"baseline has miou .* above 0"):
        delta_task({"miou": 0.5, "pixel_accuracy": 0.8}, baseline, DIRECTIONS["segmentation"])


def test_wrong_questions_are_refused() -> None:
    one = {"segmentation": {"miou": 0.5, "pixel_accuracy": 0.8}}
    ways = {"segmentation": DIRECTIONS["segmentation"]}
    with pytest.raises(BaselineError, match="no task"):
        delta_t({}, {}, {})
    with pytest.raises(BaselineError, match="'max' or 'min'"):
        delta_t(one, one, {"segmentation": {"miou": "up"}})
    with pytest.raises(BaselineError, match="no training of the candidate"):
        estimate([], {"segmentation": [one["segmentation"]]}, ways)
    with pytest.raises(BaselineError, match="baseline of segmentation has no training"):
        estimate([one], {"segmentation": []}, ways)
    broken = {"segmentation": {"miou": math.nan, "pixel_accuracy": 0.8}}
    with pytest.raises(BaselineError, match=r"miou of the candidate's segmentation is not a finite"):
        estimate([broken], {"segmentation": [one["segmentation"]] * 2}, ways)


def test_a_diverged_candidate_is_not_a_number() -> None:
    """In a trial the evaluator refuses what is not finite; the formula must not hide it."""
    assert math.isnan(delta_task({"miou": math.nan, "pixel_accuracy": 1}, {"miou": 1, "pixel_accuracy": 1},
                                 DIRECTIONS["segmentation"]))  # fmt: skip


# ---- the interval

TRUE = {
    "segmentation": {"miou": 0.40, "pixel_accuracy": 0.75},
    "depth": {"abs_error_m": 0.55, "rel_error": 0.19, "delta1": 0.70, "delta2": 0.90, "delta3": 0.97},
    "normals": {"mean_deg": 24.0, "within_30": 0.72},
}
SPREAD = {"segmentation": 0.025, "depth": 0.012, "normals": 0.006}  # of a single run, relative


def run(rng: np.random.Generator, task: str, gain: float) -> dict[str, float]:
    """One training: all its metrics are good or bad together (correlation 0.8)."""
    common = rng.normal()
    found = {}
    for name, way in DIRECTIONS[task].items():
        luck = SPREAD[task] * (math.sqrt(0.8) * common + math.sqrt(0.2) * rng.normal())
        better = 1 + gain if way == "max" else 1 - gain
        found[name] = TRUE[task][name] * better * (1 + luck)
    return found


def simulate(rng: np.random.Generator, seeds: int, baselines: int, gain: float = 0.03) -> DeltaTEstimate:
    candidate = [{task: run(rng, task, gain) for task in DIRECTIONS} for _ in range(seeds)]
    theirs = {task: [run(rng, task, 0.0) for _ in range(baselines)] for task in DIRECTIONS}
    return estimate(candidate, theirs, DIRECTIONS)


def coverage(seeds: int, baselines: int, count: int = 1200) -> float:
    """How often the 95 % interval holds the truth: every metric is 3 % better, so Delta_T is 3."""
    rng = np.random.default_rng(seeds * 100 + baselines)
    found = [simulate(rng, seeds, baselines) for _ in range(count)]
    return float(np.mean([e.low <= 3.0 <= e.high for e in found]))


@pytest.mark.parametrize(("seeds", "baselines"), [(3, 3), (1, 3), (5, 2)])
def test_the_interval_holds_the_truth(seeds: int, baselines: int) -> None:
    """1200 simulated studies: 91 to 98.5 % of the nominal 95 % intervals.

    Welch's t is approximate with two or three runs a side: 96.4, 93.9 and 94.5 % here, with a standard error of 0.6
    points. So another seed of the simulation would fail with p < 1e-3; this one is fixed.
    """
    assert 0.91 <= coverage(seeds, baselines) <= 0.985


def test_leaving_out_the_baselines_spread_undercovers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant: baselines taken for exact. The same simulation must notice, by far."""

    def only_the_candidate(scores: np.ndarray, spreads: Any) -> Any:
        return [(float(scores.var(ddof=1)) / len(scores), len(scores) - 1)]

    monkeypatch.setattr(module, "_variances", only_the_candidate)
    assert coverage(8, 3, 600) < 0.88


def test_treating_metrics_as_independent_undercovers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant: the variance of a mean of metrics as if a run's metrics were independent."""
    real = module._variances

    def too_small(scores: np.ndarray, spreads: Any) -> Any:
        return [(variance / 3, freedom) for variance, freedom in real(scores, spreads)]

    monkeypatch.setattr(module, "_variances", too_small)
    assert coverage(3, 3, 600) < 0.88


def test_more_seeds_make_it_narrower_and_the_value_is_the_mean() -> None:
    rng = np.random.default_rng(0)
    few = [simulate(rng, 2, 2) for _ in range(50)]
    many = [simulate(rng, 8, 8) for _ in range(50)]
    assert np.median([e.high - e.low for e in many]) < 0.5 * np.median([e.high - e.low for e in few])
    for found in (few[0], many[0]):
        assert found.value == pytest.approx(sum(found.tasks.values()) / 3)
        assert found.low < found.value < found.high
    assert few[0].seeds == 2


def test_the_value_is_that_of_the_means() -> None:
    rng = np.random.default_rng(1)
    candidate = [{task: run(rng, task, 0.02) for task in DIRECTIONS} for _ in range(4)]
    theirs = {task: [run(rng, task, 0.0) for _ in range(3)] for task in DIRECTIONS}

    def mean(runs: list[dict[str, float]]) -> dict[str, float]:
        return {name: float(np.mean([r[name] for r in runs])) for name in runs[0]}

    own = {task: mean([r[task] for r in candidate]) for task in DIRECTIONS}
    single = {task: mean(runs) for task, runs in theirs.items()}
    assert estimate(candidate, theirs, DIRECTIONS).value == pytest.approx(independent(own, single))


def test_a_reference_trained_once_gives_no_interval() -> None:
    found = simulate(np.random.default_rng(2), seeds=3, baselines=1)
    assert math.isfinite(found.value)
    assert (found.low, found.high, found.degrees_of_freedom) == (None, None, None)


def test_runs_that_repeat_each_other_have_no_width() -> None:
    rng = np.random.default_rng(3)
    once = {task: run(rng, task, 0.1) for task in DIRECTIONS}
    same = {task: [run(rng, task, 0.0)] * 3 for task in DIRECTIONS}
    found = estimate([once, once], same, DIRECTIONS)
    assert found.low == pytest.approx(found.value) == found.high


def test_a_candidate_trained_once_borrows_the_baselines_spread() -> None:
    """By hand, one task with one metric: baseline 1.0 +- 0.1 (n = 3), so 10 points a run; sqrt(1 + 1/3) of it."""
    ways = {"segmentation": {"miou": "max"}}
    theirs = {"segmentation": [{"miou": 0.9}, {"miou": 1.0}, {"miou": 1.1}]}
    found = estimate([{"segmentation": {"miou": 1.0}}], theirs, ways)
    assert found.seeds == 1
    assert found.degrees_of_freedom == pytest.approx(2)
    assert found.high == pytest.approx(4.302652729911275 * 10 * math.sqrt(4 / 3))  # t(0.975, 2)
    assert found.value == 0.0
