"""The evaluator `inherited`: one supernet for all trials, weights as in it, batch norms of the network itself."""

from __future__ import annotations

import contextlib
import importlib
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch

from ednas_nni import plugins
from ednas_nni.data import cache as store
from ednas_nni.errors import SampleError, StudyError
from ednas_nni.nn.statistics import recalibrate
from ednas_nni.nn.tree import build, domains_of
from ednas_nni.tasks import own_loss as own
from ednas_nni.training.data import TrialData
from ednas_nni.training.supernet import made
from ednas_nni.training.supernet.inherited import InheritedEvaluator
from ednas_nni.training.supernet.paths import Paths
from search_spaces import EdnasSpace
from tests.planes import _importable, _one_thread

__all__ = ["_importable", "_one_thread"]

REPOSITORY = Path(__file__).resolve().parents[3]
TASKS = ("segmentation", "depth")
OPTIONS = {"steps": 12, "paths": 3, "sandwich": True, "sampling": "macs", "distillation": 0.5, "warm_up": 0.1}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("EDNAS_CACHE", str(folder))
        yield folder


def evaluator(**options):
    given = {"train_size": (32, 64), "batch_size": 4, "calibration": 4, "accelerator": "cpu", "reports": 2}
    return InheritedEvaluator(
        **{"tasks": TASKS, "data": "scenes_for_tests:Scenes", "supernet": OPTIONS, **given, **options}
    )


SMALL = {
    "tasks": {"segmentation": 3, "depth": 1},
    "preset": "nano",
    "stages": [{"channels": 16, "depth": [1, 2]}, {"channels": [16, 24], "depth": [1, 1]}],
    "ops": ["ibn_k3_e3", "ibn_k5_e3"],
}


@pytest.fixture(scope="module")
def space():
    return EdnasSpace(**SMALL)


def test_one_supernet_serves_all_networks(space, monkeypatch, reports_to_nni, tmp_path):
    monkeypatch.setenv("EDNAS_CACHE", str(tmp_path))  # whichever test ran before, the first trial makes it
    domains, rng = domains_of(space), np.random.default_rng(0)
    first, second = domains.random(rng), domains.random(rng)
    with reports_to_nni() as reports:
        one = evaluator().evaluate(build(space, first))
    assert [{name: value for name, value in final.items() if name != "ran"} for final in reports.final] == [one]
    assert "train_loss" not in one
    # The maker's learning curve is seen in NNI's web UI: reports of the largest network.
    assert len(reports.intermediate) >= 3
    monkeypatch.setattr(made.Supernet, "_train", None)  # nobody trains a second one
    again, other = build(space, first), build(space, second)
    assert evaluator().evaluate(again) == pytest.approx({**one, "train_s": 0.0})
    assert evaluator().evaluate(other)["default"] != one["default"]
    same = [p for p in again.state_dict() if "fusion" in p and "running" not in p and "tracked" not in p]
    assert same and all(torch.equal(again.state_dict()[name], other.state_dict()[name]) for name in same)


def test_weights_are_those_of_the_supernet_and_statistics_of_the_network(cache, space):
    sample = domains_of(space).random(np.random.default_rng(3))
    judge = evaluator()
    network = build(space, sample)
    judge.prepare(network, TrialData(judge.recipe))
    bare = build(space, sample)
    judge.supernet(bare).inherit(bare)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), bare.parameters(), strict=True))
    images = [torch.rand(4, 3, 32, 64) for _ in range(3)]
    recalibrate(network, images)
    inputs: list[torch.Tensor] = []
    hook = network.stem.norm.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    network.train()
    with torch.no_grad():
        for image in images:
            network(image)
    hook.remove()
    expected = torch.stack([x.mean((0, 2, 3)) for x in inputs]).mean(0)
    recalibrate(network, images)
    assert torch.allclose(network.stem.norm.running_mean, expected, atol=1e-6) and not network.training
    # The broken twin: inherited weights without statistics of their own.
    image = images[0]
    assert not torch.allclose(bare.eval()(image)["depth"], network(image)["depth"], atol=1e-3)


