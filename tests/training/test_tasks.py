from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ednas_nni import plugins
from ednas_nni.data import DataInfo
from ednas_nni.errors import DataError, EdnasError, StudyError
from ednas_nni.tasks import Task
from ednas_nni.tasks.depth import Depth, _position_median
from ednas_nni.tasks.normals import Normals
from ednas_nni.tasks.segmentation import Segmentation

NAMES = ("segmentation", "depth", "normals")
INFO = DataInfo("x", (4, 6), ("a", "b", "c"), {s: 3 for s in ("train", "search", "select", "test")}, "f")


@pytest.fixture(params=NAMES)
def task(request):
    return plugins.load("tasks", request.param).for_data(INFO)


def a_target(task, seed=0):
    rng = np.random.default_rng(seed)
    if task.name == "segmentation":
        labels = rng.integers(0, 3, (3, 4, 6))
        labels[0, 1] = 255
        return torch.from_numpy(labels)
    values = rng.normal(size=(3, task.channels, 4, 6))
    values = np.abs(values) + 0.1 if task.name == "depth" else values / np.linalg.norm(values, axis=1, keepdims=True)
    values[0, :, 1] = 0
    return torch.from_numpy(values).float()


def test_contract(task):
    assert isinstance(task, Task)
    assert task.primary in {spec.name for spec in task.metrics}
    target = a_target(task)
    output = torch.randn(3, task.channels, 4, 6, requires_grad=True)
    loss = task.loss(output, target)
    loss.backward()
    assert loss.ndim == 0 and output.grad.abs().sum() > 0
    prediction = task.predict(output.detach())
    assert prediction.shape == target.shape
    meter = task.meter()
    meter.update(prediction, target)
    assert list(meter.compute()) == [spec.name for spec in task.metrics]


def test_bound_tasks_are_frozen(task):
    with pytest.raises(dataclasses.FrozenInstanceError):
        task.name = "other"


def test_skill_is_zero_at_the_prior_and_one_when_perfect(task):
    direction = next(spec.direction for spec in task.metrics if spec.name == task.primary)
    perfect, worse = (1.0, 0.2) if direction == "max" else (0.0, 0.6)
    assert task.skill(0.4, 0.4) == 0
    assert task.skill(perfect, 0.4) == 1
    assert task.skill(worse, 0.4) < 0


def mirrors_consistently(task, flip) -> bool:
    """Twice = identity, and a network that mirrors its output scores as on the plain image."""
    target = a_target(task)
    if not torch.equal(flip(flip(target)), target):
        return False
    guess = a_target(task, seed=1)
    if task.name == "normals":
        guess[0, :, 1] = torch.tensor([1.0, 0, 0])[:, None]
    plain, mirrored = task.meter(), task.meter()
    plain.update(guess, target)
    mirrored.update(flip(guess), flip(target))
    if plain.compute() != pytest.approx(mirrored.compute(), nan_ok=True):
        return False
    if task.name != "normals":
        return True
    facing_right = torch.tensor([1.0, 0, 0]).reshape(1, 3, 1, 1)
    return torch.equal(flip(facing_right), -facing_right)


def test_flip(task):
    assert mirrors_consistently(task, task.flip)


def test_flip_check_rejects_normals_that_only_move():
    assert not mirrors_consistently(Normals(), lambda target: target.flip(-1))


def test_predictions_have_the_targets_type():
    output = torch.randn(2, 3, 4, 6) * 30
    assert Segmentation(("a", "b", "c")).predict(output).dtype == torch.int64
    assert (Depth().predict(output[:, :1]) > 0).all()
    assert torch.allclose(Normals().predict(output).norm(dim=1), torch.ones(2, 4, 6))


def test_logits_that_are_not_numbers_predict_no_class():
    output = torch.zeros(1, 3, 1, 2)
    output[0, 1, 0, 0] = float("nan")
    assert Segmentation(("a", "b", "c")).predict(output).tolist() == [[[-1, 0]]]


