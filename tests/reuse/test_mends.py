"""The mends for one-shot strategies and profilers: each with the failure that it mends, from NNI's own code."""

from __future__ import annotations

import operator
from types import SimpleNamespace

import nni
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ednas_nni import compat

compat.one_shot()
compat.profilers()

from nni.mutable import MutableExpression  # noqa: E402
from nni.nas.execution import ExecutionEngine, SequentialExecutionEngine  # noqa: E402
from nni.nas.execution.training_service import TrainingServiceExecutionEngine  # noqa: E402
from nni.nas.nn.pytorch import LayerChoice, ModelSpace  # noqa: E402
from nni.nas.oneshot.pytorch.sampling import EnasLightningModule  # noqa: E402
from nni.nas.oneshot.pytorch.supermodule._expression_utils import expression_expectation  # noqa: E402
from nni.nas.profiler.pytorch.flops import NumParamsProfiler  # noqa: E402
from nni.nas.profiler.pytorch.utils import MutableShape, ShapeTensor, submodule_input_output_shapes  # noqa: E402

from ednas_nni.compat import (  # noqa: E402
    enas_loader,
    enas_policy,
    endless_wait,
    left_parameters,
    profiler_counts,
    profiler_penalty,
    shape_formulas,
)
from ednas_nni.compat.profiler_penalty import expectation  # noqa: E402


def test_they_are_applied_once():
    before = EnasLightningModule.set_model
    compat.one_shot()
    compat.profilers()
    assert EnasLightningModule.set_model is before
    for mend in (enas_policy, left_parameters, profiler_counts, profiler_penalty, shape_formulas):
        assert not mend.needed()
    assert enas_loader.needed()  # says what the installed Lightning is, not what was done


# -------------------------------------------------------------------- ENAS
class Two(ModelSpace):
    def __init__(self):
        super().__init__()
        self.a = LayerChoice({"x": nn.Conv2d(3, 2, 1), "y": nn.Conv2d(3, 2, 3, padding=1)}, label="a")

    def forward(self, x):
        return self.a(x)


class Training(nn.Module):
    """What an evaluator's module is to ENAS."""

    def set_model(self, model):
        self.model = model


def enas():
    pytest.importorskip("tianshou")
    return EnasLightningModule(Training(), reward_metric_name="default", batches_per_update=2)


@pytest.mark.slow
def test_enas_keeps_its_controller_when_the_result_is_asked_for():
    module, space = enas(), Two()
    module.set_model(space)
    trained = module.policy
    module.set_model(space)
    assert module.policy is trained
    module.set_model(Two())
    assert module.policy is not trained
    trained = module.policy
    EnasLightningModule.set_model.__wrapped__(module, module.training_module.model)
    assert module.policy is not trained  # NNI's own


def updates_of(step):
    """How often the controller learns in four training batches after two rewards."""
    module = enas()
    module._policy = SimpleNamespace(eval=lambda: None, train=lambda: None, update=lambda *a, **k: done.append(1))
    done = []
    module._trajectory_counter, module._replay_buffer = 2, object()
    module.training_module.training_step = lambda batch, i: torch.zeros(1)
    module.resample = lambda: {}
    module.advance_optimization = module.advance_lr_schedulers = lambda *a, **k: None
    for i in range(4):
        step(module, ({"image": 0}, "train"), i)
    assert module._trajectory_counter == 2
    return len(done)


@pytest.mark.slow
def test_enas_learns_from_rewards_alone():
    assert updates_of(EnasLightningModule.training_step) == 0
    assert updates_of(EnasLightningModule.training_step.__wrapped__) == 4  # NNI's own


# -------------------------------------------------------------------- the sequential engine
def current_after(run):
    engine = SequentialExecutionEngine()
    model = SimpleNamespace(status=None, execute=lambda: None, metrics=None)
    engine.dispatch_model_event = lambda event: None
    engine._model_count = 1
    run(engine, model)
    return nni.get_current_parameter()


def test_a_sequential_search_leaves_no_current_trial():
    assert current_after(SequentialExecutionEngine._run_single_model) is None
    assert current_after(SequentialExecutionEngine._run_single_model.__wrapped__) is not None  # NNI's own


