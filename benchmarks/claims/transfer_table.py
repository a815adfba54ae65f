"""S2 of PROTOCOL.md, step 1: a table of trainings from which searches on one task and on all tasks are replayed.

    python benchmarks/claims/transfer_table.py --world streets [--data FOLDER] [--workers 2]
    python benchmarks/claims/transfer_table.py --render

96 architectures of `compound`, even in log latency, each trained on segmentation, depth and normals alone and on all of
them, twice. A training is a line of benchmarks/results/transfer_table.jsonl, written when it ends; what stands there is
not trained again. The first seed comes first, in it the trainings on all tasks, from both ends of latency to the
middle. `--smoke` trains two steps of two architectures in a temporary file.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:] = [*(p for p in sys.path if p != str(HERE)), str(HERE.parent), str(HERE)]

from claims.command import options  # noqa: E402
from rows import append, rows_of  # noqa: E402

RESULTS = HERE.parent / "results" / "transfer_table.jsonl"
ARCHITECTURES, DRAWN, STEPS = 96, 20_000, 250
SEEDS = {**dict.fromkeys(("nyuv2", "streets", "cityscapes", "camvid"), (1200, 1201)), "rooms": (910, 911)}
ALL = "all"


def plain_study(world: str, folder: Path | None, tasks: str, seed: int, steps: int) -> dict[str, Any]:
    """A study of one row of the table."""
    import worlds

    part = worlds.part(world, folder)
    evaluator = {"name": "jared", **worlds.FULL_WEIGHT, "steps": steps, "reports": 1, "threads": 1}
    if tasks != ALL:
        part["tasks"] = [tasks]
    return {**part, "space": worlds.compound(world), "device": "edge_tpu", "evaluator": evaluator, "seed": seed}


def architectures(world: str, folder: Path | None, number: int = ARCHITECTURES) -> dict[str, dict[str, Any]]:
    """Architecture -> sample and costs: those of many random ones that lie nearest to even steps of log latency."""
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    joined = Assembled(parse(plain_study(world, folder, ALL, 0, STEPS)))
    domains, rng = joined.problem.domains, np.random.default_rng(19)
    samples, table = [domains.random(rng) for _ in range(DRAWN)], joined.table
    costs = table(samples)
    latency = np.log(costs[:, table.names.index("latency_ms")])
    chosen: dict[str, dict[str, Any]] = {}
    for level in np.linspace(*np.quantile(latency, (0.001, 0.999)), number):
        for nearest in np.argsort(np.abs(latency - level)):
            name = domains.architecture_id(samples[nearest])
            if name not in chosen:
                chosen[name] = {
                    "sample": samples[nearest],
                    "costs": {
                        column: rounded(value) for column, value in zip(table.names, costs[nearest], strict=True)
                    },
                }
                break
    return chosen


def run(world: str, folder: str, sample: str, tasks: str, seed: int, steps: int) -> dict[str, Any]:
    """Train once; scores on `search`, which choose, and on `select`, which judge. One that diverges has the prior's."""
    from one_training import scored_twice

    from ednas_nni.errors import TrialError

    study = plain_study(world, Path(folder) if folder else None, tasks, seed, steps)
    try:
        searched, judged, seconds = scored_twice(study, json.loads(sample))
    except TrialError as error:
        none = {"quality": 0.0}
        return {"seconds": 0.0, "search": none, "select": none, "on": accelerator(), "failed": str(error)}
    metrics = [name for name in judged if name != "quality" and name in searched]
    return {
        "seconds": round(seconds, 1),
        "search": {"quality": rounded(searched["default"]), **{name: rounded(searched[name]) for name in metrics}},
        "select": {"quality": rounded(judged["quality"]), **{name: rounded(judged[name]) for name in metrics}},
        "on": accelerator(),
    }


def accelerator() -> str:
    """What `accelerator: auto` trains on here."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def rounded(value: float) -> float:
    return float(f"{value:.5g}")


def measure(world: str, folder: Path | None, path: Path, steps: int, number: int, workers: int) -> None:
    """Train what is missing."""
    import worlds
    from one_training import each

    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    Assembled(parse(plain_study(world, folder, ALL, 0, steps))).source.prepare()  # before the runs need it
    rows = rows_of(path)
    drawn = {row["architecture"]: row for row in rows if row["world"] == world and "sample" in row}
    if not drawn:
        for name, entry in architectures(world, folder, number).items():
            drawn[name] = {"world": world, "architecture": name, **entry}
        append(path, *drawn.values())  # all or none
    here = [row for row in rows if row["world"] == world and "tasks" in row]
    there = {(row["architecture"], row["tasks"], row["seed"], row["steps"]) for row in here}
    names, bits = list(drawn), len(drawn).bit_length()
    order = sorted(range(len(names)), key=lambda i: f"{i:0{bits}b}"[::-1])
    jobs = {
        (world, str(folder or ""), json.dumps(drawn[name]["sample"]), tasks, seed, steps): name
        for seed in SEEDS[world]
        for group in ((ALL,), worlds.part(world, folder)["tasks"])
        for name in (names[i] for i in order)
        for tasks in group
        if (name, tasks, seed, steps) not in there
    }
    for job, outcome in each(run, list(jobs), workers):
        row = {"world": world, "architecture": jobs[job], "tasks": job[3], "seed": job[4], "steps": steps}
        append(path, {**row, **outcome})


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, SEEDS, "streets")
    given = parser.parse_args(arguments)
    from transfer_replay import report

    if given.smoke:
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "rows.jsonl"
            measure(given.world, given.data, path, 2, 2, 1)
            assert {row["seed"] for row in rows_of(path) if "tasks" in row} == set(SEEDS[given.world])
        return
    if not given.render:
        measure(given.world, given.data, RESULTS, STEPS, ARCHITECTURES, given.workers)
    print(report(rows_of(RESULTS)))


if __name__ == "__main__":
    main()
