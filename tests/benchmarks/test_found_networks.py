"""S5's statistics: what is there is found, chance is not, and a flip changes one choice at equal latency."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from claims import found_networks, outcomes
from claims import found_tables as s5

from ednas_nni.space.domains import Dimension, Domains

SAMPLES, QUALITY, _ = found_networks.inherited()
EVERY = s5.columns(SAMPLES)
LATENCY, MACS = np.array([r[1::2] for r in json.loads(found_networks.TABLE.read_text())["rows"] if r[0] is not None]).T
ALL = np.arange(len(SAMPLES))


def called_significant(equal, trials=200):
    """Share of fronts by chance whose p is below .05: of MACs, which no two networks share, and of a choice of two."""
    rng, p = np.random.default_rng(5), []
    for _ in range(trials):
        chance = 0.02 * np.log(LATENCY) + rng.permutation(QUALITY - 0.05 * np.log(LATENCY))
        of = {"macs": MACS * rng.uniform(0.999, 1.001, len(ALL)), "conv": EVERY["heads conv"]}
        p.append(
            [one for *_, one in s5.against_random(of, LATENCY, s5.front(chance, LATENCY), ALL, 500, equal)[0].values()]
        )
    return (np.array(p) < 0.05).mean(axis=0)


def test_winners_by_chance_are_called_significant_as_often_as_the_level_says():
    """Real networks, whose quality is drawn anew; a choice of two is called so more rarely: it has few outcomes."""
    macs, conv = called_significant(s5.EQUAL)
    assert macs == pytest.approx(0.05, abs=0.035) and conv <= 0.06
    macs, _ = called_significant(equal=10.0)  # the broken variant: compared with networks of whatever latency
    assert macs > 0.2


def test_a_choice_that_is_worth_something_is_found_and_those_beside_it_are_not():
    rng = np.random.default_rng(0)
    worth = 0.1 * np.log(LATENCY) + 0.01 * rng.standard_normal(len(ALL)) + 0.03 * EVERY["heads conv"]
    choices, n = s5.against_random(EVERY, LATENCY, s5.front(worth, LATENCY), ALL)
    assert n >= 10 and s5.significant(choices) == ["heads conv"]
    winners, random, _ = choices["heads conv"]
    assert winners > 0.9 and random == pytest.approx(0.5, abs=0.1)


def test_a_network_alone_at_its_latency_is_left_out():
    alone = np.append(LATENCY, 1000.0)
    every = {name: np.append(values, values[0]) for name, values in EVERY.items()}
    assert s5.against_random(every, alone, np.array([len(ALL)]), ALL) == ({}, 0)


def test_statistics_of_networks_that_differ_in_stages_branches_and_names():
    one = {"stage1_block1_op": "ibn_k3_e6", "stage1_block2_op": "fused_k3_e3", "stage1_depth": 2, "fusion": "aspp"}
    one |= {"depth_head": "conv", "normals_head": "separable", "depth_head_width": 16, "normals_head_width": 32}
    two = {**one, "stage2_depth": 3, "stage2_block1_op": "ibn_k5_e3", "depth_sharing": "own_stage2"}
    two |= {"depth_stage2_block1_op": "fused_k3_e6", "depth_stage2_width": 8, "output_stride": "4"}
    of = s5.statistics(two)
    assert (of["stage1 Fused-IBN"], of["stage1 expansion"], of["stage2 kernel"]) == (0.5, 4.5, 5)
    assert (of["heads conv"], of["heads width"], of["output stride"], of["fusion aspp"]) == (0.5, 24, 4, 1)
    assert of["depth leaves the trunk at"] == 2 and not any("depth stage2" in name for name in of)
    of = s5.columns([one, two, {**two, "stage2_depth": 4, "output_stride": "8"}])
    assert of["stage2 depth"].tolist() == [0, 3, 4]  # what all share is no statistic, what goes together is one
    together = next(
        values for name, values in of.items() if "stage2 Fused-IBN = stage2 expansion = stage2 kernel" in name
    )
    assert np.isnan(together).tolist() == [True, False, False] and "stage1 kernel" not in of


def test_regret_is_what_the_devices_own_front_has_more():
    chosen, judged = np.array([0.1, 0.2, 0.3]), np.array([0.1, 0.25, 0.28])
    latency = np.array([2.0, 1.0, 4.0])
    on = s5.front(chosen, latency)
    assert on.tolist() == [1, 2]
    lost, factor = s5.regret([0, 2], on, chosen, judged, latency)
    assert lost == pytest.approx((0.15 + 0) / 2) and factor == pytest.approx(2**0.5)
    assert s5.regret(on, on, chosen, judged, latency) == (0, 1)


def flipped(worse, draw=0):
    rng, rows = np.random.default_rng(draw), []
    for flip, loss in [("", 0.0), *((f"flip {i}", worse * (i == 0)) for i in range(12))]:
        for seed in (1, 2):
            score = {"quality": 0.3 - loss + 0.01 * rng.standard_normal()}
            rows.append({"world": "w", "winner": "a1", "flip": flip, "seed": seed, "select": score})
    return [*rows, {"world": "w", "winner": "a1", "flip": "resolution", "seed": None}]


def test_a_flip_that_loses_is_found_and_chance_is_not():
    of = s5.losses(flipped(0.08))
    assert s5.losses(flipped(0.08)[:3]) == {}  # the second flip has one seed: nothing to say yet
    assert of["flip 0"][0].low > 0.03 and of["flip 0"][1] < 0.05 and "resolution" not in of
    assert np.mean([min(p for _, p in s5.losses(flipped(0, draw)).values()) < 0.05 for draw in range(100)]) < 0.1
    assert "no widths" in s5.report([], flipped(0.08)) and "**+0.0" in s5.report([], flipped(0.08))


def test_a_flip_changes_one_choice_and_widths_bring_back_its_latency():
    ops = ("ibn_k3_e3", "ibn_k5_e6", "fused_k3_e6", "ibn_k3_e6")
    choices = {"stage1_depth": (1, 2, 3), "stage1_width": (8, 16, 24), "stem_width": (8, 16), "fusion": ("fpn", "aspp")}
    dimensions = [*choices.items(), *((f"stage1_block{i}_op", ops) for i in (1, 2, 3))]
    domains = Domains([Dimension(*one) for one in dimensions])
    winner = {"stage1_depth": 2, "stage1_width": 16, "stem_width": 16, "fusion": "fpn", "stage1_block3_op": ops[0]}
    winner |= {"stage1_block1_op": ops[1], "stage1_block2_op": ops[1]}
    of = {name: (sample, fixed) for name, sample, fixed in found_networks.flips(domains, winner)}
    blocks = {f"stage1_block{i}_op" for i in (1, 2, 3)}
    for sample, _ in of.values():
        changed = {label for label in winner if sample[label] != winner[label]}
        assert len(changed) == 1 or changed <= blocks or changed == {"stage1_depth", "stage1_block3_op"}
    assert of["stage1 kind ibn <-> fused"][0]["stage1_block1_op"] == "fused_k3_e6"  # no fused_k5_e6 is there
    assert of["stage1_depth 2 -> 3"][0]["stage1_block3_op"] == ops[1]
    assert {"stage1_width 16 -> 8", "stage1_width 16 -> 24", "fusion fpn -> aspp"} <= of.keys()

    def latency(samples):
        return {"edge_tpu": np.array([s["stem_width"] * s["stage1_depth"] + s["stage1_width"] for s in samples], float)}

    priced, target = SimpleNamespace(domains=domains, latency=latency), 48.0
    for sample, fixed in of.values():
        found = found_networks.matched(priced, sample, fixed, target)
        assert found is None or (found.get(fixed) == sample.get(fixed) and latency([found])["edge_tpu"] == [target])
    assert found_networks.matched(priced, *of["stage1_depth 2 -> 3"], target)["stem_width"] == 8
    assert found_networks.matched(priced, *of["stage1_depth 2 -> 1"], target) is None


def test_the_outcome_names_what_all_devices_share():
    line = outcomes.table().splitlines()[-1]
    assert line.startswith("| S5") and "less fusion aspp, less stage3 depth" in line and "resolution" not in line