# -------------------------------------------------------------------- the training service
class WaitedError(Exception):
    """Waited for a minute."""


def waited(wait, monkeypatch, status, ends_after=10**9):
    """Seconds that an engine waits for a model that ends then, on a clock of its own."""
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds
        if now[0] > 60:
            raise WaitedError

    monkeypatch.setattr("time.sleep", sleep)
    monkeypatch.setattr("time.monotonic", lambda: now[0] + 1000)
    model = SimpleNamespace(status=SimpleNamespace(completed=lambda: now[0] >= ends_after))
    wait(SimpleNamespace(nodejs_binding=SimpleNamespace(get_status=lambda: status)), model)
    return now[0]


def test_nobody_waits_for_a_model_that_never_runs(monkeypatch):
    compat.training_service()
    wait = TrainingServiceExecutionEngine.wait_models
    assert waited(wait, monkeypatch, "DONE") == endless_wait.PATIENCE_S
    assert waited(wait, monkeypatch, "RUNNING", ends_after=20) == 20
    with pytest.raises(WaitedError):
        waited(wait, monkeypatch, "RUNNING")


def test_nnis_own_engine_waits_for_ever(monkeypatch):
    """NNI's method ends in the one of its base class, which looks at the models alone."""
    compat.training_service()
    with pytest.raises(WaitedError):
        waited(ExecutionEngine.wait_models, monkeypatch, "DONE")


# -------------------------------------------------------------------- shapes
OPERATIONS = {
    "relu6": F.relu6,
    "silu": F.silu,
    "sigmoid": torch.sigmoid,
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "tanh": torch.tanh,
    "bilinear": lambda x: F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False),
    "bilinear to a size": lambda x: F.interpolate(x, size=(5, 9), mode="bilinear", align_corners=False),
    "nearest": lambda x: F.interpolate(x, scale_factor=2.0),
    "max pool": lambda x: F.max_pool2d(x, 3, stride=2, padding=1),
    "max pool, ceil": lambda x: F.max_pool2d(x, 2, ceil_mode=True),
    "avg pool": lambda x: F.avg_pool2d(x, 2),
    "adaptive pool": lambda x: F.adaptive_avg_pool2d(x, (2, 3)),
    "global mean": lambda x: x.mean((2, 3), keepdim=True),
    "gate": lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)),
    "gate from the left": lambda x: torch.sigmoid(x.mean((2, 3), keepdim=True)) * x,
    "weight": lambda x: x * torch.ones(2)[0] + x / (torch.ones(2)[1] + 1e-4),
    "weight from the left": lambda x: torch.ones(2)[0] * x - 1.0,
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_shapes_are_followed(name):
    class Model(nn.Module):
        def forward(self, x):
            return OPERATIONS[name](x)

    x = torch.rand(1, 4, 7, 10)
    shapes = submodule_input_output_shapes(Model(), ShapeTensor(x, True))
    assert shapes[""][1] == MutableShape(*OPERATIONS[name](x).shape)


def test_searched_widths_survive_gates_and_resizing():
    class Space(ModelSpace):
        def __init__(self):
            super().__init__()
            from nni.nas.nn.pytorch import MutableConv2d

            self.conv = MutableConv2d(3, nni.choice("width", [4, 8]), 1)

        def forward(self, x):
            y = F.relu6(self.conv(x))
            y = y * torch.sigmoid(y.mean((2, 3), keepdim=True))
            return F.interpolate(y, scale_factor=2.0, mode="bilinear", align_corners=False)

    shapes = submodule_input_output_shapes(Space(), ShapeTensor(torch.rand(1, 3, 4, 4), True))
    assert [shapes[""][1].freeze({"width": w}) for w in (4, 8)] == [(1, 4, 8, 8), (1, 8, 8, 8)]


# -------------------------------------------------------------------- counts
class Weighted(nn.Module):
    """A layer of one weight that no profiler knows."""

    def __init__(self):
        super().__init__()
        self.value = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return x * self.value[0]


def test_own_parameters_are_counted():
    model = nn.Sequential(nn.Conv2d(3, 2, 1), Weighted())
    assert NumParamsProfiler(model, torch.rand(1, 3, 4, 4)).profile({}) == 3 * 2 + 2 + 3


