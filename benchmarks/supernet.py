"""Inherited scores of a supernet against separate trainings: rank agreement, quality, seconds, the parts of its recipe.

    python benchmarks/supernet.py [--steps 1500] [--seeds 1] [--arms default ...]       resumable: each supernet is kept
    python benchmarks/supernet.py --space compound --world streets [--data FOLDER]      of the shipped study's space
    python benchmarks/supernet.py --render                                              the tables of results again

Every supernet is judged by the networks of supernet_judge.py, of `nano` in rooms, of `compound` in any world. The judge
is the mean of two trainings of each network; one of them against the other, printed beside, is what noise leaves to be
reached by a single one.
"""

from __future__ import annotations

import argparse
import os
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from into_docs import EVIDENCE, grid, put
from rows import append, rows_of
from supernet_judge import BATCH, PATHS, SUPERNET_STEPS, Judge, of_compound, of_nano, plain_study, ranks
from worlds import WORLDS

RESULTS = Path(__file__).resolve().parent / "results" / "supernet.jsonl"
UNTOUCHED = "batch norms as the supernet left them"
FURTHER = ("25 steps more for each", "100 steps more for each")
ARMS: dict[str, dict[str, Any]] = {
    "default": {},
    UNTOUCHED: {},
    "batch norms from 1 batch": {"calibration": 1},
    "batch norms from 48 batches": {"calibration": 48},
    FURTHER[0]: {"steps": 25},
    FURTHER[1]: {"steps": 100},
    "choices dealt": {"supernet": {"sampling": "dealt"}},
    "own weights per operation": {"supernet": {"sharing": "own"}},
    "spread over MACs": {"supernet": {"sampling": "macs"}},
    "sandwich rule": {"supernet": {"sandwich": True}},
    "sandwich rule, half distilled": {"supernet": {"sandwich": True, "distillation": 0.5}},
    "sandwich rule, spread over MACs": {"supernet": {"sandwich": True, "sampling": "macs"}},
    "sandwich rule, spread over MACs, own weights": {
        "supernet": {"sandwich": True, "sampling": "macs", "sharing": "own"}
    },
    "largest first": {"supernet": {"warm_up": 0.1}},
    "learning rate 0.02": {"supernet": {"learning_rate": 0.02}},
    "two paths": {"supernet": {"paths": 2}},
    "one path": {"supernet": {"paths": 1}},
}
"""Arm -> what the evaluator is told beside the steps."""


def measure(
    space: str, world: str, folder: Path | None, arm: str, seed: int, steps: int, judge: Judge
) -> dict[str, Any]:
    """Make one supernet and score all architectures of the judge with it."""
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    options = {"steps": steps, "seed": seed, **ARMS[arm].get("supernet", {})}
    evaluator = {**ARMS[arm], "name": "inherited", "supernet": options}
    study = Assembled(parse(plain_study(space, world, folder, seed, evaluator)))
    supernet = study.evaluator.supernet(study.space)
    started = time.perf_counter()
    made = supernet.make()
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    spared = patch("ednas_nni.training.supernet.inherited.recalibrate", lambda model, images: model.eval())
    with spared if arm == UNTOUCHED else nullcontext():
        scores = {name: round(study.trained(sample)[1]["default"], 5) for name, sample in judge.samples.items()}
    each = (time.perf_counter() - started) / len(scores)
    row = {"space": space, "world": world, "arm": arm, "seed": seed, "steps": steps, "scores": scores}
    return {**row, "seconds": round(seconds, 1) if made else None, "seconds_a_score": round(each, 3)}


@dataclass(frozen=True)
class Order:
    """How some scores order the networks of a judge.

    Attributes:
        scores: Whose they are.
        images: That all trainings behind them saw; None = of the judge itself.
        seeds: How many sets of scores, of which taus are the mean.
        taus: Kendall's tau, with intervals: all pairs, equal cost, best third.
        quality: Their mean.
        arm: Of supernets.
    """

    scores: str
    images: int | None
    seeds: int
    taus: list[str]
    quality: float
    arm: str = ""


def judges() -> dict[tuple[str, str], Judge]:
    """(Space, world) -> its judge, where there is one."""
    every = {("nano", "rooms"): of_nano(), **{("compound", world): of_compound(world) for world in WORLDS}}
    return {place: judge for place, judge in every.items() if judge is not None}


