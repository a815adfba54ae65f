from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ednas_nni.metrics import DepthMeter, NormalsMeter, SegmentationMeter


def segmentation_reference(guess, truth, classes, ignore=255):
    ious = []
    keep = truth != ignore
    for c in range(classes):
        g, t = (guess == c) & keep, (truth == c) & keep
        if g.any() or t.any():
            ious.append((g & t).sum() / (g | t).sum())
    return {"miou": np.mean(ious), "pixel_accuracy": (guess == truth)[keep].mean()}


def depth_reference(guess, truth):
    keep = np.isfinite(truth) & (truth > 0)
    p, g = guess[keep].astype(float), truth[keep].astype(float)
    with np.errstate(divide="ignore"):
        ratio = np.where(p > 0, np.maximum(p / g, g / p), np.inf)
    return {
        "abs_error_m": np.abs(p - g).mean(), "rel_error": (np.abs(p - g) / g).mean(),
        "rmse_m": np.sqrt(((p - g) ** 2).mean()),
        **{f"delta{k}": (ratio < 1.25**k).mean() for k in (1, 2, 3)},
    }


def normals_reference(guess, truth):
    keep = np.linalg.norm(truth, axis=1) > 0.5
    p, g = np.moveaxis(guess, 1, -1)[keep].astype(float), np.moveaxis(truth, 1, -1)[keep].astype(float)
    cosine = (p * g).sum(-1) / np.linalg.norm(p, axis=-1) / np.linalg.norm(g, axis=-1)
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return {
        "mean_deg": angle.mean(), "median_deg": np.median(angle), "within_11_25": (angle < 11.25).mean(),
        "within_22_5": (angle < 22.5).mean(), "within_30": (angle < 30).mean(),
    }


def fill(meter, guess, truth, batch=2):
    for i in range(0, len(truth), batch):
        meter.update(torch.as_tensor(guess[i : i + batch]), torch.as_tensor(truth[i : i + batch]))
    return meter.compute()


def same(found, expected, tolerance=1e-5):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        limit = 0.0051 if name == "median_deg" else tolerance
        assert found[name] == pytest.approx(value, abs=limit, rel=tolerance), name


def normals_case(rng, n=5, spread=0.4):
    truth = rng.normal(size=(n, 3, 6, 7))
    truth /= np.linalg.norm(truth, axis=1, keepdims=True)
    guess = (truth + spread * rng.normal(size=truth.shape)) * rng.uniform(0.1, 10, size=(n, 1, 6, 7))
    truth[1, :, 2:4] = 0
    return guess.astype(np.float32), truth.astype(np.float32)


@given(st.integers(0, 10_000), st.integers(2, 9), st.integers(1, 4))
def test_segmentation_equals_reference(seed, classes, batch):
    rng = np.random.default_rng(seed)
    # Some classes stay absent from truth, some from predictions, some from both.
    truth = rng.integers(0, max(1, classes - 1), size=(3, 4, 5))
    guess = rng.integers(rng.integers(0, classes), classes, size=(3, 4, 5))
    truth[rng.random(truth.shape) < 0.3] = 255
    if not (truth != 255).any():
        return
    same(fill(SegmentationMeter(classes), guess, truth, batch), segmentation_reference(guess, truth, classes))


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_depth_equals_reference(seed, batch):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.05, 10, size=(5, 1, 4, 6)).astype(np.float32)
    truth[rng.random(truth.shape) < 0.2] = 0
    truth[0, 0, 0] = [np.nan, np.inf, -1, 0, 1, 2]
    guess = (truth * rng.uniform(0.4, 2.2, size=truth.shape)).astype(np.float32)
    guess[1, 0, 1] = [0, -1, 1e-30, 50, 1, 2]
    guess[~np.isfinite(truth)] = 7
    same(fill(DepthMeter(), guess, truth, batch), depth_reference(guess, truth))


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_normals_equal_reference(seed, batch):
    guess, truth = normals_case(np.random.default_rng(seed))
    same(fill(NormalsMeter(), guess, truth, batch), normals_reference(guess, truth), 1e-4)