class Unknown(nn.Module):
    def forward(self, x):
        return torch.special.expit(x).cumsum(1)


def hooks_left(function):
    model = nn.Sequential(nn.Conv2d(3, 2, 1), Unknown(), nn.Conv2d(2, 2, 1))
    with pytest.raises(Exception, match=r"shape inference formula|real_shape|NoneType"):
        function(model, ShapeTensor(torch.rand(1, 3, 4, 4), True))
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def test_a_failed_profile_leaves_no_hooks():
    assert hooks_left(submodule_input_output_shapes.__wrapped__) > 0  # NNI's own
    assert hooks_left(submodule_input_output_shapes) == 0


def test_shapes_are_followed_through_graphs_of_torch_fx():
    """torch.fx keeps `body.conv` in a plain nn.Module, which NNI's own test takes for a layer."""
    from nni.nas.profiler.pytorch.utils.misc import is_leaf_module

    class Body(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2))

        def forward(self, x):
            return F.hardswish(self.body(x))

    graph = torch.fx.symbolic_trace(Body()).eval()
    assert is_leaf_module(graph.body)
    shapes = submodule_input_output_shapes(graph, ShapeTensor(torch.rand(1, 3, 8, 8), True))
    assert shapes[""][1] == MutableShape(1, 2, 6, 6)


# -------------------------------------------------------------------- penalties
A, B, C = nni.choice("a", [1, 2, 3]), nni.choice("b", [2, 5]), nni.choice("c", ["x", "y"])
EXPRESSIONS = {
    "sum": A + B * 2 - 3,
    "product": A * B,
    "same label twice": A * A + A,
    "floor": (A * 7) // B,
    "choice": MutableExpression.switch_case(C, {"x": A * B, "y": 5.0}),
    "choice that meets itself": MutableExpression.switch_case(A, {1: A * B, 2: B, 3: A + B}),
    "depth": (A >= 2) * MutableExpression.switch_case(C, {"x": B + 1, "y": B * B}),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expectations_are_exact(name):
    rng = np.random.default_rng(3)
    weights = {}
    for symbol in (A, B, C):
        p = rng.random(len(symbol.values))
        weights[symbol.label] = dict(zip(symbol.values, (p / p.sum()).tolist(), strict=True))
    expression = EXPRESSIONS[name]
    direct = 0.0
    for a, pa in weights["a"].items():
        for b, pb in weights["b"].items():
            for c, pc in weights["c"].items():
                direct += pa * pb * pc * expression.evaluate({"a": a, "b": b, "c": c})
    assert expectation(expression, weights) == pytest.approx(direct)
    used = {label: weights[label] for label in expression.simplify()}
    floats = name != "choice"  # NNI's own refuses to mix int and float
    if floats:
        assert expression_expectation(expression, used) == pytest.approx(direct)


def test_an_expectation_of_many_choices_ends():
    """Behind one choice, 30 blocks of 8 operations: 8^30 combinations, which NNI's own would try one by one."""
    blocks = sum(
        (MutableExpression.switch_case(nni.choice(f"op{i}", list(range(8))), {j: float(j) for j in range(8)}))
        for i in range(30)
    )
    whole = MutableExpression.switch_case(nni.choice("own", ["yes", "no"]), {"yes": blocks, "no": 0.0})
    weights = {f"op{i}": dict.fromkeys(range(8), 1 / 8) for i in range(30)} | {"own": {"yes": 0.5, "no": 0.5}}
    assert expectation(whole, weights) == pytest.approx(0.5 * 30 * 3.5)
    assert whole.function is not operator.add


def test_a_penalty_reaches_the_architecture():
    from nni.nas.strategy import DARTS

    supernet = DARTS().mutate_model(Two())
    probabilities = supernet.a.export_probs({})
    cost = expectation(MutableExpression.switch_case(nni.choice("a", ["x", "y"]), {"x": 1.0, "y": 9.0}), probabilities)
    cost.backward()
    gradient = supernet.a._arch_alpha.grad
    assert gradient[0] < 0 < gradient[1]
    # NNI's own gives numbers: nothing to take a gradient of.
    assert not isinstance(supernet.a._softmax(supernet.a._arch_alpha).cpu().tolist()[0], torch.Tensor)
