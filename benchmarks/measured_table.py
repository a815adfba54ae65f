"""A small search space in which every network was trained: what strategies are compared on, with a real trial's noise.

    nice -n 5 python benchmarks/measured_table.py [--workers 2]      resumable; writes the table when all have ended
    python benchmarks/measured_table.py --smoke                      two trainings of two steps

The networks are some of the space of inherited_table.py that meet its limit, each trained alone for 200 steps from two
seeds. A trial of a search is answered with one of the two scores on `search`; true is the mean of both on `select`,
which no trial sees. So what a strategy chooses by differs from what it is judged by as in a real search.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

# This file's folder has a module of the same name as the package it measures: it comes last.
sys.path[:] = [*sys.path[1:], sys.path[0]]

from inherited_table import AXES as LARGER  # noqa: E402
from inherited_table import COSTS, STUDY, WIDTHS, whole  # noqa: E402
from one_training import each, scored_twice  # noqa: E402
from rows import append, rows_of  # noqa: E402
from worlds import FULL_WEIGHT  # noqa: E402

RESULTS = Path(__file__).resolve().parent / "results"
ROWS, TABLE = RESULTS / "measured_rows.jsonl", RESULTS / "measured_rows.json"
STEPS, SEEDS = 200, (8000, 8001)
AXES: dict[str, tuple[object, ...]] = {
    **LARGER,
    "stage3_op": ("ibn_k3_e3", "fused_k3_e3"),
    "output_stride": ("8",),
}


def study(seed: int, steps: int) -> dict[str, Any]:
    """Of one training."""
    return {
        **STUDY,
        "evaluator": {"name": "jared", **FULL_WEIGHT, "steps": steps, "threads": 1, "reports": 1},
        "seed": seed,
    }


def run(sample: str, seed: int, steps: int) -> dict[str, Any]:
    """Train once: the score that a trial would report, and that on `select`."""
    searched, judged, seconds = scored_twice(study(seed, steps), json.loads(sample))
    return {
        "search": round(searched["default"], 5),
        "select": round(judged["quality"], 5),
        "seconds": round(seconds, 1),
    }


def measure(path: Path, steps: int, seeds: tuple[int, ...], workers: int, most: int | None = None) -> dict[str, Any]:
    """Train what is missing; the table, once everything is there."""
    from checkout import commit

    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    joined = Assembled(parse(study(0, steps)))
    joined.source.prepare()
    points = [dict(zip(AXES, values, strict=True)) for values in product(*AXES.values())]
    samples = [joined.domains.canonical(whole(point)) for point in points]
    inside = joined.problem.feasible(samples)
    names = [joined.domains.architecture_id(sample) for sample in samples]
    wanted = [i for i in range(len(samples)) if inside[i]][:most]
    there = {(row["architecture"], row["seed"], row["steps"]) for row in rows_of(path)}
    jobs = {
        (json.dumps(samples[i]), seed, steps): names[i]
        for seed in seeds for i in wanted if (names[i], seed, steps) not in there
    }  # fmt: skip
    for job, outcome in each(run, list(jobs), workers):
        append(path, {"architecture": jobs[job], "seed": job[1], "steps": steps, **outcome})
    trained: dict[str, dict[int, dict[str, Any]]] = {}
    for row in rows_of(path):
        if row["steps"] == steps:
            trained.setdefault(row["architecture"], {})[row["seed"]] = row
    costs = joined.problem.canonical_costs(samples)[:, [joined.table.names.index(name) for name in COSTS]]
    table, trials = [], []
    for i, (latency, upper, macs) in enumerate(costs.tolist()):
        runs = [trained[names[i]][seed] for seed in seeds] if i in wanted else []
        true = round(sum(one["select"] for one in runs) / len(runs), 5) if runs else None
        table.append([true, round(latency, 3), round(upper, 3), int(round(macs, -6))])
        trials.append([one["search"] for one in runs])
    return {
        "command": "python benchmarks/measured_table.py",
        "commit": commit(),
        "steps": steps,
        "constraints": list(map(str, joined.problem.constraints)),
        "axes": AXES,
        "widths": WIDTHS,
        "columns": ["quality", *COSTS],
        "networks": len(wanted),
        "rows": table,
        "trials": trials,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--smoke", action="store_true", help="two trainings of two steps, to see that it runs")
    given = parser.parse_args()
    if given.smoke:
        with tempfile.TemporaryDirectory() as place:
            made = measure(Path(place) / "rows.jsonl", 2, SEEDS[:1], 1, most=2)
            assert sum(row[0] is not None for row in made["rows"]) == made["networks"] == 2
        return
    made = measure(ROWS, STEPS, SEEDS, given.workers)
    lists = {
        key: ",\n".join(json.dumps(row, separators=(",", ":")) for row in made.pop(key)) for key in ("rows", "trials")
    }
    text = json.dumps(made, indent=1)[:-2] + "".join(f',\n "{key}": [\n{rows}\n]' for key, rows in lists.items())
    TABLE.write_text(text + "}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