def orders(judge: Judge, place: tuple[str, str]) -> list[Order]:
    """Of separate trainings, of every kind of supernet, and of one training of the judge by the other."""
    names = list(judge.runs)
    runs = np.array([judge.runs[a] for a in names])
    judged, latency = runs.mean(axis=1), np.array([judge.latency_ms[a] for a in names])
    found = []
    for name, (images, scores) in judge.shorter.items():
        one = np.array([scores[a] for a in names])
        found.append(Order(name, images, 1, ranks(one, judged, latency), float(one.mean())))
    kinds: dict[tuple[int, int], list[np.ndarray]] = {}
    for row in rows_of(RESULTS):
        if (row["space"], row["world"]) == place:
            kind = (row["steps"], list(ARMS).index(row["arm"]))
            kinds.setdefault(kind, []).append(np.array([row["scores"][a] for a in names]))
    for (steps, at), seeds in sorted(kinds.items()):
        arm, several = list(ARMS)[at], np.array(seeds)
        together, alone = ARMS[arm].get("supernet", {}).get("paths", PATHS) * steps, ARMS[arm].get("steps", 0)
        images = BATCH * (together + alone * len(names))
        taus, quality = ranks(several, judged, latency), float(several.mean())
        found.append(Order(f"supernet, {arm}, {steps} steps", images, len(seeds), taus, quality, arm))
    noise = ranks(runs[:, 1], runs[:, 0], latency)  # the best third is the first one's
    return [*found, Order("one training of the judge, by the other", None, 1, noise, float(judged.mean()))]


def render() -> str:
    """The tables of results/README.md, one a judge."""
    heads = ["scores", "images seen", "seeds", "tau, all pairs", "tau, same cost", "tau, best third", "mean quality"]
    text = []
    for place, judge in judges().items():
        lines = [
            [o.scores, f"{o.images:,}" if o.images else "", str(o.seeds), *o.taus, f"{o.quality:.3f}"]
            for o in orders(judge, place)
        ]
        text += [f"{judge.title}:", grid(heads, lines)]
    return "\n\n".join(text)


def summary() -> str:
    """Tau at equal cost in each world, for docs/supernet.md: supernets beside trainings of about as many images."""
    lines = []
    for (space, world), judge in judges().items():
        found = orders(judge, (space, world))
        alone = [o for o in found if o.images and not o.arm]
        chosen = [next((o for o in found[::-1] if o.arm == arm), None) for arm in ("default", *FURTHER)]  # most steps
        most = max((o.images or 1 for o in chosen if o), default=1)
        near = min(alone, key=lambda o: abs(np.log((o.images or 1) / most)), default=None)
        cells = [f"{o.taus[1]} ({o.images:,})" if o else "" for o in (*chosen, near)]
        lines.append([f"`{space}`, {world}, {len(judge.runs)}", *cells, found[-1].taus[1]])
    heads = [
        "space, world, networks",
        "one supernet (images seen)",
        *FURTHER,
        "each trained alone",
        "two long trainings",
    ]
    return grid(heads, lines)


def ranked() -> str:
    """`summary`, and tau at equal cost with other recipes where they have several seeds, for docs/supernet.md."""
    text = []
    for (space, world), judge in judges().items():
        others = [o for o in orders(judge, (space, world)) if o.arm and o.arm not in (*FURTHER, UNTOUCHED)]
        images = next((o.images for o in others if o.seeds > 2), None)
        equal = sorted((o for o in others if o.seeds > 2 and o.images == images), key=lambda o: -o.quality)
        if images:
            seeds = min(o.seeds for o in equal)
            listed = "; ".join(f"{o.arm} {o.taus[1].split()[0]} ({o.quality:.3f})" for o in equal)
            of = f"`{space}`, {world}, {images:,} images, {seeds} seeds each"
            text.append(f"Other recipes, tau (mean inherited quality), {of}: {listed}.")
    return "\n\n".join([summary(), *text])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="nano", choices=["nano", "compound"])
    parser.add_argument("--world", default="rooms", choices=WORLDS)
    parser.add_argument("--data", type=Path, help="folder of real images")
    parser.add_argument("--steps", type=int, default=SUPERNET_STEPS)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--arms", nargs="*", default=list(ARMS), choices=list(ARMS), metavar="ARM")
    parser.add_argument("--render", action="store_true", help="only make the tables of results/README.md again")
    given = parser.parse_args()
    if not given.render:
        judge = of_nano() if given.space == "nano" else of_compound(given.world)
        if judge is None:
            first = f"python benchmarks/supernet_judge.py --world {given.world}"
            raise SystemExit(f"{given.world}: no judge; first {first}")
        there = {tuple(row[name] for name in ("space", "world", "arm", "seed", "steps")) for row in rows_of(RESULTS)}
        for seed in range(given.seeds):
            for arm in given.arms:
                key = (given.space, given.world, arm, seed, given.steps)
                if key not in there:
                    append(RESULTS, measure(given.space, given.world, given.data, arm, seed, given.steps, judge))
    text = render()
    print(text)
    put(EVIDENCE, "ranks", text)
    put(EVIDENCE.parents[2] / "docs" / "supernet.md", "inherited", ranked())


if __name__ == "__main__":
    main()
