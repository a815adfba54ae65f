"""NNI's FlopsProfiler and NumParamsProfiler on EDNAS spaces: equal to the cost table, MAC by MAC."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ednas_nni import compat, plugins
from ednas_nni.cost import cost_table
from ednas_nni.training import one_shot
from search_spaces import shorten

compat.profilers()

from nni.nas.profiler.pytorch.flops import NumParamsProfiler  # noqa: E402

WAYS = ("own_fusion", "own_stage2", "own_stage3", "own_stage4")


def samples_of(domains, count, seed=0):
    """Random ones, and for each way to share one in which all tasks take it: then part of the trunk is dead."""
    rng = np.random.default_rng(seed)
    found = [domains.random(rng) for _ in range(count)]
    sharing = [label for label in domains.labels if label.endswith("_sharing")]
    for way in WAYS:
        if sharing and all(way in domains[label].values for label in sharing):
            found.append({**domains.random(rng), **dict.fromkeys(sharing, way)})
    return found


def differences(space, size, count=12):
    """Samples for which a profiler and the table disagree: (sample, NNI's, ours)."""
    table = cost_table(space, [], deploy_size=size)
    macs = one_shot.macs_profiler(space, size)
    params = NumParamsProfiler(space.eval(), torch.zeros(1, 3, *size))
    found = []
    for sample in samples_of(table.domains, count):
        ours = dict(zip(table.names, table([sample])[0], strict=True))
        theirs = {"macs": macs.profile(sample), "params": params.profile(sample)}
        if any(theirs[name] != ours[name] for name in theirs):
            found.append((sample, theirs, ours))
    return found


@pytest.fixture
def small(tiny):
    """Fewer kinds of candidates, for speed; widths, depths, learned sums and a trunk that tasks may leave remain."""
    heads = {"kinds": ["conv"], "channels": 8}
    return lambda: tiny(ops=["ibn_k3_e2_se"], heads=heads, fusion={"kinds": ["bifpn"], "channels": [8, 16]})


def test_profilers_are_exact(small):
    assert differences(small(), (16, 32)) == []


@pytest.mark.slow
def test_profilers_are_exact_with_every_kind_of_candidate(tiny):
    assert differences(tiny(), (32, 64)) == []


def test_the_comparison_rejects_a_count_of_what_nobody_reads(small, monkeypatch):
    """NNI alone counts the shared fusion of a network whose tasks all have their own."""
    from ednas_nni.compat import profiler_counts

    monkeypatch.setattr(profiler_counts, "_used", lambda space: {})
    assert differences(small(), (16, 32), 0)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["nano", "mobile", "edge_tpu", "single_task", "pretrained"])
def test_profilers_are_exact_on_presets(preset):
    tasks = {"segmentation": 5} if preset == "single_task" else {"segmentation": 5, "depth": 1}
    options = {} if preset in ("nano", "single_task") else shorten(preset, widths=2, values=2)
    space = plugins.load("search_spaces", preset)(tasks, **options)
    assert differences(space, (64, 128)) == []
