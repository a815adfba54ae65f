"""What must hold for every space and every device: more network is never cheaper, parts add up."""

from __future__ import annotations

import numpy as np
import pytest

from devices.peak_memory import PeakMemory
from devices.peak_memory.peak import PeakElements
from devices.roofline import Roofline
from ednas_nni import plugins
from ednas_nni.cost import AdditiveDevice, cost_table
from ednas_nni.cost.reading import read_space
from ednas_nni.cost.summary import random_codes

SIZE = (64, 128)
TASKS = {"segmentation": 5, "depth": 1}
MONOTONE = ("macs", "params", "latency_ms", "energy_rel")


@pytest.fixture(scope="module")
def space():
    """Searched widths, depths, kernels, expansions, two ways to share."""
    overrides = {"sharing": ["shared", "own_stage4"], "fusion": {"kinds": ["fpn"], "channels": [16, 32]}}
    return plugins.load("search_spaces", "nano")(tasks=TASKS, **overrides)


@pytest.fixture(scope="module")
def table(space):
    return cost_table(space, [Roofline("phone_cpu"), PeakMemory("float32")], SIZE)


def grown(sample, domains):
    """Label -> a sample that is larger in this label alone."""
    for label, value in domains.active(sample).items():
        if label.endswith(("_depth", "_width")):
            candidates = [v for v in domains[label].values if v > value][:1]
        else:
            candidates = [str(value).replace("k3", "k5"), str(value).replace("e3", "e6")]
        for candidate in candidates:
            if candidate != value and candidate in domains[label].values:
                yield label, domains.canonical({**sample, label: candidate})


def pairs(table, n=60):
    rng = np.random.default_rng(0)
    for _ in range(n):
        sample = table.domains.random(rng)
        for label, larger in grown(sample, table.domains):
            yield label, sample, larger


def falling(table, names, spoil=lambda costs: costs):
    """Labels whose larger value makes one of the costs smaller."""
    found = list(pairs(table))
    small, large = (spoil(table([pair[side] for pair in found])) for side in (1, 2))
    at = [table.names.index(name) for name in names]
    assert {label.rsplit("_", 1)[-1] for label, _, _ in found} >= {"depth", "width", "op"}
    return {found[i][0] for i in np.flatnonzero((large[:, at] < small[:, at]).any(axis=1))}


def test_macs_params_and_roofline_grow_with_width_depth_expansion_and_kernel(table):
    assert falling(table, MONOTONE) == set()
    assert falling(table, MONOTONE, spoil=np.negative) != set()


def test_peak_memory_grows_too(table):
    """A larger network has all tensors of the smaller one, as large or larger, and frees none earlier."""
    assert falling(table, ["peak_memory_bytes"]) == set()


def test_blocks_add_up(table):
    """Changing one block's operation costs the same whatever another one is, for all costs but the peak."""
    domains, rng = table.domains, np.random.default_rng(1)
    names = [name for name in table.names if name in MONOTONE]
    at = [table.names.index(name) for name in names]
    one, two = "stage1_block1_op", "stage1_block2_op"
    interactions = []
    for _ in range(20):
        sample = domains.canonical({**domains.random(rng), "stage1_depth": 2})
        a, b = ({**sample, x: domains[x].values[-1 - (sample[x] == domains[x].values[-1])]} for x in (one, two))
        both = {**a, two: b[two]}
        base, with_a, with_b, with_both = table([sample, a, b, both])
        interactions.append((with_both - with_a) - (with_b - base))
        assert (with_a != base)[at].any()
    np.testing.assert_allclose(np.array(interactions)[:, at], 0, atol=1e-3)
    peak = table.names.index("peak_memory_bytes")
    assert (np.array(interactions)[:, peak] != 0).any()  # no sum over layers


def test_peak_is_never_below_any_pair_of_input_and_output(space):
    layers = read_space(space, SIZE)
    codes = random_codes(layers.domains, 300, np.random.default_rng(2))
    peaks = PeakElements(layers)(codes)
    table = cost_table(space, [Pair()], SIZE)
    assert (peaks >= table.encoded(codes)[:, 0]).all()
    assert not (0.5 * peaks >= table.encoded(codes)[:, 0]).all()


class Pair(AdditiveDevice):
    """Largest input and output of one operation, in elements."""

    name = "pair"
    maxima = frozenset({"pair"})

    def __init__(self):
        from ednas_nni.cost.device import CostColumn

        self.columns = (CostColumn("pair", "element", "pair", "counted", ""),)

    def layer_features(self, layer):
        from ednas_nni.cost.records import ON_DEVICE_KINDS

        return {"pair": (layer.elements_read + layer.elements_written) * (layer.kind in ON_DEVICE_KINDS)}

    def costs(self, totals):
        return {"pair": totals["pair"]}
