"""The patches for strategies and engines: each beside the failure of NNI's own code."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections import defaultdict
from contextlib import nullcontext
from importlib.util import find_spec
from types import SimpleNamespace

import nni
import pytest
import torch
from torch import nn

from ednas_nni.compat import (
    endless_wait,
    nas_search,
    patched,
    trial_process,
)
from ednas_nni.compat.nas import (
    ExecutionEngine,
    LayerChoice,
    ModelSpace,
    SequentialExecutionEngine,
    TrainingServiceExecutionEngine,
)
from ednas_nni.compat.nas_search import TPE

from nni.nas.oneshot.pytorch.sampling import EnasLightningModule  # isort: skip  (internals, after the doorway)
from nni.nas.oneshot.pytorch.supermodule.differentiable import DifferentiableMixedLayer  # isort: skip


def test_they_are_applied_once():
    methods = [(SequentialExecutionEngine, "_run_single_model"), (TPE, "on_metric")]
    methods += [(DifferentiableMixedLayer, "export_probs")]
    methods += [(EnasLightningModule, "set_model")] if find_spec("tianshou") else []
    before = [getattr(owner, name) for owner, name in methods]
    importlib.reload(nas_search)
    assert all(patched(owner, name) for owner, name in methods)
    assert [getattr(owner, name) for owner, name in methods] == before


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


def enas_module():
    pytest.importorskip("tianshou")
    return EnasLightningModule(Training(), reward_metric_name="default", batches_per_update=2)


@pytest.mark.slow
def test_enas_keeps_its_controller_when_the_result_is_asked_for():
    module, space = enas_module(), Two()
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
    module = enas_module()
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


# -------------------------------------------------------------------- TPE
def test_tpe_passes_over_models_of_others():
    strategy, event = TPE(optimize_mode="maximize"), SimpleNamespace(model=object())
    strategy.on_metric(event)
    strategy.on_training_end(event)
    with pytest.raises(KeyError):  # NNI's own
        TPE.on_training_end.__wrapped__(strategy, event)


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
    wait = TrainingServiceExecutionEngine.wait_models
    assert waited(wait, monkeypatch, "DONE") == endless_wait.PATIENCE_S
    assert waited(wait, monkeypatch, "RUNNING", ends_after=20) == 20
    with pytest.raises(WaitedError):
        waited(wait, monkeypatch, "RUNNING")


def test_nnis_own_engine_waits_for_ever(monkeypatch):
    """NNI's method ends in the one of its base class, which looks at the models alone."""
    with pytest.raises(WaitedError):
        waited(ExecutionEngine.wait_models, monkeypatch, "DONE")


@pytest.mark.slow
def test_strategies_load_without_docstrings():
    """tianshou does not load under -OO, and NNI imports it wherever it is installed."""
    code = "import sys; import ednas_nni.compat.nas_search as nas; nas.Random(); sys.exit(sys.flags.optimize - 2)"
    done = subprocess.run([sys.executable, "-OO", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


# -------------------------------------------------------------------- penalties
def test_a_penalty_reaches_the_architecture():
    from nni.nas.strategy import DARTS

    supernet = DARTS().mutate_model(Two())
    probabilities = supernet.a.export_probs({})["a"]
    (probabilities["x"] * 1.0 + probabilities["y"] * 9.0).backward()
    gradient = supernet.a._arch_alpha.grad
    assert gradient[0] < 0 < gradient[1]
    # NNI's own gives numbers: nothing to take a gradient of.
    assert not isinstance(supernet.a._softmax(supernet.a._arch_alpha).cpu().tolist()[0], torch.Tensor)


# -------------------------------------------------------------------- NNI's own trials
def test_trials_of_a_nas_experiment_pass_by_our_patches():
    config = nas_search.NasExperimentConfig("ts", "simplified", "local")
    config.max_trial_number, config.trial_concurrency = 1, 1
    config.training_service.use_active_gpu = False
    copies = config.canonical_copy(), config.canonical_copy().canonical_copy()
    (command,) = {command for c in copies for command in (c.trial_command, c.training_service.trial_command)}
    assert command.endswith(f"-m ednas_nni.compat.trial_process {trial_process.NNIS}")
    config._trial_command_params = {"python": "python3 -m ednas_nni.bridge.python.trial"}
    assert "trial_process" not in config.canonical_copy().trial_command, "ours patches by itself"


@pytest.mark.parametrize(
    ("counts", "fails"), [({"FAILED": 3}, True), ({"FAILED": 2, "SUCCEEDED": 1}, False), ({}, False)]
)
def test_a_search_that_trained_nothing_does_not_end_well(counts, fails, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    stats = [{"trialJobStatus": status, "trialJobNumber": n} for status, n in counts.items()]
    manager = SimpleNamespace(get_status=lambda: "DONE", get_job_statistics=lambda: stats, id="abcd")
    engine = SimpleNamespace(nodejs_binding=manager, _check_running=lambda: None)
    TrainingServiceExecutionEngine.wait_models.__wrapped__(engine)  # NNI's own is content
    with pytest.raises(RuntimeError, match="None of 3 trials") if fails else nullcontext():
        TrainingServiceExecutionEngine.wait_models(engine)


# -------------------------------------------------------------------- draws and threads
def test_draws_without_a_state_follow_the_seed(monkeypatch):
    """Of sixteen values, five times: NNI's own draws are others with a probability of 1 - 10^-6."""
    from numpy.random import RandomState, seed

    def drawn():
        seed(3)
        return [nni.choice("a", list(range(16))).random() for _ in range(5)]

    assert drawn() == drawn()
    monkeypatch.setattr("nni.mutable.mutable.RandomState", RandomState)
    assert drawn() != drawn()


def test_each_thread_builds_its_own_network(monkeypatch):
    """One is inside of its sample's context while the other begins and ends."""
    from threading import Event, Thread

    from nni.mutable.utils import ContextStack

    from ednas_nni.compat.nas import current_model, model_context

    def beside():
        inside, over, seen = Event(), Event(), []

        def other():
            with model_context({"a": "y"}):
                inside.set()
                over.wait()

        thread = Thread(target=other)
        thread.start()
        inside.wait()
        seen.append(current_model())
        over.set()
        thread.join()
        return seen

    assert beside() == [None]
    monkeypatch.setattr(ContextStack, "_stack", defaultdict(list))
    assert beside() == [{"a": "y"}]
