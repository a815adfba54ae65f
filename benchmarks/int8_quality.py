"""The quality that `int8: true` gives a network against that of the static int8 file that is exported of it.

    python benchmarks/int8_quality.py                    needs the extra `litert`; resumable, some minutes a network
    python benchmarks/int8_quality.py --render           docs/export.md again

Twenty random networks of three presets, with all fusions, sharings and resolutions, are trained on `rooms` for some
steps. Each is scored on the split `search` as it is, simulated in 8 bits by the evaluator, and as the file that
`litert-int8` writes, through the same meters. Files are not proved here.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from into_docs import EVIDENCE, grid, put
from worlds import FULL_WEIGHT

RESULTS = Path(__file__).resolve().parent / "results" / "int8_quality.json"
NETWORKS = [(space, seed) for seed in range(7) for space in ("nano", "compound", "edge_tpu")][:20]
STEPS, SIZE = 60, (64, 128)


def measure(space: str, seed: int) -> dict[str, Any]:
    """Train one network, score it three times."""
    from ednas_nni.graphs.inference_graph import inference_graph
    from ednas_nni.graphs.int8 import CALIBRATION
    from ednas_nni.networks.export.base import EXPORTERS, Order, facts_for
    from ednas_nni.networks.own_data import scaled
    from ednas_nni.networks.scoring import scores
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    evaluator = {
        "name": "jared",
        **FULL_WEIGHT,
        "steps": STEPS,
        "threads": 1,
        "reports": 1,
        "accelerator": "cpu",
        "int8": True,
    }
    study = Assembled(parse({"space": space, "deploy_size": list(SIZE), "evaluator": evaluator, "seed": seed}))
    sample = study.domains.random(np.random.default_rng(seed))
    network, metrics = study.trained(sample)
    tasks, train = study.evaluator.module.data.by_name, study.source.split("train")
    graph = inference_graph(network, {name: task.decoding for name, task in tasks.items()}, SIZE)
    chosen = np.linspace(0, len(train) - 1, CALIBRATION).round().astype(int)
    exporter = EXPORTERS.load("litert-int8")()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"network{exporter.suffix}"
        facts = facts_for(exporter, graph, network=space, architecture=study.domains.architecture_id(sample))
        exporter.write(Order(graph, facts, scaled(train.image[chosen], graph.size), "int8"), path)
        of_file = scores(exporter.open(path), tasks, study.source.split("search"), train)
    own = {name: value for name, value in metrics.items() if f"{name}_int8" in metrics}
    return {
        "space": space,
        "seed": seed,
        "architecture": facts.architecture,
        "float": {"quality": metrics["default"], **own},
        "simulated": {name.removesuffix("_int8"): value for name, value in metrics.items() if name.endswith("_int8")},
        "file": of_file,
    }


def table(record: dict[str, Any]) -> str:
    """For docs/export.md."""
    rows, every = [], record["networks"]
    for space in dict.fromkeys(one["space"] for one in every):
        of_space = [one for one in every if one["space"] == space]
        rows.append(_row(f"`{space}`", of_space))
    rows.append(_row("all", every))
    heads = ("preset", "networks", "quality in float32", "lost in the int8 file, largest", "simulated - file, mean",
             "simulated - file, largest", "the same of mIoU", "within .005")  # fmt: skip
    how = f"{record['steps']} steps at {SIZE[0]} x {SIZE[1]}, scored on {record['images']} images of `search`"
    return f"{grid(heads, rows)}\n\nEach was trained for {how}."


def _row(name: str, networks: list[dict[str, Any]]) -> list[str]:
    quality = [one["float"]["quality"] for one in networks]
    lost = [one["float"]["quality"] - one["file"]["quality"] for one in networks]
    off = {
        metric: np.array([one["simulated"][metric] - one["file"][metric] for one in networks])
        for metric in ("quality", "segmentation_miou")
    }
    within = int((np.abs(off["quality"]) <= 0.005).sum())
    figures = [max(lost, key=abs), off["quality"].mean(), *(max(values, key=abs) for values in off.values())]
    spread = f"{min(quality):.3f} to {max(quality):.3f}"
    return [name, str(len(networks)), spread, *(f"{figure:+.4f}" for figure in figures), f"{within} of {len(networks)}"]


def main() -> None:
    """Measure what is missing, or render."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--render", action="store_true")
    parser.add_argument("--most", type=int, default=len(NETWORKS), help="networks to measure by this call")
    options = parser.parse_args()
    record = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"steps": STEPS, "images": 100, "networks": []}
    done = {(one["space"], one["seed"]) for one in record["networks"]}
    missing = [network for network in NETWORKS if network not in done][: 0 if options.render else options.most]
    for space, seed in missing:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        record["networks"].append(last := measure(space, seed))
        beside = RESULTS.with_suffix(".part")
        beside.write_text(json.dumps(record, indent=1) + "\n")
        beside.replace(RESULTS)
        print(space, seed, *(f"{last[kind]['quality']:.4f}" for kind in ("float", "simulated", "file")), flush=True)
    put(EVIDENCE, "int8-quality", table(record))


if __name__ == "__main__":
    main()