def test_head_bias_gives_the_typical_prediction(task, scenes):
    source = scenes()
    task = type(task).for_data(source.info)
    split = source.split("train")
    statistics = task.statistics(split)
    bias = task.head_bias(statistics)
    assert bias.shape == (task.channels,) and bias.isfinite().all()
    constant = task.predict(bias[None, :, None, None])
    if task.name == "depth":
        assert constant.item() == pytest.approx(np.median(split.depth[split.depth > 0]), rel=1e-5)
    elif task.name == "segmentation":
        counts = np.bincount(split.segmentation.ravel(), minlength=256)[:3]
        assert torch.allclose(torch.softmax(bias, 0), torch.tensor(counts / counts.sum()).float(), atol=1e-6)
    else:
        normals = split.normals.reshape(-1, 3)
        mean = normals[np.linalg.norm(normals, axis=1) > 0].mean(axis=0)
        assert np.allclose(bias.numpy(), mean, atol=1e-5)


def test_position_prior_equals_reference(task, scenes):
    source = scenes()
    task = type(task).for_data(source.info)
    split = source.split("train")
    prior = task.prior(task.statistics(split))
    assert prior.shape[0] == 1 and prior.shape[-2:] == source.info.size
    for y, x in [(0, 0), (9, 30), (20, 33), (31, 5)]:
        if task.name == "segmentation":
            seen = split.segmentation[:, y, x]
            expected = np.bincount(seen[seen != 255], minlength=3).argmax()
        elif task.name == "depth":
            seen = split.depth[:, y, x]
            seen = seen[seen > 0] if (seen > 0).any() else split.depth[split.depth > 0]
            expected = np.median(seen)
        else:
            total = split.normals[:, y, x].sum(axis=0)
            total = total if np.linalg.norm(total) else split.normals.sum(axis=(0, 1, 2))
            expected = total / np.linalg.norm(total)
        assert np.allclose(prior[0, ..., y, x], expected, atol=1e-4)


@given(st.integers(0, 10_000))
def test_masked_median_equals_numpy(seed):
    rng = np.random.default_rng(seed)
    block = rng.uniform(0.1, 9, size=(rng.integers(1, 9), 2, 3)).astype(np.float32)
    block[rng.random(block.shape) < 0.4] = rng.choice([0, -1, np.nan, np.inf])
    found = _position_median(block, np.float32(42))
    for y in range(2):
        for x in range(3):
            seen = block[:, y, x][np.isfinite(block[:, y, x]) & (block[:, y, x] > 0)]
            assert found[y, x] == pytest.approx(np.median(seen) if len(seen) else 42, rel=1e-6)


@pytest.mark.parametrize("name", ["depth", "normals"])
def test_statistics_of_nothing_name_the_split(name, scenes):
    source = scenes(blank=True)
    with pytest.raises(DataError, match="'train'"):
        plugins.load("tasks", name).for_data(source.info).statistics(source.split("train"))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Depth.for_data(INFO, loss="jarde"), "Did you mean 'jared'"),
        (lambda: Depth.for_data(INFO, relative_scale_m=-1), "relative_scale_m is -1"),
        (lambda: Depth.for_data(dataclasses.replace(INFO, depth_kind="inverse", depth_unit="1/m")), "inverse depth"),
        (lambda: Segmentation.for_data(dataclasses.replace(INFO, classes=("a",))), "at least 2"),
    ],
)
def test_messages(call, words):
    with pytest.raises(EdnasError, match=words):
        call()


def test_depth_losses_differ():
    target, output = torch.full((1, 1, 2, 2), 2.0), torch.full((1, 1, 2, 2), 5.0)
    l1, jared = Depth("l1").loss(output, target), Depth("jared").loss(output, target)
    assert l1.item() == pytest.approx(3.0067, abs=1e-3)
    assert jared.item() == pytest.approx(3.0067 * (1 + 3 / 2) / 2, abs=1e-3)
    with pytest.raises(StudyError):
        Depth("l2")
