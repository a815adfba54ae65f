"""`ednas check` and `ednas plan` say which choices a study can do without."""

from __future__ import annotations

import numpy as np
import pytest

from ednas_nni.cost import cost_table
from ednas_nni.cost.lint import infeasible, left_to_the_host, settled_codes
from ednas_nni.cost.summary import random_codes, smallest
from ednas_nni.study.objectives import parse_constraint
from search_spaces import EdnasSpace

SIZE = (64, 128)
STAGES = [{"channels": [8, 16], "depth": [1, 2]}, {"channels": [16, 64], "depth": 1}]
OPS = ["ibn_k3_e1", "ibn_k3_e6_se"]


@pytest.fixture(scope="module")
def table():
    space = EdnasSpace(tasks={"depth": 1}, preset="nano", stages=STAGES, ops=OPS)
    return cost_table(space, ["edge_tpu"], SIZE)


def test_what_a_device_leaves_to_the_host_is_charged_to_the_choice_that_brings_it(table) -> None:
    (line,) = left_to_the_host(table)
    assert "edge_tpu does not run the activation hsigmoid and cuts the graph" in line
    assert line.endswith("it comes with ibn_k3_e6_se, which can be left out")
    swish = EdnasSpace(tasks={"depth": 1}, preset="nano", stages=STAGES, ops=OPS[:1], activation="hswish")
    (line,) = left_to_the_host(cost_table(swish, ["edge_tpu", "macs"], SIZE))
    assert line.endswith("every network has it")
    both = list(left_to_the_host(cost_table(swish, ["edge_tpu", "roofline"], SIZE)))
    assert len(both) == 1 and "no device" not in both[0]  # the phone runs it


def test_values_that_no_network_within_the_limits_has(table) -> None:
    """Judged by the whole space, which is small; none is named that a feasible network has, and all others are."""
    every = np.stack(np.meshgrid(*(range(len(d.values)) for d in table.domains.dimensions), indexing="ij"), -1)
    codes, active = settled_codes(table.domains, every.reshape(-1, len(table.domains)))
    macs = table.encoded(codes)[:, table.names.index("macs")]
    least = smallest(table, "macs").value
    for share in (1.2, 1.5, 3):
        meets = macs <= share * least
        dead = {
            (d.label, d.values[code])
            for at, d in enumerate(table.domains.dimensions)
            for code in range(len(d.values))
            if not (meets & active[:, at] & (codes[:, at] == code)).any()
        }
        told = infeasible(table, [parse_constraint(f"macs <= {share * least}")])
        assert set(told) == dead and len(told) == len(dead)
    assert not infeasible(table, []) and not infeasible(table, [parse_constraint(f"macs <= {least / 2}")])


def test_canonical_codes_of_many_are_those_of_one(table) -> None:
    domains = table.domains
    codes = random_codes(domains, 50, np.random.default_rng(0))
    settled, active = settled_codes(domains, codes)
    for before, after, on in zip(codes, settled, active, strict=True):
        sample = {d.label: d.values[i] for d, i in zip(domains.dimensions, before, strict=True)}
        assert (domains.encode(sample) == after).all()
        assert [label in domains.active(sample) for label in domains.labels] == on.tolist()
