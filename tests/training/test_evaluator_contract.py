"""Every registered evaluator fulfils the contract, and the suite rejects one broken variant per rule."""

from __future__ import annotations

import threading

import nni
import numpy as np
import pytest
import torch

from ednas_nni.errors import PluginError
from ednas_nni.nn.tree import build
from ednas_nni.testing.evaluators import Small, check_evaluator
from ednas_nni.testing.one_step import OneStep
from ednas_nni.training.evaluator import EVALUATORS, Evaluator, report
from ednas_nni.training.stub import StubEvaluator
from search_spaces import EdnasSpace

TASKS = {"segmentation": 3, "depth": 1}
QUICK = {
    "jared": {"steps": 3, "batch_size": 4, "reports": 2, "accelerator": "cpu"},
    "inherited": {"supernet": {"steps": 2, "paths": 2}, "calibration": 2, "batch_size": 4, "accelerator": "cpu"},
}


def small():
    return Small(TASKS)


def of_a_space():
    space = EdnasSpace(tasks=TASKS, preset="nano", ops=["ibn_k3_e3", "ibn_k5_e3"])
    return build(space, space.member("mobilenet_v2_small"))


@pytest.mark.parametrize("name", [*EVALUATORS.names(), "ednas_nni.testing.one_step:OneStep"])
def test_contract(name, tmp_path, monkeypatch):
    monkeypatch.setenv("EDNAS_CACHE", str(tmp_path))
    given = {"tasks": tuple(TASKS), "data": {"name": "ednas_nni.testing.noise:Noise"}, "train_size": (32, 64)}
    network = of_a_space if name == "inherited" else small
    check_evaluator(lambda seed: EVALUATORS.load(name)(**given, seed=seed, **QUICK.get(name, {})), network)


@nni.trace
class Neither(Evaluator):
    def __init__(self, seed):
        self.seed = seed


class Untraced(StubEvaluator.__wrapped__):
    def __init__(self, seed):
        super().__init__(seed=seed)
        self.lock = threading.Lock()


@nni.trace
class NoDefault(StubEvaluator):
    def evaluate(self, sample):
        return {"quality": 1.0}


@nni.trace
class NotFinite(StubEvaluator):
    def evaluate(self, sample):
        return {"default": float("inf")}


@nni.trace
class Twice(StubEvaluator):
    def evaluate(self, sample):
        report({"default": 1.0}, final=True)
        return super().evaluate(sample)


@nni.trace
class Always(StubEvaluator):
    def evaluate(self, sample):
        final = super().evaluate(sample)
        nni.report_intermediate_result(final)
        return final


@nni.trace
class Restless(StubEvaluator):
    def evaluate(self, sample):
        np.random.rand()
        return super().evaluate(sample)


@nni.trace
class Moody(OneStep):
    def evaluate(self, model):
        with torch.no_grad():
            model.heads["depth"].bias.fill_(torch.seed() % 7)
        torch.manual_seed(torch.initial_seed())
        return super().evaluate(model)


@nni.trace
class Trusting(OneStep):
    def evaluate(self, model):
        final = {"default": 0.5}
        report(final, final=True)
        return final


@nni.trace
class Uneven(OneStep):
    def example_predictions(self, model):
        return {"image": np.zeros(2), "depth_prediction": np.zeros(3)}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Neither, "neither a NetworkEvaluator nor"),
        (Untraced, "nni.trace"),
        (NoDefault, "the key 'default'"),
        (NotFinite, "not a finite float"),
        (Twice, "2 final results"),
        (Always, "no trial is running"),
        (Restless, "global random generator"),
        (Moody, "the same seed gave|global random generator"),
        (Trusting, "a network that gives NaN gets a result"),
        (Uneven, "equal lengths"),
    ],
)
def test_broken_evaluators_are_rejected(kind, words):
    with pytest.raises(PluginError, match=words):
        check_evaluator(lambda seed: kind(seed=seed), small)


def test_it_must_be_an_evaluator():
    with pytest.raises(PluginError, match="not a subclass of"):
        EVALUATORS.load("ednas_nni.testing.noise:Noise")
    with pytest.raises(PluginError, match="needs a network"):
        check_evaluator(lambda seed: OneStep(seed=seed))
