"""Weightings that change during training, and those that combine gradients."""

from __future__ import annotations

import builtins
import json
import math

import numpy as np
import pytest
import torch

from ednas_nni.errors import EdnasError, StudyError
from ednas_nni.tasks.weighting.base import WEIGHTINGS
from tasks.depth import Depth
from tasks.normals import Normals
from tasks.segmentation import Segmentation
from tasks.weightings.sums import DWA, GeometricMean

TASKS = (Segmentation(("a", "b")), Depth(), Normals())
NAMES = ("segmentation", "depth", "normals")
GRADIENTS = ("pcgrad", "cagrad", "imtl_g", "nash_mtl", "upgrad", "mgda", "aligned_mtl", "dualproj")
WITHOUT_CONFLICT = ("upgrad", "mgda", "dualproj")


def scalars(values):
    return {name: torch.tensor(float(v), requires_grad=True) for name, v in zip(NAMES, values, strict=True)}


def dwa_reference(history, window, temperature):
    """Weights after a history (steps, tasks), from the paper's equation."""
    means = [history[i : i + window].mean(0) for i in range(0, len(history) - window + 1, window)]
    if len(means) < 2:
        return np.ones(history.shape[1])
    e = np.exp(means[-1] / means[-2] / temperature)
    return len(e) * e / e.sum()


@pytest.mark.parametrize("steps", [1, 3, 5, 6, 9, 10, 14])
def test_dwa_equals_the_equation(steps):
    history = np.random.default_rng(0).uniform(0.1, 3, (steps, 3))
    weighting = DWA(TASKS, temperature=1.5, window=3).train()
    for row in history:
        weighting(scalars(row))
    expected = dwa_reference(history, 3, 1.5)
    assert list(weighting.weights().values()) == pytest.approx(expected, rel=1e-5)
    values = scalars([1, 2, 3])
    weighting.eval()(values).backward()
    assert [v.grad.item() for v in values.values()] == pytest.approx(expected, rel=1e-5)


def check_after_a_window_without_labels(weighting):
    for depth in (1.0, 0.0, 1.0):
        for _ in range(25):
            weighting(scalars([1.0, depth, 1.0]))
    assert weighting.weights() == pytest.approx(dict.fromkeys(NAMES, 1.0))


def test_dwa_after_a_window_without_labels_of_a_task():
    """The others go on; the broken variant divides by nearly nothing, and gives that task the whole weight."""

    class Divides(DWA):
        def _take_in(self, losses):
            self.before = self.before.clamp(min=1e-12)
            super()._take_in(losses)

    check_after_a_window_without_labels(DWA(TASKS).train())
    with pytest.raises(AssertionError):
        check_after_a_window_without_labels(Divides(TASKS).train())


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_that_no_method_can_combine(name):
    """Not finite in mixed precision, whose scaler must see it; or no task has a label."""
    weighting, weight = WEIGHTINGS.load(name)(TASKS), torch.nn.Parameter(torch.ones(2))
    weighting.backward(
        {task: (weight * value).sum() for task, value in zip(NAMES, (1, math.inf, 2), strict=True)}, [weight]
    )
    assert weight.grad.isinf().all()
    weight.grad = None
    weighting.backward({task: (weight * 0).sum() for task in NAMES}, [weight])
    assert not weight.grad.any()


def test_geometric_mean_and_its_gradient():
    values = scalars([8, 1, 0.125])
    weighting = GeometricMean(TASKS)
    total = weighting(values)
    total.backward()
    assert total.item() == pytest.approx(1)
    assert [v.grad.item() for v in values.values()] == pytest.approx([1 / 24, 1 / 3, 8 / 3], rel=1e-5)
    assert list(weighting.weights().values()) == pytest.approx([1 / 24, 1 / 3, 8 / 3], rel=1e-5)


@pytest.mark.parametrize(("given", "expected"), [([4, 0, 1], 2), ([0, 0, 3], 3), ([0, 0, 0], 0)])
def test_geometric_mean_without_some_labels(given, expected):
    values = scalars(given)
    total = GeometricMean(TASKS)(values)
    total.backward()
    assert total.item() == pytest.approx(expected, abs=1e-6)
    assert all(math.isfinite(v.grad.item()) for v in values.values())


class Net(torch.nn.Module):
    """A shared layer and one head a task."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.trunk = torch.nn.Linear(4, 5)
        self.heads = torch.nn.ModuleDict({name: torch.nn.Linear(5, 1) for name in NAMES})

    def losses(self):
        x = torch.linspace(-1, 1, 12).reshape(3, 4)
        h = torch.tanh(self.trunk(x))
        return {name: (head(h) - (i - 1) * 2).square().mean() for i, (name, head) in enumerate(self.heads.items())}


def task_gradients(net):
    """(tasks, shared parameters) and each head's own gradient, one backward pass a task."""
    rows, heads = [], {}
    for name in NAMES:
        net.zero_grad()
        net.losses()[name].backward()
        rows.append(torch.cat([p.grad.reshape(-1) for p in net.trunk.parameters()]))
        heads[name] = [p.grad.clone() for p in net.heads[name].parameters()]
    net.zero_grad()
    return torch.stack(rows), heads