def test_batch_means_would_be_wrong():
    """The rule 'sums over the data set' is observable: the common slip of averaging batches gives other numbers."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(1, 5, size=(4, 1, 3, 3)).astype(np.float32)
    truth[0, 0, 1:] = 0
    guess = truth + rng.uniform(0, 2, size=truth.shape).astype(np.float32)
    batches = [depth_reference(guess[i : i + 2], truth[i : i + 2])["abs_error_m"] for i in (0, 2)]
    assert fill(DepthMeter(), guess, truth)["abs_error_m"] != pytest.approx(np.mean(batches), rel=1e-3)


METERS = {
    "segmentation": (lambda: SegmentationMeter(4), np.ones((2, 3, 3), np.int64), np.full((2, 3, 3), 255)),
    "depth": (DepthMeter, np.ones((2, 1, 3, 3), np.float32), np.zeros((2, 1, 3, 3), np.float32)),
    "normals": (NormalsMeter, np.ones((2, 3, 3, 3), np.float32), np.zeros((2, 3, 3, 3), np.float32)),
}


@pytest.mark.parametrize("name", METERS)
def test_nothing_valid_is_no_number(name):
    make, guess, truth = METERS[name]
    assert all(math.isnan(value) for value in fill(make(), guess, truth).values())
    assert all(math.isnan(value) for value in make().compute().values())


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", METERS)
def test_one_broken_prediction_spoils_everything(name, poison):
    make, guess, _ = METERS[name]
    truth = guess.copy()
    if name == "normals":
        truth = truth / np.sqrt(3).astype(np.float32)
    assert all(math.isfinite(value) for value in fill(make(), guess, truth).values())
    broken = guess.copy()
    broken.reshape(-1)[4] = -1 if name == "segmentation" else poison
    assert all(math.isnan(value) for value in fill(make(), broken, truth).values())
    # ... also when later batches are fine, and not when the broken pixel is invalid.
    meter = make()
    fill(meter, broken, truth)
    assert all(math.isnan(value) for value in fill(meter, guess, truth).values())
    for image in truth:
        image.reshape(-1, 9)[:, 4] = 255 if name == "segmentation" else 0
    assert all(math.isfinite(value) for value in fill(make(), broken, truth).values())


def test_one_pixel():
    meter = SegmentationMeter(3)
    meter.update(torch.tensor([[[2]]]), torch.tensor([[[1]]]))
    assert meter.compute() == {"miou": 0.0, "pixel_accuracy": 0.0}
    assert [math.isnan(iou) for iou in meter.class_iou()] == [True, False, False]
    depth = fill(DepthMeter(), np.full((1, 1, 1, 1), 3.0), np.full((1, 1, 1, 1), 2.0))
    assert list(depth.values()) == [1, 0.5, 1, 0, 1, 1]
    up, side = np.array([0.0, 1, 0]).reshape(1, 3, 1, 1), np.array([1.0, 0, 0]).reshape(1, 3, 1, 1)
    assert fill(NormalsMeter(), side, up)["mean_deg"] == pytest.approx(90)
    assert fill(NormalsMeter(), side, up)["median_deg"] == pytest.approx(90, abs=0.0051)


def test_small_and_opposite_angles_are_exact():
    for degrees in (0.0, 0.01, 0.1, 179.99, 180.0):
        angle = math.radians(degrees)
        a = np.array([1, 0, 0.0]).reshape(1, 3, 1, 1)
        b = np.array([math.cos(angle), math.sin(angle), 0.0]).reshape(1, 3, 1, 1)
        assert fill(NormalsMeter(), a, b)["mean_deg"] == pytest.approx(degrees, abs=1e-4)


def test_a_vanishing_normal_has_no_angle():
    up = np.array([0.0, 1, 0]).reshape(1, 3, 1, 1)
    assert math.isnan(fill(NormalsMeter(), np.zeros_like(up), up)["mean_deg"])


def test_extra_class_in_predictions_lowers_miou():
    truth = np.zeros((1, 2, 2), np.int64)
    guess = np.array([[[0, 0], [0, 3]]])
    assert fill(SegmentationMeter(4), guess, truth)["miou"] == pytest.approx((0.75 + 0) / 2)
