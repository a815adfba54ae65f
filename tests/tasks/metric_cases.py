"""Predictions and targets with every trap that a meter must survive, and how a meter is filled with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import strategies as st

SEEDS = st.integers(0, 2**32 - 1)
SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 6))  # one pixel included
TRAPS = ("none", "no_label", "image_without_label", "nan", "inf", "extreme", "exact")
CLASSES = 5


def fill(meter, guess, truth, batch=2):
    for i in range(0, len(truth), batch):
        meter.update(torch.as_tensor(guess[i : i + batch]), torch.as_tensor(truth[i : i + batch]))
    return meter.compute()


def same(metrics, expected, tolerance=1e-6):
    assert list(metrics) == list(expected)
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(value, abs=tolerance, rel=tolerance, nan_ok=True), name


def quietly(call, *arguments):
    with np.errstate(all="ignore"):
        return call(*arguments)


def spoil(rng, guess, trap):
    """Put what is no number somewhere into the predictions: it counts if the pixel is valid, as the reference says."""
    if trap in ("nan", "inf"):
        guess.reshape(-1)[rng.integers(guess.size)] = np.nan if trap == "nan" else rng.choice([np.inf, -np.inf])
    return guess


def segmentation_case(seed, shape, trap):
    """Some classes stay absent from the truth, some from the predictions, some from both."""
    rng = np.random.default_rng(seed)
    true_classes, guessed = rng.integers(1, CLASSES + 1, size=2)
    truth, guess = rng.integers(0, true_classes, size=shape), rng.integers(CLASSES - guessed, CLASSES, size=shape)
    truth[rng.random(shape) < 0.3] = 255
    guess[truth == 255] = rng.integers(-1, 300)
    if trap == "no_label":
        truth[:] = 255
    if trap == "image_without_label":
        truth[rng.integers(len(truth))] = 255
    if trap in ("nan", "inf"):
        guess.reshape(-1)[rng.integers(guess.size)] = -1  # what `predict` makes of such logits
    if trap == "exact":
        guess = np.where(truth == 255, guess, truth)
    return guess, truth


def depth_case(seed, shape, trap):
    rng = np.random.default_rng(seed)
    n, h, w = shape
    truth = rng.uniform(0.05, 10, size=(n, 1, h, w)).astype(np.float32)
    if trap == "extreme":
        truth = (10.0 ** rng.uniform(-36, 36, size=truth.shape)).astype(np.float32)
    if trap == "exact":
        truth = 2.0 ** rng.integers(-3, 4, size=truth.shape).astype(np.float32)
    ratio = rng.uniform(0.4, 2.2, size=truth.shape)
    if trap == "exact":
        ratio = rng.choice([1.25, 0.8, 1.0, 1.5625], size=truth.shape)  # on the limit itself
    guess = (truth * ratio).astype(np.float32)
    odd = rng.random(truth.shape) < 0.2
    guess[odd] = rng.choice([0, -0.0, -1, -7, 1e-40, 1e-30, 50], size=odd.sum())
    holes = rng.random(truth.shape) < 0.2
    truth[holes] = rng.choice([0, np.nan, np.inf, -np.inf, -2], size=holes.sum())
    if trap == "no_label":
        truth[:] = 0
    if trap == "image_without_label":
        truth[rng.integers(n)] = 0
    return spoil(rng, guess, trap), truth


def normals_case(seed, shape, trap, spread=0.4):
    rng = np.random.default_rng(seed)
    n, h, w = shape
    truth = rng.normal(size=(n, 3, h, w))
    truth /= np.linalg.norm(truth, axis=1, keepdims=True)
    truth = truth.astype(np.float32)
    guess = truth + rng.choice([0, 1e-6, 1e-3, spread], size=(n, 1, h, w)) * rng.normal(size=truth.shape)
    if trap == "exact":
        guess = truth * rng.choice([-1, 1], size=(n, 1, h, w))
    guess = guess * (10.0 ** rng.uniform(*((-36, 36) if trap == "extreme" else (-2, 2)), size=(n, 1, h, w)))
    guess = guess.astype(np.float32)
    truth = np.where(rng.random((n, 1, h, w)) < 0.2, np.float32(0), truth)
    if trap == "no_label":
        truth[:] = 0
    if trap == "image_without_label":
        truth[rng.integers(n)] = 0
    return spoil(rng, guess, trap), truth
