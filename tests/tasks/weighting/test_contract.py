"""Every registered weighting keeps the contract, and the suite rejects each that breaks a rule of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ednas_nni.errors import PluginError
from ednas_nni.tasks.weighting.base import WEIGHTINGS, GradientWeighting, Weighting
from ednas_nni.testing.weightings import check_weighting


@pytest.mark.parametrize("name", WEIGHTINGS.names())
def test_every_registered_weighting(name: str) -> None:
    check_weighting(WEIGHTINGS.load(name))


def test_with_options() -> None:
    check_weighting(WEIGHTINGS.load("fixed"), weights={"depth": 3.0})
    check_weighting(WEIGHTINGS.load("dwa"), window=2, temperature=0.5)


class Sum(Weighting):
    """The plain sum: a weighting that keeps the contract."""

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        return (self.stacked(losses) * self.values).sum()


class Summed(GradientWeighting):
    """A gradient method that keeps the contract: the sum of the gradients."""

    def backward(self, losses: Mapping[str, Tensor], parameters: Iterable[torch.nn.Parameter]) -> None:
        sum(losses.values()).backward()


class Vector(Sum):
    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        return self.stacked(losses)


class Difference(Sum):
    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        first, *others = self.stacked(losses)
        return first - sum(others)


class InTheirOrder(Sum):
    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        return (torch.stack(list(losses.values())) * torch.tensor([1.0, 2.0, 3.0])).sum()


class Halved(Sum):
    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        return super().forward(losses) / 2


class OtherNames(Sum):
    def weights(self) -> dict[str, float]:
        return {name.upper(): value for name, value in super().weights().items()}


class Logarithm(Sum):
    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        stacked = self.stacked(losses)
        self.values = 1 / stacked.detach()
        return stacked.log().sum()


class Forgetful(Sum):
    """Its steps are not part of the state."""

    steps = 0

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        self.steps += self.training
        self.values = torch.full_like(self.values, 1.0 + self.steps // 10)
        return super().forward(losses)


class Attached(Sum):
    """Its running mean holds the graphs of all steps before."""

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        stacked = self.stacked(losses)
        if self.training:
            self.values = 0.9 * self.values + 0.1 * stacked
        return (stacked / self.values).sum()

    def weights(self) -> dict[str, float]:
        return dict(zip(self.names, (1 / self.values).tolist(), strict=True))


class Frozen(Summed):
    def backward(self, losses: Mapping[str, Tensor], parameters: Iterable[torch.nn.Parameter]) -> None:
        for parameter in parameters:
            parameter.grad = torch.ones_like(parameter)


class FirstAlone(Summed):
    def backward(self, losses: Mapping[str, Tensor], parameters: Iterable[torch.nn.Parameter]) -> None:
        losses[self.names[0]].backward()


class Doubled(Summed):
    def backward(self, losses: Mapping[str, Tensor], parameters: Iterable[torch.nn.Parameter]) -> None:
        (2 * sum(losses.values())).backward()


class Anew(Summed):
    def backward(self, losses: Mapping[str, Tensor], parameters: Iterable[torch.nn.Parameter]) -> None:
        for parameter in (parameters := list(parameters)):
            parameter.grad = None
        super().backward(losses, parameters)


class Shortest(Summed):
    """The shortest combination of the gradients, with a row of zeros among them."""

    def backward(self, losses: Mapping[str, Tensor], parameters: Iterable[torch.nn.Parameter]) -> None:
        (sum(losses.values()) * all(loss > 0 for loss in losses.values())).backward()


TWINS: dict[Callable[..., Weighting], str] = {
    lambda tasks: torch.nn.Identity(): "gives a Identity",
    lambda tasks, weights: Sum(tasks): "needs weights",
    Vector: "forward must give one finite number",
    Difference: "a smaller loss of 'depth' must give a smaller total",
    InTheirOrder: "the order of the losses",
    Halved: "but the losses are multiplied by [0.5, 0.5, 0.5]",
    OtherNames: "weights() names ['SEGMENTATION'",
    Logarithm: "with a loss of 0 the total is",
    Forgetful: "a copy of its state_dict has other weights at step",
    Attached: "step 2 fails: detach what is kept of losses",
    Frozen: "must leave parameters alone that are not trained",
    FirstAlone: "backward leaves 4 of 8 parameters without",
    Doubled: "must get the gradient of its own task",
    Anew: "must add to gradients that are there",
    Shortest: "without a label of one task must train shared parameters",
}


@pytest.mark.parametrize("weighting", TWINS)
def test_the_suite_rejects(weighting: Callable[..., Weighting]) -> None:
    with pytest.raises(PluginError, match=re.escape(TWINS[weighting])):
        check_weighting(weighting)


def test_the_suite_accepts_what_the_twins_are_made_of() -> None:
    check_weighting(Sum)
    check_weighting(Summed)


def test_the_example_of_the_page() -> None:
    path = Path(__file__).resolve().parents[3] / "examples" / "small" / "relative_weighting.py"
    exec(path.read_text(encoding="utf-8"), names := {})
    check_weighting(names["Relative"])
