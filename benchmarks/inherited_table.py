"""A whole small search space with the inherited score of every network: what strategies are compared on.

    nice -n 5 python benchmarks/inherited_table.py [--part 0/2]      resumable: every score is kept beside the supernet

The networks are some of the space `compound`, with the weights that they have in the supernet of the shipped study
(experiments/ednas.yml, but for a tighter limit): resolution, widths that grow together, the operation of the early
stages and of stage 3, its depth, fusion, output stride and heads. As all of them are scored, a strategy may propose
whatever it likes and is answered with a measured value, and the best front is known.
`--part` shares the scoring among processes; the one without it writes benchmarks/results/inherited_table.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import product
from pathlib import Path
from typing import Any

# This file is called like a module of the package it measures: its own folder comes last.
sys.path[:] = [*sys.path[1:], sys.path[0]]

from worlds import FULL_WEIGHT  # noqa: E402

HERE = Path(__file__).resolve().parent
TABLE = HERE / "results" / "inherited_table.json"
STUDY: dict[str, Any] = {
    "space": "compound",
    "tasks": ["segmentation", "depth", "normals"],
    "data": "rooms",
    "train_size": [64, 128],
    "evaluator": {"name": "inherited", "supernet": {"steps": 700}, **FULL_WEIGHT},
    "device": "edge_tpu",
    "constraints": ["latency_ms <= 12"],
}
WIDTHS = {"narrow": (8, 8, 16, 32), "middle": (16, 16, 24, 48), "wide": (24, 24, 32, 72)}
"""Of stem and stages."""
AXES: dict[str, tuple[object, ...]] = {
    "resolution": (1, 0.75, 0.5),
    "width": tuple(WIDTHS),
    "early_op": ("ibn_k3_e3", "fused_k3_e3"),
    "stage3_op": ("ibn_k3_e3", "ibn_k5_e6", "fused_k3_e3"),
    "stage3_depth": (2, 4, 6),
    "fusion": ("fpn", "aspp"),
    "output_stride": ("4", "8"),
    "head": ("separable", "conv"),
}
COSTS = ("latency_ms", "latency_ms_upper90", "macs")


def whole(one: dict[str, Any]) -> dict[str, object]:
    """The sample of the shipped space."""
    stem, *stages = WIDTHS[one["width"]]
    sample = {label: one[label] for label in ("resolution", "fusion", "output_stride", "stage3_depth")}
    sample |= {"stem_width": stem, "stage1_depth": 2, "stage2_depth": 3, "fusion_levels": "3", "fusion_width": 32}
    for stage, (width, blocks) in enumerate(zip(stages, (3, 4, 6), strict=True), 1):
        op = one["stage3_op" if stage == 3 else "early_op"]
        sample |= {f"stage{stage}_width": width} | {f"stage{stage}_block{b + 1}_op": op for b in range(blocks)}
    for task in STUDY["tasks"]:
        sample |= {f"{task}_head": one["head"], f"{task}_head_width": 32}
    return sample


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", metavar="I/N", help="score only every Nth network, from the Ith on")
    given = parser.parse_args()
    from checkout import commit

    from ednas_nni.handover.repricing import Inheritance
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse
    from ednas_nni.training.supernet.scores import read

    study = Assembled(parse(STUDY))
    inheritance = Inheritance(study)
    study.source.prepare()
    inheritance.supernet.make(progress=True)
    samples = [study.domains.canonical(whole(dict(zip(AXES, v, strict=True)))) for v in product(*AXES.values())]
    inside = study.problem.feasible(samples)
    # Of this supernet alone: another that is made in the same way may differ in the last digits.
    every = {key: score.metrics["default"] for key, score in read(inheritance.supernet, inheritance.split, {}).items()}
    names = [study.domains.architecture_id(sample) for sample in samples]
    part, parts = map(int, (given.part or "0/1").split("/"))
    wanted = [i for i in range(len(samples)) if inside[i] and names[i] not in every][part::parts]
    for count, i in enumerate(wanted):
        every[names[i]] = inheritance.score(samples[i]).metrics["default"]
        if count % 100 == 0:
            print(f"{count} of {len(wanted)}", flush=True)
    if given.part:
        return
    costs = study.problem.canonical_costs(samples)[:, [study.table.names.index(name) for name in COSTS]]
    rows = [
        [round(every[name], 5) if ok else None, round(latency, 3), round(upper, 3), int(round(macs, -6))]
        for name, ok, (latency, upper, macs) in zip(names, inside, costs.tolist(), strict=True)
    ]
    head = {
        "command": "python benchmarks/inherited_table.py",
        "commit": commit(),
        "supernet": inheritance.supernet.folder.name,
        "images": inheritance.images,
        "split": inheritance.split,
        "constraints": list(map(str, study.problem.constraints)),
        "axes": AXES,
        "columns": ["quality", *COSTS],
        "networks": sum(row[0] is not None for row in rows),
    }
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)  # in the order of itertools.product
    TABLE.write_text(json.dumps(head, indent=1)[:-2] + f',\n "rows": [\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
