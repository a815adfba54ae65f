"""The architectures that each strategy asks for in the study that shipped first, answered by the stub evaluator."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest

from tests.golden import recorded
from tests.golden.product import (
    Assembled,
    FakeEngine,
    Journal,
    SimplifiedModelSpace,
    StubEvaluator,
    parse,
    read_experiment,
)

ASKS = 60
STRATEGIES = ("ednas", "random", "regularized_evolution", "tpe", "grid_search", "policy_based_rl")
FEWER = {"policy_based_rl": 8}  # its policy is updated after every sixth one, which takes seconds
SAFE = 8  # asks of `ednas` before its surrogate, whose last digits may depend on the processor


@cache
def shipped() -> Assembled:
    """That study with its space and its costs."""
    assembled = Assembled(read_experiment(recorded.STUDIES / "separate.yml")[1])
    _ = assembled.table
    return assembled


def sequence(strategy: str, seed: int = 0, asks: int | None = None) -> list[str]:
    """Architecture ids in the order in which they are trained."""
    study = {**shipped().study.dump(), "strategy": strategy, "seed": seed}
    if strategy != "ednas":  # recorded when members under `start` were trained first by it alone
        study["start"] = []
    assembled = Assembled(parse(study))
    assembled.space, assembled.table = shipped().space, shipped().table
    problem, stub = assembled.problem, StubEvaluator()
    engine = FakeEngine(lambda sample: {"default": stub.quality(sample)}, asks or FEWER.get(strategy, ASKS))
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.jsonl")
        chain = assembled.mount(journal)
        # NNI's wrapper of tuners sleeps a second after each submission.
        with patch("nni.nas.strategy.hpo.time", SimpleNamespace(sleep=lambda seconds: None)):
            chain(SimplifiedModelSpace.from_model(assembled.space, None), engine)
            engine.wait_models()
        journal.close()
    return [problem.domains.architecture_id(sample) for sample in engine.submitted]


def record() -> None:
    recorded.write("sequences", {name: sequence(name) for name in STRATEGIES})


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_sequence(strategy: str) -> None:
    expected = recorded.read("sequences")[strategy][: FEWER.get(strategy, ASKS)]
    found = sequence(strategy)
    if strategy == "ednas" and not recorded.same_machine("sequences"):
        expected, found = expected[:SAFE], found[:SAFE]
    assert found == expected


@pytest.mark.parametrize("strategy", ["ednas", "random"])
def test_another_seed_is_noticed(strategy: str) -> None:
    """The broken variant."""
    found = sequence(strategy, seed=1, asks=SAFE)
    assert len(found) == SAFE and found != recorded.read("sequences")[strategy][:SAFE]
