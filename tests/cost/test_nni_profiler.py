"""The cost table as NNI's profiler: the same prices, and expressions whose means NNI computes with a gradient."""

from __future__ import annotations

import itertools

import nni
import numpy as np
import pytest
import torch
from torch import nn

from ednas_nni import plugins
from ednas_nni.compat.nas import LayerChoice, ModelSpace, MutableConv2d, Repeat
from ednas_nni.compat.nas_search import expression_expectation
from ednas_nni.cost import CostProfiler, cost_table
from ednas_nni.cost.device import AdditiveDevice, CostColumn, LowerBound
from ednas_nni.cost.summary import random_codes
from ednas_nni.errors import StudyError
from search_spaces import shorten

SIZE = (64, 128)


class Small(ModelSpace):
    """A width, a depth and a choice."""

    def __init__(self):
        super().__init__()
        width = nni.choice("width", [4, 8, 16])
        self.stem = MutableConv2d(3, width, 3, padding=1)
        self.body = Repeat(lambda i: MutableConv2d(width, width, 1), nni.choice("depth", [1, 3]))
        self.head = LayerChoice({"a": MutableConv2d(width, 2, 1), "b": nn.Identity()}, label="head")

    def forward(self, x):
        return self.head(self.body(self.stem(x)))


def profiler_of(column, devices=(), space=None):
    space = space or Small()
    return CostProfiler(space, cost_table(space, devices, SIZE), column)


def differences(profiler, count=200):
    """Architectures whose expression is not their price."""
    domains = profiler.table.domains
    samples = map(domains.decode, random_codes(domains, count, np.random.default_rng(0)))
    return [x for x in samples if profiler.expression.evaluate(x) != pytest.approx(profiler.profile(x), rel=1e-12)]


@pytest.mark.parametrize("column", ["macs", "params", "latency_ms"])
def test_an_expression_is_the_price(column):
    assert differences(profiler_of(column, ["edge_tpu"])) == []


def test_the_comparison_rejects_a_lost_multiply_add():
    profiler = profiler_of("macs")
    profiler.expression = profiler.expression - 1
    assert len(differences(profiler)) == 200


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["nano", "mobile", "edge_tpu", "pretrained"])
def test_an_expression_is_the_price_on_presets(preset):
    options = {} if preset == "nano" else shorten(preset, widths=2, values=2)
    space = plugins.load("search_spaces", preset)({"segmentation": 5, "depth": 1}, **options)
    assert differences(profiler_of("macs", space=space)) == []


def test_nni_computes_its_mean_and_the_gradient():
    profiler = profiler_of("macs")
    rng = np.random.default_rng(1)
    weights, leaves = {}, []
    for label, symbol in Small().simplify().items():
        p = torch.tensor(rng.random(len(symbol.values)))
        leaves.append((p / p.sum()).requires_grad_())
        weights[label] = dict(zip(symbol.values, leaves[-1].unbind(), strict=True))
    direct = 0.0
    for chosen in itertools.product(*(p.items() for p in weights.values())):
        sample = dict(zip(weights, (value for value, _ in chosen), strict=True))
        direct += np.prod([float(p.detach()) for _, p in chosen]) * profiler.profile(sample)
    mean = expression_expectation(profiler.expression, weights)
    assert float(mean.detach()) == pytest.approx(direct)
    assert float(profiler.mean(weights).detach()) == pytest.approx(direct)
    ours, theirs = (torch.autograd.grad(m, leaves) for m in (profiler.mean(weights), mean))
    assert all(torch.allclose(a, b) for a, b in zip(ours, theirs, strict=True))


def test_a_cost_that_is_not_a_sum_has_prices_but_no_expression():
    profiler = profiler_of("peak_memory_bytes", ["peak_memory"])
    assert profiler.profile({"width": 4, "depth": 1, "head": "b"}) > 0
    with pytest.raises(StudyError, match=r"peak_memory_bytes is not a sum.*such as macs.*random_one_shot"):
        _ = profiler.expression


class Squared(AdditiveDevice):
    """A device whose lower bound is honest and whose cost is no sum."""

    name = "squared"

    columns = (CostColumn("squared", "", "squared", "modelled", ""),)

    def layer_features(self, layer):
        return {"macs": float(layer.macs)}

    def costs(self, totals):
        return {"squared": totals["macs"] ** 2}

    def lower_bound(self, column):
        return LowerBound({"macs": 1.0})


def test_a_lower_bound_is_not_taken_for_the_cost():
    with pytest.raises(StudyError, match="squared is not a sum"):
        _ = profiler_of("squared", [Squared()]).summands


def test_an_unknown_cost_is_said():
    with pytest.raises(StudyError, match=r"'mac' is not a cost of this table\. Did you mean 'macs'"):
        profiler_of("mac")
