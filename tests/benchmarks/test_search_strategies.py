"""What strategies are compared on, and by: the worlds answer as they say, seconds and intervals are what they are."""

from __future__ import annotations

import json

import numpy as np
import pytest
import search_strategies as bench
from strategy_worlds import TABLES, Deceptive, TableWorld, world

from ednas_nni.study import pareto


@pytest.mark.parametrize("place", ["deceptive", "noisy", *TABLES])
def test_a_world_answers_alike_and_its_best_front_has_no_regret(place):
    on = world(place, 3)
    samples = on.drawn[:300]
    if place not in TABLES:
        vars(on)["best"] = 2.0  # else an evolution of seconds
    assert [on.observed(s, 1) for s in samples[:5]] == [on.observed(s, 1) for s in samples[:5]]
    curve = bench.regrets(on, 1, samples[:60])
    assert ((curve >= 0) & (curve < 1)).all() and np.median(on.seconds(on.drawn)) == pytest.approx(1)
    if on.noise:
        assert [on.observed(s, 2) for s in samples[:5]] != [on.observed(s, 1) for s in samples[:5]]
    else:
        points = [(on.quality(s), t) for s, t in zip(samples, on.latency(samples), strict=True)]
        front = [samples[i] for i in pareto.front(points, ("max", "min"))]
        assert bench.regrets(on, 0, front)[-1] == pytest.approx(1 - on.volume(points) / on.best)


def test_a_table_of_trainings_answers_with_one_of_them_and_judges_by_its_mean(tmp_path):
    table = {
        "axes": {"width": [1, 2]},
        "columns": ["quality", "latency_ms", "macs"],
        "constraints": ["latency_ms <= 8"],
        "rows": [[0.3, 4.0, 10], [None, 9.0, 20]],
        "trials": [[0.25, 0.31], []],
    }
    path = tmp_path / "measured.json"
    path.write_text(json.dumps(table))
    on, sample = TableWorld(path), {"width": 1}
    assert [on.observed(sample, seed) for seed in range(3)] == [0.25, 0.31, 0.25]
    assert on.quality(sample) == 0.3 and on.best == pytest.approx(0.3 * (8 - 4))
    del table["trials"]
    path.write_text(json.dumps(table))
    assert TableWorld(path).observed(sample, 1) == 0.3


def test_three_hidden_blocks_are_best_and_two_worse_than_none():
    made = Deceptive(0)
    one = {**made.domains.canonical({d.label: d.values[0] for d in made.domains.dimensions}), "stage1_depth": 3}
    plain = super(Deceptive, made)
    bonus = []
    for count in range(4):
        other = next(op for op in made.domains["stage1_block0_op"].values if op != made.hidden[1])
        ops = {f"stage1_block{b}_op": made.hidden[1] if b < count else other for b in range(3)}
        bonus.append(made.quality({**one, **ops}) - plain.quality({**one, **ops}))
    assert bonus[3] > bonus[0] > bonus[1] > bonus[2]


def test_seconds_count_the_trials_that_have_ended():
    on = world("noisy", 0)
    samples = on.drawn[:40]
    spent, curve = np.cumsum(on.seconds(samples)), np.linspace(0.9, 0.5, 40)
    values = bench.by_seconds(on, samples, curve, (0, 10, 10**6))
    assert values == [1.0, round(curve[np.flatnonzero(spent <= 10)[-1]], 4), 0.5]


def test_a_lead_that_is_there_has_an_interval_without_zero():
    rng = np.random.default_rng(0)
    runs = lambda shift: {s: {"regret": (shift + rng.normal(0, 0.01, 20)).tolist()} for s in range(30)}  # noqa: E731
    ours, worse, equal = runs(0.1), runs(0.15), runs(0.1)
    assert all(cell.startswith("+") and "to +" in cell for cell in bench.lead(ours, worse))
    assert bench.lead(ours, equal)[0].startswith("-") and bench.lead(ours, ours) == ["", ""]