def test_another_recipe_is_another_supernet(cache, space):
    network = build(space, domains_of(space).random(np.random.default_rng(0)))
    folder = evaluator().supernet(network).folder
    same = {
        "steps": 3,
        "learning_rate": 0.1,
        "reports": 1,
        "threads": 1,
        "seed": 2000,
        "scored_on": "select",
        "calibration": 3,
    }
    assert folder == evaluator(**same).supernet(space).folder
    for other in (
        {"batch_size": 5}, {"tasks": ("depth",)}, {"supernet": {**OPTIONS, "steps": 13}},
        {"supernet": {**OPTIONS, "seed": 1}},
        {"data": {"name": "scenes_for_tests:Scenes", "train": 20}},
    ):  # fmt: skip
        assert evaluator(**other).supernet(network).folder != folder


def own_loss(folder, text):
    (folder / "lossx.py").write_text(f"def huber(p, g):\n    return {text}\n")
    own._own.cache_clear()
    sys.modules.pop("lossx", None)
    importlib.invalidate_caches()
    return evaluator(task_options={"depth": {"loss": "lossx:huber"}}, data="scenes_for_tests:Scenes")


def test_a_loss_of_ones_own(cache, space, tmp_path, monkeypatch):
    """It makes a supernet, whose score in between is no place to try it; an edited one, or lambda, makes another."""
    monkeypatch.syspath_prepend(tmp_path)
    network = build(space, domains_of(space).random(np.random.default_rng(0)))
    first = own_loss(tmp_path, "(p - g).abs().mean()")
    assert np.isfinite(first.evaluate(network)["default"])
    folder = first.supernet(space).folder
    assert own_loss(tmp_path, "(p - g).abs().mean()").supernet(space).folder == folder
    assert own_loss(tmp_path, "9 * (p - g).abs().mean()").supernet(space).folder != folder
    plain = evaluator().supernet(space).folder
    monkeypatch.setattr("ednas_nni.baselines.lambdas.recorded", lambda info: 7.0)
    assert evaluator().supernet(space).folder != plain


def test_a_plugin_block_that_is_edited(cache, tmp_path, monkeypatch):
    """Its old weights would be taken for those of the new code; a block that no argument names is none of it."""
    ghost = (REPOSITORY / "examples" / "small" / "ghost.py").read_text()
    (tmp_path / "ghostx.py").write_text(ghost)
    monkeypatch.syspath_prepend(tmp_path)
    registered = plugins._registered

    def more(group):
        point = metadata.EntryPoint("ghost", "ghostx:Ghost", "ednas_nni.blocks")
        return metadata.EntryPoints([*registered(group), *([point] if group == "blocks" else [])])

    monkeypatch.setattr(plugins, "_registered", more)
    ours, theirs = EdnasSpace(**SMALL), EdnasSpace(**{**SMALL, "ops": ["ibn_k3_e3", "ghost_k3"]})
    network = build(theirs, domains_of(theirs).random(np.random.default_rng(0)))
    before = [evaluator().supernet(space).folder for space in (ours, theirs)]
    assert evaluator().supernet(network).folder == before[1]
    (tmp_path / "ghostx.py").write_text(ghost.replace("y = self.primary(x)", "y = -self.primary(x)"))
    after = [evaluator().supernet(space).folder for space in (ours, theirs)]
    assert after[0] == before[0] and after[1] != before[1]
    assert "code" not in evaluator().supernet(ours).identity


