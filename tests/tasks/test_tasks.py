from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ednas_nni import plugins
from ednas_nni.compat.vision import functional as F
from ednas_nni.data import DataInfo, Split
from ednas_nni.errors import DataError, EdnasError
from ednas_nni.tasks.base import Task
from ednas_nni.tasks.depth import Depth
from ednas_nni.tasks.depth.task import _position_median
from ednas_nni.tasks.edges import Edges
from ednas_nni.tasks.normals import Normals
from ednas_nni.tasks.segmentation import Segmentation

NAMES = ("segmentation", "depth", "normals", "edges")
INFO = DataInfo("x", (4, 6), ("a", "b", "c"), {s: 3 for s in ("train", "search", "select", "test")}, "f")


@pytest.fixture(params=NAMES)
def task(request):
    return plugins.load("tasks", request.param).for_data(INFO)


def rows(seed=0):
    """Labels of three images of random content as a split holds them; one row of the first is invalid."""
    rng = np.random.default_rng(seed)
    normals = rng.normal(size=(3, 4, 6, 3))
    found = {
        "segmentation": rng.integers(0, 3, (3, 4, 6)).astype(np.uint8),
        "depth": (rng.random((3, 4, 6)) + 0.5).astype(np.float32),
        "normals": (normals / np.linalg.norm(normals, axis=-1, keepdims=True)).astype(np.float32),
    }
    for name, label in found.items():
        label[0, 1] = 255 if name == "segmentation" else 0
    return found


def a_target(task, seed=0):
    rng = np.random.default_rng(seed)
    if task.name in ("segmentation", "edges"):
        labels = rng.integers(0, 3 if task.name == "segmentation" else 2, (3, 4, 6))
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
    assert prediction.shape == target.shape == task.target(rows()).shape
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
    kind = type(task.target(rows()))
    assert mirrors_consistently(task, lambda x: F.horizontal_flip(x.as_subclass(kind)).as_subclass(torch.Tensor))


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
    if task.name == "edges":
        assert bias.item() == 0
    elif task.name == "depth":
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
            seen = seen if (seen != 255).any() else split.segmentation
            expected = np.bincount(seen[seen != 255], minlength=3).argmax()
        elif task.name == "edges":
            edge = edges_by_hand(split.segmentation)
            share = (edge == 1).sum(0) / np.maximum((edge != 255).sum(0), 1)
            expected = share[y, x] > (edge == 1).sum() / (edge != 255).sum()
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


@pytest.mark.parametrize("name", NAMES)
def test_statistics_of_nothing_name_the_split(name, scenes):
    source = scenes(blank=True)
    with pytest.raises(DataError, match="'train'"):
        plugins.load("tasks", name).for_data(source.info).statistics(source.split("train"))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Depth.for_data(INFO, loss="jarde"), "Did you mean 'jared'"),
        (lambda: Depth.for_data(INFO, relative_scale=-1), "relative_scale is -1; it must be at least 0 m"),
        (lambda: Normals.for_data(INFO, loss="cosin"), "Did you mean 'cosine'"),
        (lambda: Segmentation.for_data(INFO, class_weights=[1, 2]), "3 numbers of at least 0"),
        (lambda: Segmentation.for_data(INFO, class_weights=[0, 0, 0]), "3 numbers of at least 0"),
        (lambda: Segmentation.for_data(dataclasses.replace(INFO, classes=("a",))), "at least 2"),
    ],
)
def test_messages(call, words):
    with pytest.raises(EdnasError, match=words):
        call()


def test_depth_losses_differ():
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
    near = rows()["depth"]
    results = []
    for value in (1.0, factor):
        info = dataclasses.replace(INFO, depth_kind=kind, depth_unit=unit, size=(4, 6))
        split = Split("train", info, {"image": np.zeros((3, 4, 6, 3), np.uint8), **rows(), "depth": near * value})
        task = Depth.for_data(info, relative_scale=3.0 * value)
        statistics = task.statistics(split)
        task = dataclasses.replace(task.with_constants(task.constants(statistics)), scale=0.3 * value)
        target = task.target({"depth": near * value}).as_subclass(torch.Tensor)
        output = torch.linspace(-1, 3, 72).reshape(3, 1, 4, 6)
        meter = task.meter()
        meter.update(task.predict(output), target)
        found = meter.compute()
        results.append((task.loss(output, target).item(), found["rel_error"], found[task.primary] / value))
    assert results[0] == pytest.approx(results[1], rel=1e-4)


def test_scale_is_rounded_to_one_two_five():
    def scale(median):
        return Depth().constants({"median": np.asarray(median), "prior_ratio": np.asarray(1.0)})["scale"]

    assert [scale(m) for m in (3.5, 2.7, 14.0, 0.07, 0.03, 250.0)] == [1.0, 1.0, 5.0, 0.02, 0.01, 100.0]


def test_lambda_comes_from_the_study_else_from_a_record_else_from_the_prior():
    rooms = dataclasses.replace(INFO, name="rooms")
    constants = {"scale": 1.0, "prior_ratio": 2.5}
    assert Depth.for_data(rooms, relative_scale=7).with_constants(constants).relative_scale == 7
    recorded = Depth.for_data(rooms).with_constants(constants)
    assert recorded.relative_scale == pytest.approx(2.7) and recorded.relative_from == "recorded"
    unknown = Depth.for_data(INFO).with_constants(constants)
    assert unknown.relative_scale == 2.5 and "lambda 2.5 m (position prior)" in unknown.summary()


def test_balanced_weights_are_median_frequency(scenes):
    source = scenes()
    split = source.split("train")
    task = Segmentation.for_data(source.info, class_weights="balanced")
    task = task.with_constants(task.constants(task.statistics(split)))
    counts = np.bincount(split.segmentation.ravel(), minlength=256)[:3]
    assert task.weights == pytest.approx(np.clip(np.median(counts) / counts, 0.1, 10), abs=1e-3)


def edges_by_hand(labels, ignore=255):
    n, h, w = labels.shape
    found = np.zeros((n, h, w), int)
    for i, y, x in np.ndindex(n, h, w):
        near = [labels[i, y + dy, x + dx] for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0))
                if 0 <= y + dy < h and 0 <= x + dx < w]  # fmt: skip
        found[i, y, x] = any(v != labels[i, y, x] for v in near)
        if labels[i, y, x] == ignore or ignore in near:
            found[i, y, x] = 255
    return found


def test_edges_equal_a_walk_over_all_neighbours():
    labels = rows()["segmentation"]
    labels[1] = 2
    target = Edges().target({"segmentation": labels})
    np.testing.assert_array_equal(target.numpy(), edges_by_hand(labels))
    assert not target[1].any(), "no edge inside of one class"


def test_edge_metrics_by_hand():
    meter = Edges().meter()
    meter.update(torch.tensor([[[1, 1, 0, 0, 1]]]), torch.tensor([[[1, 0, 1, 0, 255]]]))
    assert meter.compute() == {"f1": 0.5, "precision": 0.5, "recall": 0.5}
    meter.update(torch.tensor([[[-1]]]), torch.tensor([[[1]]]))
    assert np.isnan(meter.compute()["f1"])
