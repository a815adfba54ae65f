"""The whole contract of a block, run by its author: nothing here knows how EDNAS prices or trains."""

from __future__ import annotations

import numpy as np
from strip_blocks.block import Strip

from ednas_nni.nn.blocks.base import operation
from ednas_nni.testing.architectures import check_costs
from ednas_nni.testing.blocks import check_block
from ednas_nni.testing.one_shot import check_one_shot
from ednas_nni.testing.spaces import check_space
from search_spaces import nano


def make():
    stage = {"channels": [16, 24], "depth": [1, 2]}
    return nano({"segmentation": 5, "depth": 1}, ops=["ibn_k3_e3", "strip_k7"], stages=[stage, stage])


def test_it_is_registered():
    assert operation("strip_k11") == Strip(kernel=11)


def test_contract():
    check_block(Strip)


def test_a_space_with_it_keeps_the_contract_of_spaces():
    check_space(make, size=(16, 32))


def test_costs_are_exact():
    space, rng = make(), np.random.default_rng(0)
    check_costs(space, [space.domains.random(rng) for _ in range(10)], size=(16, 32))


def test_one_shot_strategies():
    check_one_shot(make, size=(16, 32))
