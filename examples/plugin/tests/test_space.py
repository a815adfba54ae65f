"""The whole contract of a space, run by its author: nothing here knows how EDNAS prices or trains."""

from __future__ import annotations

import numpy as np
from strip_space import strip

from ednas_nni import plugins
from ednas_nni.nn.tree import domains_of
from ednas_nni.testing.architectures import check_architectures, check_costs
from ednas_nni.testing.one_shot import check_one_shot
from ednas_nni.testing.spaces import check_space

TASKS = {"segmentation": 5, "depth": 1}


def make():
    return strip(TASKS, channels=8)


def test_it_is_registered():
    assert plugins.load("search_spaces", "strip") is strip


def test_contract():
    check_space(make, size=(16, 32))


def test_many_architectures():
    check_architectures(make, count=10, size=(16, 32))


def test_costs_are_exact():
    space, rng = make(), np.random.default_rng(0)
    domains = domains_of(space)
    check_costs(space, [domains.random(rng) for _ in range(10)], size=(16, 32))


def test_one_shot_strategies():
    check_one_shot(make, size=(16, 32))
