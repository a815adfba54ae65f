"""The contract of an evaluator, for a test of its author.

`check_evaluator(lambda seed: MyEvaluator(data=..., seed=seed), network=lambda: Small({"depth": 1}))`

It raises `PluginError` with what is wrong.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import nni
import numpy as np
import torch
from torch import Tensor, nn

from ednas_nni.errors import TrialError
from ednas_nni.space.domains import Sample
from ednas_nni.testing.rules import broken, rule
from ednas_nni.training.evaluator import Evaluator, NetworkEvaluator, SampleEvaluator
from ednas_nni.training.seeding import seed_everything

SAMPLE: Sample = {"stage1_width": 16, "stage1_op": "ibn_k3_e3"}
"""What a `SampleEvaluator` is tried with by default."""


class Small(nn.Module):
    """A network of a few hundred weights: one convolution, and a head for each task."""

    def __init__(self, channels: Mapping[str, int]) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.heads = nn.ModuleDict({name: nn.Conv2d(8, count, 1) for name, count in channels.items()})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Images (N, 3, H, W) -> task name -> (N, C, H, W)."""
        features = self.trunk(x)
        return {name: head(features) for name, head in self.heads.items()}


@dataclass
class Reports:
    """What a trial told NNI."""

    intermediate: list[Any] = field(default_factory=list)
    final: list[Any] = field(default_factory=list)


@contextmanager
def reported(running: bool = True) -> Iterator[Reports]:
    """Catch what is reported inside the block, as if a trial was running (or none)."""
    names = ("get_current_parameter", "report_intermediate_result", "report_final_result")
    before, reports = {name: getattr(nni, name) for name in names}, Reports()
    stand_ins = (lambda: {"any": 1} if running else None, reports.intermediate.append, reports.final.append)
    try:
        for name, stand_in in zip(names, stand_ins, strict=True):
            setattr(nni, name, stand_in)
        yield reports
    finally:
        for name, function in before.items():
            setattr(nni, name, function)


def check_evaluator(
    make: Callable[[int], Evaluator], network: Callable[[], nn.Module] | None = None, sample: Sample | None = None
) -> None:
    """Run the whole contract of an evaluator. Make it a short one: it trains about five times.

    `make` takes a seed; the data should need no preparation, such as `ednas_nni.testing.noise:Noise`. `network` builds
    what a `NetworkEvaluator` is given, such as a `Small`, `sample` is what a `SampleEvaluator` is given.
    """
    evaluator = make(1)
    if not isinstance(evaluator, NetworkEvaluator | SampleEvaluator):
        raise broken(_name(evaluator), "is neither a NetworkEvaluator nor a SampleEvaluator.")
    if isinstance(evaluator, NetworkEvaluator) and network is None:
        raise broken(_name(evaluator), "check_evaluator needs a network to train; give `network`.")

    def given() -> Any:
        return network() if network is not None and isinstance(make(1), NetworkEvaluator) else dict(sample or SAMPLE)

    _check_plain_data(evaluator)
    evaluator.check()
    _check_reports(evaluator, given)
    _check_repeats(make, given)
    if isinstance(evaluator, NetworkEvaluator) and network is not None:
        _check_failure(evaluator, network)
        _check_examples(evaluator, network)


def _name(evaluator: Evaluator) -> str:
    return f"evaluator {type(evaluator).__name__}"


def _check_plain_data(evaluator: Evaluator) -> None:
    """NNI sends an evaluator to its trials as JSON."""
    try:
        text = nni.dump(evaluator)
        seed = nni.load(text).seed
    except Exception as error:
        raise broken(
            _name(evaluator),
            f"NNI cannot write it to JSON and read it again ({type(error).__name__}: {error}). "
            "Decorate the class with nni.trace and take plain data as arguments.",
        ) from error
    rule(_name(evaluator), "bytes:" not in text, "an argument is not plain data, so NNI pickles it.")
    rule(_name(evaluator), seed == evaluator.seed, f"written to JSON and read again its seed is {seed}.")


def _check_reports(evaluator: Evaluator, given: Callable[[], Any]) -> None:
    """One final result, the one that is returned; flat, finite, with a `default`; nothing outside of a trial."""
    with reported() as inside:
        final = evaluator.evaluate(given())
    for result in (final, *inside.intermediate):
        if not isinstance(result, dict) or "default" not in result:
            raise broken(_name(evaluator), f"a result is {result!r}; it must be a dict with the key 'default'.")
        bad = [name for name, value in result.items() if not isinstance(value, float) or not math.isfinite(value)]
        rule(_name(evaluator), not bad, f"{', '.join(bad)} of a result is not a finite float.")
    if [{name: value for name, value in one.items() if name != "ran"} for one in inside.final] != [final]:
        raise broken(
            _name(evaluator), f"{len(inside.final)} final results were reported, or another one than is returned."
        )
    with reported(running=False) as outside:
        evaluator.evaluate(given())
    rule(
        _name(evaluator), not (outside.intermediate or outside.final), "it reports to NNI although no trial is running."
    )


def _check_repeats(make: Callable[[int], Evaluator], given: Callable[[], Any]) -> None:
    """Equal seeds, equal scores, whatever was drawn before; and the process's generators stay where they were."""
    scores = []
    for earlier in (3, 4):
        evaluator = make(1)
        seed_everything(1)
        model = given()
        seed_everything(earlier)
        with reported():
            scores.append(evaluator.evaluate(model)["default"])
        drawn = (random.random(), float(np.random.rand()), float(torch.rand(())))
        seed_everything(earlier)
        if drawn != (random.random(), float(np.random.rand()), float(torch.rand(()))):
            raise broken(
                _name(evaluator),
                "it moves a global random generator, so that a strategy in the same process is "
                "sent back by every trial. Evaluate inside `training.seeding.seeded`.",
            )
    rule(_name(evaluator), scores[0] == scores[1], f"the same seed gave {scores[0]} and {scores[1]}.")


def _check_failure(evaluator: NetworkEvaluator, network: Callable[[], nn.Module]) -> None:
    """A network that gives NaN is a failed trial, never a number."""

    class Poisoned(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {name: output * math.nan for name, output in self.inner(x).items()}

    with reported() as reports:
        try:
            evaluator.evaluate(Poisoned(network()))
        except TrialError:
            pass
        else:
            raise broken(_name(evaluator), "a network that gives NaN gets a result; raise TrialError.")
    rule(_name(evaluator), not reports.final, "a failed trial reported a final result.")


def _check_examples(evaluator: NetworkEvaluator, network: Callable[[], nn.Module]) -> None:
    arrays = evaluator.example_predictions(network())
    lengths = {name: len(array) for name, array in arrays.items()}
    if arrays and ("image" not in arrays or len(set(lengths.values())) > 1):
        raise broken(_name(evaluator), f"example_predictions has {lengths}; it needs `image` and equal lengths.")
