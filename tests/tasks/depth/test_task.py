"""Depth in any unit: its scale, its lambda, its prior."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ednas_nni.data import Split
from ednas_nni.errors import DataError, EdnasError
from ednas_nni.testing.tasks import Labels
from tasks.depth import Depth
from tasks.depth.task import position_median

LABELS = Labels.random("depth")


def test_predictions_are_positive():
    assert (Depth().predict(torch.randn(2, 1, 4, 6) * 30) > 0).all()


def test_bias_and_prior_are_medians(scenes):
    source = scenes()
    task, split = Depth.for_data(source.info), source.split("train")
    statistics = task.statistics(split)
    typical = task.with_constants(task.constants(statistics)).predict(task.head_bias(statistics)[None, :, None, None])
    assert typical.item() == pytest.approx(np.median(split.depth[split.depth > 0]), rel=1e-5)
    prior = task.prior(statistics)
    for y, x in [(0, 0), (9, 30), (20, 33), (31, 5)]:
        seen = split.depth[:, y, x]
        seen = seen[seen > 0] if (seen > 0).any() else split.depth[split.depth > 0]
        assert prior[0, 0, y, x] == pytest.approx(np.median(seen), abs=1e-4)


@given(st.integers(0, 10_000))
def test_masked_median_equals_numpy(seed):
    rng = np.random.default_rng(seed)
    block = rng.uniform(0.1, 9, size=(rng.integers(1, 9), 2, 3)).astype(np.float32)
    block[rng.random(block.shape) < 0.4] = rng.choice([0, -1, np.nan, np.inf])
    medians = position_median(block, np.float32(42))
    for y in range(2):
        for x in range(3):
            seen = block[:, y, x][np.isfinite(block[:, y, x]) & (block[:, y, x] > 0)]
            assert medians[y, x] == pytest.approx(np.median(seen) if len(seen) else 42, rel=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"loss": "jarde"}, "Did you mean 'jared'"),
        ({"relative_scale": -1}, "relative_scale is -1; it must be at least 0 m"),
    ],
)
def test_messages(options, words):
    with pytest.raises(EdnasError, match=words):
        Depth.for_data(LABELS.info, **options)


def test_losses_differ():
    target, output = torch.full((1, 1, 2, 2), 2.0), torch.full((1, 1, 2, 2), 5.0)
    l1 = Depth(loss_name="l1").loss(output, target)
    jared = Depth(loss_name="jared", relative_scale=3.0).loss(output, target)
    assert l1.item() == pytest.approx(3.0067, abs=1e-3)
    assert jared.item() == pytest.approx(3.0067 * (1 + 3 / 2) / 2, abs=1e-3)


@pytest.mark.parametrize(
    ("kind", "unit", "factor"), [("metric", "m", 40.0), ("inverse", "1/m", 0.02), ("disparity", "px", 9)]
)
def test_depth_of_any_unit_is_the_same_task(kind, unit, factor):
    """The scale follows the data, so outputs mean the same: equal loss, equal skill."""
    near, results = LABELS.rows["depth"], []
    for value in (1.0, factor):
        info = dataclasses.replace(LABELS.info, depth_kind=kind, depth_unit=unit)
        split = Split("train", info, {**LABELS.split().arrays, "depth": near * value})
        task = Depth.for_data(info, relative_scale=3.0 * value)
        task = task.with_constants(task.constants(task.statistics(split)))
        task = dataclasses.replace(task, scale=0.3 * value)
        target = task.target({"depth": near * value}).as_subclass(torch.Tensor)
        output = torch.linspace(-1, 3, near.size).reshape(target.shape)
        meter = task.meter()
        meter.update(task.predict(output), target)
        metrics = meter.compute()
        results.append((task.loss(output, target).item(), metrics["rel_error"], metrics[task.primary] / value))
    assert results[0] == pytest.approx(results[1], rel=1e-4)


def test_scale_is_rounded_to_one_two_five():
    def scale(median):
        return Depth().constants({"median": np.asarray(median), "prior_ratio": np.asarray(1.0)})["scale"]

    assert [scale(m) for m in (3.5, 2.7, 14.0, 0.07, 0.03, 250.0)] == [1.0, 1.0, 5.0, 0.02, 0.01, 100.0]


def test_lambda_comes_from_the_study_else_from_a_record_else_from_the_prior():
    rooms = dataclasses.replace(LABELS.info, name="rooms")
    constants = {"scale": 1.0, "prior_ratio": 2.5}
    assert Depth.for_data(rooms, relative_scale=7).with_constants(constants).relative_scale == 7
    recorded = Depth.for_data(rooms).with_constants(constants)
    assert recorded.relative_scale == pytest.approx(2.7) and recorded.relative_from == "recorded"
    unmeasured = Depth.for_data(LABELS.info).with_constants(constants)
    assert unmeasured.relative_scale == 2.5 and "lambda 2.5 m (position prior)" in unmeasured.summary()


def test_a_task_that_does_not_know_the_scale_of_its_data_answers_nothing():
    """Streets' scale is 5 m: it answered a fifth of the depth."""
    bound, output = Depth.for_data(LABELS.info), torch.zeros(1, 1, 4, 6)
    for ask in (lambda: bound.predict(output), lambda: bound.loss(output, bound.target({"depth": np.ones((1, 4, 6))}))):
        with pytest.raises(EdnasError, match="with_constants"):
            ask()
    ready = bound.with_constants({"scale": 5.0, "prior_ratio": 2.5})
    assert ready.predict(output).mean().item() == pytest.approx(5 * np.log(2), rel=1e-6)
    assert (
        bound == dataclasses.replace(bound, measured=True)
        and bound.settings() == Depth.for_data(LABELS.info).settings()
    )


def check_statistics(statistics):
    """Depth in every second image, or in one of many: the rest tells nothing."""
    whole = Depth().statistics(of(np.full((4, 8, 16), 3.0, np.float32)))
    for labelled in (range(1, 202, 2), [177]):
        depth = np.zeros((202, 8, 16), np.float32)
        depth[list(labelled)] = 3.0
        found = statistics(of(depth))
        assert found["median"] == 3 and found["prior_ratio"] == pytest.approx(whole["prior_ratio"])


def of(depth):
    return SimpleNamespace(name="train", target=lambda name: depth)


def test_statistics_of_depth_in_few_images():
    """The broken variant looks at every second image of all, as if all were labelled."""

    def every_second(split):
        return Depth().statistics(of(split.target("depth")[::2]))

    check_statistics(Depth().statistics)
    with pytest.raises(DataError, match="No pixel of split 'train'"):
        check_statistics(every_second)
