"""Classes: their weights, their prior, and logits that are not numbers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from ednas_nni.errors import EdnasError
from ednas_nni.testing.tasks import Labels
from tasks.segmentation import Segmentation

INFO = Labels.random("segmentation").info


def test_logits_that_are_not_numbers_predict_no_class():
    output = torch.zeros(1, 3, 1, 2)
    output[0, 1, 0, 0] = float("nan")
    assert Segmentation(("a", "b", "c")).predict(output).tolist() == [[[-1, 0]]]


def test_bias_and_prior_are_the_frequent_classes(scenes):
    source = scenes()
    task, split = Segmentation.for_data(source.info), source.split("train")
    statistics = task.statistics(split)
    counts = np.bincount(split.segmentation.ravel(), minlength=256)[:3]
    shares = torch.softmax(task.head_bias(statistics), 0)
    assert torch.allclose(shares, torch.tensor(counts / counts.sum()).float(), atol=1e-6)
    prior = task.prior(statistics)
    for y, x in [(0, 0), (9, 30), (20, 33), (31, 5)]:
        seen = split.segmentation[:, y, x]
        seen = seen if (seen != 255).any() else split.segmentation
        assert prior[0, y, x] == np.bincount(seen[seen != 255], minlength=3).argmax()


def test_balanced_weights_are_median_frequency(scenes):
    source = scenes()
    split = source.split("train")
    task = Segmentation.for_data(source.info, class_weights="balanced")
    task = task.with_constants(task.constants(task.statistics(split)))
    counts = np.bincount(split.segmentation.ravel(), minlength=256)[:3]
    assert task.weights == pytest.approx(np.clip(np.median(counts) / counts, 0.1, 10), abs=1e-3)


@pytest.mark.parametrize(
    ("info", "weights", "words"),
    [
        (INFO, [1, 2], "3 numbers of at least 0"),
        (INFO, [0, 0, 0], "3 numbers of at least 0"),
        (dataclasses.replace(INFO, classes=("a",)), None, "at least 2"),
    ],
)
def test_messages(info, weights, words):
    with pytest.raises(EdnasError, match=words):
        Segmentation.for_data(info, class_weights=weights)


def test_a_loss_of_ones_own_is_trained_with_and_recorded():
    usual, own = Segmentation.for_data(INFO), Segmentation.for_data(INFO, loss="tests.cli.losses:focal")
    assert "loss_name" not in usual.settings(), "as in records made before"
    assert own.settings()["loss_name"].startswith("tests.cli.losses:focal@")
    target = torch.tensor([[[0, 2, INFO.ignore_index]]])
    logits = torch.tensor([[2.0, 0, 0], [0.0, 1, 9], [0.0, 3, 9]]).reshape(1, 3, 1, 3)
    p = torch.softmax(logits, 1)[0, [0, 2], 0, [0, 1]]
    assert own.loss(logits, target) == pytest.approx(float((-((1 - p) ** 2) * p.log()).mean()))
    unlabelled = torch.full_like(target, INFO.ignore_index)
    assert own.loss(logits.requires_grad_(), unlabelled).item() == 0


@pytest.mark.parametrize(
    ("loss", "weights", "words"),
    [
        ("cross_entropi", None, "Did you mean 'cross_entropy'"),
        ("tests.cli.losses:blind_to_unlabelled", None, "cannot be called"),
        ("tests.cli.losses:focal", "balanced", "class_weights serve"),
    ],
)
def test_losses_that_are_refused(loss, weights, words):
    with pytest.raises(EdnasError, match=words):
        Segmentation.for_data(INFO, class_weights=weights, loss=loss)
