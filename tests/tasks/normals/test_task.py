"""Directions: unit predictions, and the mean direction as prior."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ednas_nni.errors import StudyError
from ednas_nni.testing.tasks import Labels
from tasks.normals import Normals


def test_predictions_are_unit_vectors():
    assert torch.allclose(Normals().predict(torch.randn(2, 3, 4, 6) * 30).norm(dim=1), torch.ones(2, 4, 6))


def test_bias_and_prior_are_means(scenes):
    source = scenes()
    task, split = Normals.for_data(source.info), source.split("train")
    statistics = task.statistics(split)
    flat = split.normals.reshape(-1, 3)
    mean = flat[np.linalg.norm(flat, axis=1) > 0].mean(axis=0)
    assert np.allclose(task.head_bias(statistics).numpy(), mean, atol=1e-5)
    prior = task.prior(statistics)
    for y, x in [(0, 0), (9, 30), (20, 33), (31, 5)]:
        total = split.normals[:, y, x].sum(axis=0)
        total = total if np.linalg.norm(total) else split.normals.sum(axis=(0, 1, 2))
        assert np.allclose(prior[0, :, y, x], total / np.linalg.norm(total), atol=1e-4)


def test_an_unknown_loss_is_named():
    with pytest.raises(StudyError, match="Did you mean 'cosine'"):
        Normals.for_data(Labels.random("normals").info, loss="cosin")
