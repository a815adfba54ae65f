"""Ways to networks are compared at limits that both attain, by the best network within each."""

from __future__ import annotations

import numpy as np
import pytest
from pipelines import LIMITS, MEMBERS, attained, beside_members, costs, limits_of, report


def test_within_a_limit_counts_the_best_network_and_a_lucky_one_lifts_nobody():
    points = [(4.0, 0.30), (8.0, 0.40), (16.0, 0.36)]
    assert attained(points, np.array([3.9, 4.0, 7.9, 8.0, 99.0])) == pytest.approx(
        [np.nan, 0.30, 0.30, 0.38, 0.38], nan_ok=True
    )


def test_limits_begin_where_all_have_a_network():
    two_seeds = [[(2.0, 0.1), (9.0, 0.3)], [(3.0, 0.1), (8.0, 0.3)]]
    limits = limits_of([two_seeds, [[(1.0, 0.1)], [(12.0, 0.2)]]])
    assert len(limits) == LIMITS and limits[0] == 12.0 and limits_of([two_seeds])[[0, -1]] == pytest.approx([3, 9])


def rows(shift):
    """Two seeds of members, and of a supernet's networks that are better by `shift` at every latency."""
    points = {member: [4.0 * 1.5**i, 0.2 + 0.03 * i] for i, member in enumerate(MEMBERS)}
    alone = [
        {"way": "alone", "seed": seed, "member": member, "points": [point]}
        for seed in (0, 1) for member, point in points.items()
    ]  # fmt: skip
    networks = {
        member: {"name": "", "latency_ms": latency, "confirmed": [{"default": quality + shift}]}
        for member, (latency, quality) in points.items()
    }
    networks["by_hand"] = {"name": "by_hand", "latency_ms": 1.0, "confirmed": [{"default": 9.0}]}
    return alone, {
        "seeds": {"0": {"networks": networks}, "1": {"networks": networks}, "2": {"experiment": "under way"}}
    }


def test_a_difference_is_reported_with_its_sign_and_members_of_the_search_do_not_count():
    assert report(*rows(0.05)).count("+0.050 [+0.050, +0.050]") == LIMITS + 1
    assert report(*rows(-0.05)).count("-0.050") > LIMITS
    alone, searched = rows(0.05)
    assert "members" not in report(alone[:-1], searched)  # a seed without one of its members is not complete


def test_a_search_for_one_network_stands_beside_members_that_are_no_slower():
    alone, _ = rows(0.0)  # the members' latencies: 4, 6, 9, 13.5, 20.25 ms
    one = [{"way": "one", "seed": seed, "member": "", "points": [[13.3, 0.41]]} for seed in (0, 1)]
    text = beside_members([*alone, *one])
    assert "(n = 2)" in text and text.count("0.410 at 13.3 ms, that of members 0.290") == 2  # 13.5 is within 2 %
    assert "(n = 1)" in beside_members([*alone[1:], *one]) and beside_members(alone) == ""


def test_what_a_search_costs_counts_every_image_and_only_searched_networks():
    separate = {"way": "evolution", "seed": 0, "member": "", "points": [[5.0, 0.4], [15.0, 0.5]], "seconds": 600.0}
    tenth = {**separate, "way": "tenth", "points": [[5.0, 0.4]]}
    _, searched = rows(0.0)
    text = costs([separate, tenth], {"seeds": {"0": searched["seeds"]["0"]}})
    assert "| 832,000 | 10 | 9.00 |" in text  # 8 images x (200 x 500 + 8 x 500); 20 ms x 0.4 + 10 ms x 0.1
    assert "| one supernet, a tenth of evolution's images | 1 | 83,200 | 10 | 8.00 |" in text
    (best,) = (line for line in text.splitlines() if line.startswith("| one supernet |"))
    assert "| 54,400 |" in best and float(best.split("|")[-2]) < 9  # a member finished beside has a quality of 9