@pytest.mark.parametrize("name", GRADIENTS)
def test_shared_parameters_get_the_combination_and_heads_their_own(name):
    net, weighting = Net(), WEIGHTINGS.load(name)(TASKS)
    jacobian, heads = task_gradients(net)
    torch.manual_seed(1)  # PCGrad draws an order
    weighting.backward(net.losses(), net.parameters())
    combined = torch.cat([p.grad.reshape(-1) for p in net.trunk.parameters()])
    torch.manual_seed(1)
    expected = WEIGHTINGS.load(name)(TASKS).aggregate(jacobian / jacobian.norm()) * jacobian.norm()
    assert torch.allclose(combined, expected, atol=1e-5)
    for task in NAMES:
        for parameter, gradient in zip(net.heads[task].parameters(), heads[task], strict=True):
            assert torch.allclose(parameter.grad, gradient, atol=1e-6)


@pytest.mark.parametrize("name", GRADIENTS)
@pytest.mark.parametrize("scale", [2.0**-14, 2.0**16])
def test_the_combination_grows_with_the_gradients(name, scale):
    """Mixed precision multiplies all losses and divides the gradients again; small gradients train as large ones do."""
    given = []
    for factor in (1.0, scale):
        net, weighting = Net(), WEIGHTINGS.load(name)(TASKS)
        torch.manual_seed(1)  # PCGrad draws an order
        weighting.backward({task: factor * loss for task, loss in net.losses().items()}, net.parameters())
        given.append(torch.cat([p.grad.reshape(-1) for p in net.trunk.parameters()]) / factor)
    assert torch.allclose(*given, rtol=1e-3, atol=1e-4)


def conflict_free(combine) -> bool:
    """Whether no task's loss rises along the combined step."""
    jacobian, _ = task_gradients(Net())
    return bool((jacobian @ combine(jacobian) >= -1e-4).all())


@pytest.mark.parametrize("name", WITHOUT_CONFLICT)
def test_no_task_gets_worse(name):
    assert conflict_free(WEIGHTINGS.load(name)(TASKS).aggregate)


def test_the_check_sees_a_conflict():
    assert not conflict_free(lambda jacobian: jacobian[0] * 3 - jacobian[2] * 5)


def nash_steps(weighting, numbers):
    given = []
    for number in numbers:
        generator = torch.Generator().manual_seed(number)
        parameter = torch.nn.Parameter(torch.randn(6, generator=generator))
        rows = torch.randn(3, 6, generator=generator)
        losses = {name: (i + 1) * (row @ parameter) ** 2 for i, (name, row) in enumerate(zip(NAMES, rows, strict=True))}
        weighting.backward(losses, [parameter])
        given.append(parameter.grad)
    return torch.stack(given)


@pytest.mark.filterwarnings("ignore:You are solving a parameterized problem")
@pytest.mark.parametrize("every", [1, 4])
def test_nash_mtl_goes_on_from_its_state(every):
    whole, again = (WEIGHTINGS.load("nash_mtl")(TASKS, every=every) for _ in range(2))
    nash_steps(whole, range(3))
    state = whole.state_dict()
    again.load_state_dict(
        {
            name: value if isinstance(value, torch.Tensor) else json.loads(json.dumps(value))
            for name, value in state.items()
        }
    )
    assert torch.equal(nash_steps(again, (3, 4)), nash_steps(whole, (3, 4)))


@pytest.mark.parametrize("name", ["dwa", "geometric_mean", *GRADIENTS])
def test_trains_by_name(name, make_evaluator, tiny):
    final = make_evaluator(weighting=name, steps=6, reports=1).evaluate(tiny())
    assert all(math.isfinite(value) for value in final.values())


def test_one_task_alone_is_ordinary_training(make_evaluator, tiny):
    results = [
        make_evaluator(tasks=("depth",), weighting=name, steps=4, reports=1).evaluate(tiny(("depth",)))
        for name in ("fixed", "upgrad")
    ]
    for final in results:
        final.pop("train_s")
    assert results[0] == pytest.approx(results[1], rel=1e-4)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("dwa", {"temperature": 0}, "temperature is 0; it must be above 0"),
        ("dwa", {"window": 0}, "window is 0; it must be a whole number"),
        ("cagrad", {"c": -1}, "c is -1; it must be at least 0"),
        ("nash_mtl", {"evry": 1}, "Did you mean 'every'"),
    ],
)
def test_wrong_options(name, options, words, make_evaluator, tiny):
    with pytest.raises(StudyError, match=words):
        make_evaluator(weighting={"name": name, **options}).evaluate(tiny())


def test_without_torchjd_the_way_out_is_named(monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.startswith("torchjd"):
            raise ImportError("No module named 'torchjd'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(EdnasError, match=r'pip install "ednas-nni\[mtl\]"'):
        WEIGHTINGS.load("upgrad")(TASKS)