def test_networks_are_trained_on(cache, space):
    network = build(space, domains_of(space).random(np.random.default_rng(0)))
    short = evaluator(steps=25)
    assert short.evaluate(network)["train_loss"] > 0
    assert len(short.history) == 1, "a score in between would cost as much as the training"
    longer = evaluator(steps=41)
    longer.evaluate(build(space, domains_of(space).random(np.random.default_rng(0))))
    assert len(longer.history) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"supernet": {"stepz": 3}}, "evaluator.supernet: unknown option 'stepz'.*steps"),
        ({"supernet": {"paths": 0}}, "evaluator.supernet.paths = 0"),
        ({"supernet": {"distillation": 0.5}}, "evaluator.supernet.*write `sandwich: true` as well"),
        ({"steps": -1}, "evaluator.steps = -1"),
        ({"weighting": "pcgrad"}, "combines the gradients.*'fixed'"),
        ({"init_from": "/x.pt"}, "remove `init_from`"),
    ],
)
def test_messages(options, message):
    with pytest.raises(StudyError, match=message):
        evaluator(**options).check()


def test_a_network_of_another_space_is_rejected(cache, space):
    judge = evaluator()
    network = build(space, domains_of(space).random(np.random.default_rng(0)))
    supernet = judge.supernet(network)
    supernet.make()
    stranger = EdnasSpace(tasks={"segmentation": 3, "depth": 1}, preset="nano")
    with pytest.raises(SampleError, match="made for another space"):
        supernet.inherit(build(stranger, domains_of(stranger).random(np.random.default_rng(0))))


def trained(space, folder, **options):
    supernet = evaluator(supernet={**OPTIONS, "steps": 5, "warm_up": 0.2, **options}).supernet(space)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDNAS_CACHE", str(folder))
        supernet.make()
        return np.load(supernet.folder / "weights.npy")


def test_every_part_of_the_recipe_can_be_switched_off(cache, space, tmp_path):
    """Each does something, and nothing else decides the weights: the same options give the same ones."""
    base = trained(space, tmp_path / "base")
    assert np.isfinite(base).all() and (trained(space, tmp_path / "again") == base).all()
    for off in (
        {"sandwich": False, "distillation": 0.0},
        {"distillation": 0.0},
        {"sampling": "labels"},
        {"warm_up": 0.0},
        {"sharing": "own"},
    ):
        other = trained(space, tmp_path / next(iter(off)), **off)
        assert other.shape != base.shape or (other != base).any(), off


def test_weights_do_not_depend_on_how_many_paths_run_at_a_time(cache, space, tmp_path, monkeypatch):
    """Also where a sample is drawn twice; a sum in the order in which threads are ready is another one."""

    def weights(name, threads):
        supernet = evaluator(supernet={**OPTIONS, "paths": 4, "warm_up": 0.0}, threads=threads).supernet(space)
        monkeypatch.setenv("EDNAS_CACHE", str(tmp_path / name))
        supernet.make()
        return np.load(supernet.folder / "weights.npy")

    step = Paths.step
    monkeypatch.setattr(Paths, "step", lambda self, *given: (drawn := step(self, *given))[:3] + drawn[2:3])
    alone = weights("alone", 1)
    assert (weights("two", 2) == alone).all() and (weights("four", 4) == alone).all()
    monkeypatch.setattr(made, "each_path", lambda *given: contextlib.nullcontext(backwards))
    assert (weights("in another order", 1) != alone).any()


def backwards(function, things):
    """A broken `map`: what it is given last comes first."""
    return list(map(function, things))[::-1]


def test_what_trials_share_is_hashed_once_a_process(cache, space, monkeypatch):
    """The trial server opens it, and every trial is a fork of the server."""
    judge, network = evaluator(), build(space, domains_of(space).random(np.random.default_rng(5)))
    judge.supernet(space).make()
    judge.open_shared(space)
    monkeypatch.setattr(store, "file_digest", lambda path: pytest.fail(f"{path} is hashed again"))
    supernet, data = judge.supernet(network), TrialData(judge.recipe)
    supernet.inherit(network)
    data.source.split("search")
    store._verified.clear()  # as without the server
    with pytest.raises(pytest.fail.Exception, match="is hashed again"):
        supernet.inherit(network)
