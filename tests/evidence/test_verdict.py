"""A measurement whose truth is known: what is said of recipes that see it, and of those that see only size."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ednas_nni.errors import EdnasError
from evidence.trust.record import HELD_OUT_QUALITY, INHERITED, SHIPPED, TRUTH, TrustRecord
from evidence.trust.tables import remarks
from evidence.trust.verdict import Verdict, verdict

N = 48


def record(proxies: dict[str, tuple[float, float, int]], seed: int = 0, noise: float = 0.3) -> TrustRecord:
    """Architectures whose true quality is half size, half something else.

    Args:
        proxies: Recipe -> (weight of size, weight of the rest, images).
        seed: Of the draws.
        noise: Standard deviation of one training.
    """
    rng = np.random.default_rng(seed)
    size, rest = np.sort(rng.normal(size=N)), rng.normal(size=N)
    latency = size + 0.3 * rng.normal(size=N)
    order = np.argsort(latency)
    size, rest, latency = size[order], rest[order], latency[order]
    made = TrustRecord(
        study={},
        cost="latency_ms",
        seeds=2,
        directions={"depth": "min"},
        architectures={
            f"a{i}": {
                "sample": {},
                "costs": {"latency_ms": latency[i], "macs": size[i], "params": size[i] + rng.normal()},
            }
            for i in range(N)
        },
        recipes={SHIPPED: {}, **{name: {} for name in proxies if name != SHIPPED}, TRUTH: {"steps": 900}},
        images={},
    )
    for recipe, (of_size, of_rest, images) in {**proxies, TRUTH: (0.5, 0.5, 90)}.items():
        made.images[recipe] = images
        for number in range(2):
            for i in range(N):
                quality = of_size * size[i] + of_rest * rest[i] + noise * rng.normal() * (recipe != TRUTH)
                found = {"quality": quality, "depth": -quality, "train_s": 1.0}
                made.add(recipe, f"a{i}", number, found)
    return made


@pytest.fixture(scope="module")
def found() -> Verdict:
    return verdict(record({SHIPPED: (0.5, 0.5, 30), "size": (0.5, 0.0, 10), "slow": (0.5, 0.5, 60)}))


def of(found: Verdict, predictor: str, name: str = "quality") -> Any:
    return {a.predictor: a for a in found.quantities[name]}[predictor]


def test_a_recipe_that_sees_more_than_size_goes_beyond_the_controls(found: Verdict) -> None:
    assert of(found, SHIPPED).margin.low > 0
    assert of(found, SHIPPED).overall.low > 0.4


def test_a_recipe_that_sees_size_only_does_not(found: Verdict) -> None:
    """The broken variant of a proxy: it agrees over all pairs, and still knows nothing that macs do not."""
    assert of(found, "size").overall.low > 0.1
    assert of(found, "size").margin.low < 0
    assert of(found, "size").within.value < of(found, SHIPPED).within.value


def test_recipes_are_compared_on_the_same_architectures(found: Verdict) -> None:
    assert of(found, SHIPPED).within_gain is None and of(found, "macs").top_gain is None
    assert of(found, "size").within_gain.high < 0
    slow = of(found, "slow")
    assert slow.within_gain.low < 0 < slow.within_gain.high, "as good; two separate intervals would be wider"
    apart = slow.within.high - of(found, SHIPPED).within.low
    assert slow.within_gain.high < apart


def test_a_task_whose_metric_is_an_error_counts_the_other_way(found: Verdict) -> None:
    assert of(found, SHIPPED, "depth").overall.value == pytest.approx(of(found, SHIPPED).overall.value)


def test_what_costs_more_is_not_chosen(found: Verdict) -> None:
    assert found.chosen == SHIPPED, "slow is as good but dearer, size is cheaper but worse"
    assert {a.predictor for a in found.on_choice} == {a.predictor for a in found.on_other}


def test_the_cheapest_of_equally_good_ones_is_chosen() -> None:
    proxies = {SHIPPED: (0.5, 0.5, 30), "quick": (0.5, 0.5, 10)}
    assert verdict(record(proxies, noise=0.05)).chosen == "quick"


def test_orders_are_surer_the_further_apart(found: Verdict) -> None:
    shares = [gap.right for gap in found.gaps[SHIPPED]]
    assert shares[0] < shares[-1] and shares[-1] > 0.9
    assert sum(gap.pairs for gap in found.gaps[SHIPPED]) == 2 * N * (N - 1) // 2


def test_noise_and_spread_are_measured(found: Verdict) -> None:
    assert found.noise[SHIPPED] == pytest.approx(0.3, rel=0.3)
    assert found.noise[TRUTH] == 0 and found.spread > 0.3


def test_unfinished_or_single_trainings_say_nothing() -> None:
    made = record({SHIPPED: (0.5, 0.5, 30)})
    with pytest.raises(EdnasError, match="Two trainings of each"):
        verdict(replace(made, seeds=1))
    del made.runs[TRUTH]["a3"]["1"]
    with pytest.raises(EdnasError, match="run the same command again"):
        verdict(made)


def test_a_record_comes_back_from_its_file_and_refuses_other_trainings(tmp_path: Path) -> None:
    made, path = record({SHIPPED: (0.5, 0.5, 30)}), tmp_path / "trust.json"
    made.write(path)
    back = TrustRecord.read(path)
    assert back.runs == made.runs and list(back.architectures) == list(made.architectures)
    back.check_continues(replace(made, recipes={**made.recipes, "new": {"steps": 3}}), path)
    with pytest.raises(EdnasError, match="the study and the number of seeds differ"):
        back.check_continues(replace(made, study={"space": "other"}, seeds=3), path)
    with pytest.raises(EdnasError, match="recipe 'longer' differ"):
        back.check_continues(replace(made, recipes={**made.recipes, TRUTH: {"steps": 1}}), path)
    path.write_text('{"format": 1}')
    with pytest.raises(EdnasError, match=r"trust\.json: is no record of `ednas trust`.*format 1 is not 2"):
        TrustRecord.read(path)


def test_another_length_of_the_longer_training_takes_over_the_rest(tmp_path: Path) -> None:
    made, path = record({SHIPPED: (0.5, 0.5, 30), "quick": (0.5, 0.5, 10)}), tmp_path / "before.json"
    longer = replace(made, recipes={SHIPPED: {}, TRUTH: {"steps": 1800}}, runs={})
    longer.take_over(made, path)
    assert longer.recipes == {SHIPPED: {}, "quick": {}, TRUTH: {"steps": 1800}}
    assert {name: runs == made.runs[name] for name, runs in longer.runs.items()} == {SHIPPED: True, "quick": True}
    same = replace(made, recipes=dict(made.recipes), runs={})
    same.take_over(made, path)
    assert same.runs == made.runs, "nothing else is left out"
    with pytest.raises(EdnasError, match=r"--from .*before\.json: nothing of it can be taken over; the study differ"):
        replace(longer, study={"space": "other"}).take_over(made, path)


def test_what_trains_nothing_but_orders_best_is_the_one_to_beat() -> None:
    """Broken variant: without the cost among the controls, a recipe that knows only that cost would look good."""
    made = record({SHIPPED: (0.5, 0.5, 30)})
    for entry, truth in zip(made.architectures.values(), made.runs[TRUTH].values(), strict=True):
        entry["costs"]["macs"], entry["costs"]["params"] = -truth["0"]["quality"], 1.0
    told = replace(made, cost="macs")
    assert of(verdict(told), SHIPPED).margin.low > 0
    for entry in made.architectures.values():
        entry["costs"]["energy"] = -entry["costs"]["macs"]
    told = replace(made, cost="energy")
    assert of(verdict(told), "energy").within.value == pytest.approx(1)
    assert of(verdict(told), SHIPPED).margin.high < 0


def test_what_the_images_of_a_search_buy(found: Verdict) -> None:
    bought = {name: [p.trainings for p in found.picks if p.recipe == name] for name in (SHIPPED, "slow", "size")}
    assert bought == {SHIPPED: [12, 24, 48], "slow": [6, 12, 24], "size": [36, 72, 144]}
    made = record({SHIPPED: (0.5, 0.5, 30), "slow": (0.5, 0.5, 60)})
    for runs in made.runs[SHIPPED].values():
        for run in runs.values():
            run["train_s"] = 3000.0  # the machine did other work
    assert verdict(made).chosen == SHIPPED


@pytest.mark.parametrize(
    ("behind", "words"),
    [(0.3, "is better than"), (0.0, "is as good as"), (-0.3, "is NOT as good as .* no judge of them")],
)
def test_a_truth_is_measured_against_what_it_judges(behind: float, words: str) -> None:
    made = record({SHIPPED: (0.5, 0.5, 30)})
    assert verdict(made).lead is None
    made.recipes[INHERITED], made.images[INHERITED] = {}, 48_000
    for i, key in enumerate(made.architectures):
        truth = made.runs[TRUTH][key]["0"]["quality"]
        value = {"quality": 3 * truth, "depth": -truth, HELD_OUT_QUALITY: truth - behind + 0.1 * (-1) ** i}
        made.add(INHERITED, key, 5000, value)
    result = verdict(made)
    inherited = of(result, INHERITED)
    assert inherited.overall.value == 1 and inherited.images == 48_000 and inherited.ceiling is None
    assert inherited.within_gain.low > 0 and inherited.margin.low > 0
    assert result.chosen == SHIPPED and INHERITED not in {pick.recipe for pick in result.picks}
    assert any(re.search(words, line) for line in remarks(made, result))
