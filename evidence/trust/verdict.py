"""What the trainings of a record say: rank agreement of every recipe and control with the longer training."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ednas_nni.baselines.interval import MeanInterval, mean_interval
from ednas_nni.errors import EdnasError
from ednas_nni.study.objectives import QUALITY
from evidence.trust import ranks
from evidence.trust.picks import SEARCHES, ExpectedPick, picks
from evidence.trust.record import HELD_OUT_QUALITY, INHERITED, SHIPPED, TRUTH, TrustRecord, is_longer
from evidence.trust.training import CONTROLS

TERCILES = 3
GAPS = (0.0, 1.0, 2.0, 3.0, float("inf"))


@dataclass(frozen=True)
class Agreement:
    """How a predictor orders architectures, against the longer training.

    Attributes:
        predictor: Name of a recipe or of a control.
        overall: Kendall's tau-b over all pairs; of recipes, the mean over single trainings.
        within: Over pairs of the same cost tercile: what cost alone does not tell.
        top: Over pairs of the best third by the longer training.
        margin: `within` minus that of the best control; None for controls.
        within_gain: `within` minus that of the study's own recipe, on the same architectures; None for it and controls.
        top_gain: The same of `top`.
        ceiling: The `within` that noise allows a perfect predictor; None for controls.
        images: Images that one training sees, 0 for controls.
    """

    predictor: str
    overall: ranks.RankEstimate
    within: ranks.RankEstimate
    top: ranks.RankEstimate
    margin: ranks.RankEstimate | None
    within_gain: ranks.RankEstimate | None
    top_gain: ranks.RankEstimate | None
    ceiling: float | None
    images: int


@dataclass(frozen=True)
class Gap:
    """Of the pairs of trainings `low` to `high` standard deviations of their noise apart: the share ordered right."""

    low: float
    high: float
    pairs: int
    right: float


@dataclass(frozen=True)
class Verdict:
    """The whole.

    Attributes:
        quantities: "quality" and every task -> agreement of each predictor, on all architectures.
        chosen: The recipe that was chosen on one half: the cheapest among those, no costlier than the study's own,
            whose agreement within terciles is within one standard error of the best.
        on_choice: Agreement of quality on the half that was chosen on.
        on_other: The same on the other half, which the choice has not seen.
        noise: Recipe -> standard deviation of the quality of one training.
        spread: Standard deviation of the longer training's quality over architectures.
        gaps: Recipe -> how often it orders right, by distance.
        picks: What each recipe takes for the images of searches by the study's own.
        picks_on_other: The same on the half that the choice has not seen.
        architectures: How many.
        seeds: Trainings of each.
        lead: Of studies that inherit: quality of the longer training minus that of the inherited networks on the same
            images, over architectures.
    """

    quantities: dict[str, tuple[Agreement, ...]]
    chosen: str
    on_choice: tuple[Agreement, ...]
    on_other: tuple[Agreement, ...]
    noise: dict[str, float]
    spread: float
    gaps: dict[str, tuple[Gap, ...]]
    picks: tuple[ExpectedPick, ...]
    picks_on_other: tuple[ExpectedPick, ...]
    architectures: int
    seeds: int
    lead: MeanInterval | None = None


def verdict(record: TrustRecord) -> Verdict:
    """Analyse what is complete.

    Raises:
        EdnasError: The longer training or the study's own recipe is not complete, or there is one seed only.
    """
    recipes = [name for name in record.recipes if not is_longer(name) and name != INHERITED and record.complete(name)]
    if record.seeds < 2:
        raise EdnasError("Two trainings of each architecture are needed at least: one says nothing of the noise.")
    if not record.complete(TRUTH) or SHIPPED not in recipes:
        raise EdnasError("There are trainings missing; run the same command again to do them.")
    names = (QUALITY, *record.directions)
    everyone = np.ones(len(record.architectures), bool)
    # Neighbours in cost go to different halves, so that both span the whole range.
    first = np.arange(len(everyone)) % 2 == 0
    quantities = {name: _agreements(record, name, recipes, everyone) for name in names}
    on_choice = _agreements(record, QUALITY, recipes, first)
    chosen = choose([a for a in on_choice if a.predictor in recipes])
    truth = values(record, TRUTH, QUALITY)
    return Verdict(
        quantities=quantities,
        chosen=chosen,
        on_choice=on_choice,
        on_other=_agreements(record, QUALITY, recipes, ~first),
        noise={name: ranks.noise(values(record, name, QUALITY)) for name in (*recipes, TRUTH)},
        spread=float(truth.mean(axis=0).std(ddof=1)),
        gaps={name: gaps(values(record, name, QUALITY), truth.mean(axis=0)) for name in recipes},
        picks=_picks(record, recipes, everyone),
        picks_on_other=_picks(record, recipes, ~first),
        architectures=len(everyone),
        seeds=record.seeds,
        lead=mean_interval((truth.mean(axis=0) - values(record, INHERITED, HELD_OUT_QUALITY)[0]).tolist())
        if record.inherited
        else None,
    )


def values(record: TrustRecord, recipe: str, name: str) -> np.ndarray:
    """Results of a recipe, larger = better: float64 (seeds, architectures)."""
    sign = -1.0 if record.directions.get(name) == "min" else 1.0
    runs = record.runs[recipe]
    rows = [[run[name] for _, run in sorted(runs[key].items())][: record.seeds] for key in record.architectures]
    return sign * np.array(rows).T


def choose(agreements: Sequence[Agreement]) -> str:
    """The one-standard-error rule (Breiman et al., Classification and Regression Trees, 1984), cheapest first.

    Of equally cheap ones the first: the study's own before others.
    """
    (budget,) = (a.images for a in agreements if a.predictor == SHIPPED)
    affordable = [a for a in agreements if a.images <= budget]
    best = max(affordable, key=lambda a: a.within.value)
    error = (best.within.high - best.within.low) / (2 * 1.96)
    close = [a for a in affordable if a.within.value >= best.within.value - error]
    return min(close, key=lambda a: a.images).predictor


def gaps(proxy: np.ndarray, truth: np.ndarray) -> tuple[Gap, ...]:
    """Right orders by distance: proxy (seeds, n), truth (n,). Empty where trainings repeat exactly."""
    unit = ranks.noise(proxy)
    if not unit:
        return ()
    i, j = np.triu_indices(len(truth), 1)
    distance = (proxy[:, i] - proxy[:, j]) / unit
    right = np.sign(distance) == np.sign(truth[i] - truth[j])
    rows = []
    for low, high in itertools.pairwise(GAPS):
        inside = (np.abs(distance) >= low) & (np.abs(distance) < high)
        if inside.any():
            rows.append(Gap(low, high, int(inside.sum()), float(right[inside].mean())))
    return tuple(rows)


def _agreements(record: TrustRecord, name: str, recipes: Sequence[str], chosen: np.ndarray) -> tuple[Agreement, ...]:
    """Of all recipes and controls, over the architectures that are chosen."""
    truths = values(record, TRUTH, name)[:, chosen]
    truth = truths.mean(axis=0)
    costs = [entry["costs"] for entry, keep in zip(record.architectures.values(), chosen, strict=True) if keep]
    terciles = _terciles(record, chosen)
    rank = np.argsort(np.argsort(-truth, kind="stable"))
    best = np.where(rank < len(truth) // TERCILES, 0, -1)
    everyone = np.zeros(len(truth), int)
    weights, top_weights = ranks.resampled(terciles), ranks.resampled(best)
    controls = [c for c in dict.fromkeys((*CONTROLS, record.cost)) if c in costs[0]]
    predictions = {c: np.array([[cost[c] for cost in costs]]) for c in controls}
    judged = [*recipes, *([INHERITED] if record.inherited else [])]
    predictions |= {r: values(record, r, name)[:, chosen] for r in judged}
    parts = {p: ranks.agreement(v, truth) for p, v in predictions.items()}
    within = {p: ranks.tau(part, ranks.same_group(terciles), weights) for p, part in parts.items()}
    top = {p: ranks.tau(part, ranks.same_group(best), top_weights) for p, part in parts.items()}
    rival = max(controls, key=lambda c: np.nan_to_num(within[c][0], nan=-1.0))  # NaN: the same for all of a third
    of_truth = ranks.reliability(truths, terciles, len(truths))
    agreements = []
    for predictor, part in parts.items():
        recipe, other = predictor in judged, predictor in judged and predictor != SHIPPED
        agreements.append(
            Agreement(
                predictor=predictor,
                overall=ranks.estimate(ranks.tau(part, ranks.same_group(everyone), weights)),
                within=ranks.estimate(within[predictor]),
                top=ranks.estimate(top[predictor]),
                margin=ranks.estimate(within[predictor] - within[rival]) if recipe else None,
                within_gain=ranks.estimate(within[predictor] - within[SHIPPED]) if other else None,
                top_gain=ranks.estimate(top[predictor] - top[SHIPPED]) if other else None,
                ceiling=ranks.ceiling([ranks.reliability(predictions[predictor], terciles, 1), of_truth])
                if predictor in recipes
                else None,
                images=record.images[predictor] if recipe else 0,
            )
        )
    return tuple(agreements)


def _terciles(record: TrustRecord, chosen: np.ndarray) -> np.ndarray:
    costs = [entry["costs"][record.cost] for entry in record.architectures.values()]
    order = np.argsort(np.argsort(np.array(costs)[chosen], kind="stable"))
    return order * TERCILES // len(order)


def _picks(record: TrustRecord, recipes: Sequence[str], chosen: np.ndarray) -> tuple[ExpectedPick, ...]:
    proxies = {recipe: values(record, recipe, QUALITY)[:, chosen] for recipe in recipes}
    truth = values(record, TRUTH, QUALITY)[:, chosen].mean(axis=0)
    terciles = _terciles(record, chosen)
    return tuple(itertools.chain(*(picks(proxies, record.images, SHIPPED, truth, terciles, n) for n in SEARCHES)))
