"""Costs of seeded samples of each preset on each device that measures nothing, and how many architectures there are."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

from tests.golden import recorded
from tests.golden.product import Roofline, cost_table, named, plugin

TASKS = {"segmentation": 13, "depth": 1, "normals": 3}
PRESETS = ("nano", "mobile", "edge_tpu", "single_task", "pretrained")
PROFILES = ("phone_cpu", "embedded_gpu", "microcontroller")
DEPLOY_SIZE = (512, 1024)
SAMPLES, IN_FULL, IDS = 200, 10, 20


def devices() -> list[Any]:
    """All that is computed: `macs` and `params` come with every table."""
    return [named.device("edge_tpu"), *map(Roofline, PROFILES), named.device("peak_memory")]


def facts(preset: str, deploy_size: tuple[int, int] = DEPLOY_SIZE) -> dict[str, Any]:
    """Number of architectures, ids and costs of the first random samples."""
    tasks = {"segmentation": 13} if preset == "single_task" else TASKS
    table = cost_table(plugin("search_spaces", preset)(tasks=tasks), devices(), deploy_size)
    domains, rng = table.domains, np.random.default_rng(0)
    samples = [domains.random(rng) for _ in range(SAMPLES)]
    found = {"architectures": str(domains.size()), "ids": [domains.architecture_id(s) for s in samples[:IDS]]}
    for name, column in zip(table.names, table(samples).T.tolist(), strict=True):
        digest = hashlib.sha256("\n".join(map(repr, column)).encode()).hexdigest()
        found[name] = {"first": column[:IN_FULL], "sha256": digest}
    return found


def record() -> None:
    recorded.write("costs", {preset: facts(preset) for preset in PRESETS})


LARGE = ("mobile", "edge_tpu")  # half a minute each, for thousands of layers


@pytest.mark.parametrize("preset", [pytest.param(p, marks=[pytest.mark.slow] * (p in LARGE)) for p in PRESETS])
def test_costs(preset: str) -> None:
    found, expected = facts(preset), recorded.read("costs")[preset]
    assert sorted(found) == sorted(expected)
    for name in expected:
        assert found[name] == expected[name], name


def test_another_size_is_noticed() -> None:
    """The broken variant: every cost but the number of weights depends on the size of the images."""
    found, expected = facts("nano", (512, 992)), recorded.read("costs")["nano"]
    same = {name for name in expected if found[name] == expected[name]}
    assert same == {"architectures", "ids", "params"}
