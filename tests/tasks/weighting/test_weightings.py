"""Constant and learned weights, against their formulas."""

from __future__ import annotations

import math

import pytest
import torch

from ednas_nni.errors import StudyError
from tasks.depth import Depth
from tasks.segmentation import Segmentation
from tasks.weightings.sums import Fixed, Uncertainty

TASKS = (Segmentation(("a", "b")), Depth())


def losses(a=2.0, b=0.5):
    return {"segmentation": torch.tensor(a, requires_grad=True), "depth": torch.tensor(b, requires_grad=True)}


def test_fixed_is_a_weighted_sum():
    values = losses()
    Fixed(TASKS, weights={"depth": 3.0})(values).backward()
    assert [v.grad.item() for v in values.values()] == [1, 3]
    assert Fixed(TASKS)(losses()).item() == pytest.approx(2.5)


def test_uncertainty_equals_the_papers_formula():
    weighting = Uncertainty(TASKS)
    sigma = torch.tensor([1.7, 0.6])
    with torch.no_grad():
        weighting.log_variance.copy_(sigma.square().log())
    expected = 2.0 / 1.7**2 + math.log(1.7) + 0.5 / (2 * 0.6**2) + math.log(0.6)
    assert weighting(losses()).item() == pytest.approx(expected, rel=1e-6)
    assert weighting.weights() == pytest.approx({"segmentation": 1 / 1.7**2, "depth": 1 / (2 * 0.6**2)})


def test_uncertainty_settles_where_the_derivative_vanishes():
    weighting = Uncertainty(TASKS)
    optimizer = torch.optim.Adam(weighting.parameters(), lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        weighting({name: value.detach() for name, value in losses().items()}).backward()
        optimizer.step()
    # d/ds [f exp(-s) L + s/2] = 0  <=>  exp(s) = 2 f L
    assert weighting.log_variance.exp().tolist() == pytest.approx([2 * 2.0, 0.5], rel=1e-2)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"dept": 1.0}, "Did you mean 'depth'"),
        ({"depth": -1.0}, "at least 0"),
        ({"depth": math.nan}, "at least 0"),
        ({"depth": 0, "segmentation": 0}, "all weights are zero"),
    ],
)
def test_messages(weights, words):
    with pytest.raises(StudyError, match=words):
        Fixed(TASKS, weights=weights)
