"""A whole small search space with the inherited score of every network: what strategies are compared on.

    nice -n 5 python benchmarks/inherited_table.py [--part 0/2]      resumable: every score is kept beside the supernet

The networks are those of the space `nano` whose stages repeat one operation: a depth and an operation a stage, within
the latency limit. As all of them are scored, with the weights that they have in the study's
supernet, a strategy may propose whatever it likes and is answered with a measured value, and the best front is known.
`--part` shares the scoring among processes; the one without it writes benchmarks/results/inherited_table.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import product
from pathlib import Path

# This file is called like a module of the package it measures: its own folder comes last.
sys.path[:] = [*sys.path[1:], sys.path[0]]

HERE = Path(__file__).resolve().parent
TABLE = HERE / "results" / "inherited_table.json"
STUDY = {
    "space": "nano",
    "tasks": ["segmentation", "depth", "normals"],
    "data": "rooms",
    "train_size": [64, 128],
    "evaluator": {"name": "inherited", "supernet": {"steps": 700}},
    "device": "edge_tpu",
    "constraints": ["latency_ms <= 19"],
}
DEPTHS = (1, 2, 3)
OPERATIONS = {
    1: ("ibn_k3_e3", "fused_k3_e3"),
    2: ("ibn_k3_e3", "fused_k3_e6"),
    3: ("ibn_k3_e3", "ibn_k5_e6", "fused_k3_e3"),
    4: ("ibn_k3_e3", "ibn_k5_e3", "fused_k3_e3"),
}
AXES = {f"stage{k}_{what}": v for k, ops in OPERATIONS.items() for what, v in (("depth", DEPTHS), ("op", ops))}
COSTS = ("latency_ms", "latency_ms_upper90", "macs")


def whole(choices: dict[str, object]) -> dict[str, object]:
    """The sample of the shipped space: every block of a stage has the stage's operation."""
    ops = {f"stage{k}_block{b}_op": choices[f"stage{k}_op"] for k in OPERATIONS for b in DEPTHS}
    return {f"stage{k}_depth": choices[f"stage{k}_depth"] for k in OPERATIONS} | ops


def smaller() -> list[dict[str, tuple[object, ...]]]:
    """The whole space, then smaller ones, in which the first stages have one operation only."""
    spaces = [dict(AXES)]
    for k in OPERATIONS:
        spaces.append({**spaces[-1], f"stage{k}_op": OPERATIONS[k][:1]})
    return spaces


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", metavar="I/N", help="score only every Nth network, from the Ith on")
    given = parser.parse_args()
    from checkout import commit

    from ednas_nni.handover.repricing import Inheritance
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    study = Assembled(parse(STUDY))
    inheritance = Inheritance(study)
    study.source.prepare()
    inheritance.supernet.make(progress=True)
    choices = [dict(zip(AXES, values, strict=True)) for values in product(*AXES.values())]
    samples = [study.domains.canonical(whole(one)) for one in choices]
    costs = study.problem.canonical_costs(samples)[:, [study.table.names.index(name) for name in COSTS]]
    inside = study.problem.feasible(samples)
    every = {key: score.metrics["default"] for key, score in inheritance.scores().items()}
    part, parts = map(int, (given.part or "0/1").split("/"))

    # Whole smaller spaces first, so that a table that was cut short is that of a smaller space.
    def late(i: int) -> list[bool]:
        return [choices[i][f"stage{k}_op"] != OPERATIONS[k][0] for k in OPERATIONS]

    wanted = sorted((i for i in range(len(samples)) if inside[i]), key=late)[part::parts]
    for count, i in enumerate(wanted):
        key = study.domains.architecture_id(samples[i])
        if key not in every:
            every[key] = inheritance.score(samples[i]).metrics["default"]
            if count % 100 == 0:
                print(f"{count} of {len(wanted)}", flush=True)
    if given.part:
        return
    scores = [every.get(study.domains.architecture_id(sample)) for sample in samples]
    axes = next(axes for axes in smaller() if all(
        score is not None or not ok
        for one, score, ok in zip(choices, scores, inside, strict=True)
        if all(one[label] in axes[label] for label in axes)
    ))  # fmt: skip
    rows = [
        [round(score, 5) if ok and score is not None else None, *(float(f"{cost:.6g}") for cost in line)]
        for one, score, ok, line in zip(choices, scores, inside, costs.tolist(), strict=True)
        if all(one[label] in axes[label] for label in axes)
    ]
    head = {
        "command": "python benchmarks/inherited_table.py",
        "commit": commit(),
        "supernet": inheritance.supernet.folder.name,
        "images": inheritance.images,
        "split": inheritance.split,
        "constraints": list(map(str, study.problem.constraints)),
        "axes": axes,
        "columns": ["quality", *COSTS],
        "networks": sum(row[0] is not None for row in rows),
    }
    lines = ",\n".join(json.dumps(row) for row in rows)  # in the order of itertools.product over the axes
    TABLE.write_text(json.dumps(head, indent=1)[:-2] + f',\n "rows": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
