"""The device cpu_onnxruntime against whole networks that it has not seen, on this machine.

python benchmarks/latency.py              prints, and writes benchmarks/results/cpu_latency.json
python benchmarks/latency.py --write      also writes the table in benchmarks/results/README.md

Everything is measured in this run, in the same rounds: the blocks of the space, the 8 whole networks of the
calibration, and 60 others. Afterwards the 60 are measured once more by themselves: how far another time of the same
machine is off, as it is and compared over the probe graphs. On a busy machine a run takes about ten minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import into_docs
import numpy as np

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "cpu_latency.json"
SHOWN = 4
"""Predictors in the table; the results have the rest, which compare measurements at different times."""
TASKS = {"segmentation": 13, "depth": 1, "normals": 3}
FOLDS = 5


def run(space_name: str, size: tuple[int, int], networks: int, threads: int, seed: int, folder: Path) -> dict[str, Any]:
    """Measure, predict, compare."""
    from devices.cpu_onnxruntime import CpuOnnxruntime
    from devices.parts.block_table import block_table
    from devices.parts.measure import measured
    from devices.parts.timings import Store
    from devices.parts.whole_networks import whole_networks
    from ednas_nni import plugins
    from ednas_nni.cost import cost_table
    from ednas_nni.graphs.capture import network_graph

    space = plugins.load("search_spaces", space_name)(tasks=TASKS)
    device = CpuOnnxruntime(threads)
    blocks = block_table(space, size)
    seen = [network_graph(space, sample, size) for sample in whole_networks(blocks)]
    known = {**blocks.graphs, **{graph.signature: graph for graph in seen}}
    rng, chosen, graphs = np.random.default_rng(seed), [], {}
    while len(graphs) < networks:
        sample = blocks.domains.random(rng)
        graph = network_graph(space, sample, size)
        if graph.signature not in known and graph.signature not in graphs:
            graphs[graph.signature] = graph
            chosen.append(sample)
    start = time.perf_counter()
    timings = measured({**known, **graphs}, Store(device.machine), device.opened, title="blocks and networks")
    seconds = time.perf_counter() - start
    print(f"measured after {seconds:.0f} s", flush=True)
    table = cost_table(space, [device], size)
    costs = table(chosen)
    whole = np.array([timings[signature].ms for signature in graphs])
    column = {name: costs[:, i] for i, name in enumerate(table.names)}
    predicted = column["latency_ms"]

    later = measured(graphs, Store(device.machine, folder), device.opened, title="the networks once more")
    again = np.array([later[signature].ms for signature in graphs])
    pace = timings[next(iter(graphs))].probe_ms / later[next(iter(graphs))].probe_ms
    rows = {
        "sum of blocks, 8 networks give the factor": scores(predicted, whole),
        f"MACs, line fitted to {FOLDS - 1}/{FOLDS} of the networks": scores(linear(column["macs"], whole), whole),
        f"parameters, line fitted to {FOLDS - 1}/{FOLDS} of the networks": scores(
            linear(column["params"], whole), whole
        ),
        "sum of blocks, against a later measurement": scores(predicted, again),
        "sum of blocks, against the later one over probe graphs": scores(predicted, again * pace),
        "the first measurement, against the later one": scores(whole, again),
        "the first measurement, against the later one over probe graphs": scores(whole, again * pace),
    }
    everything = list(timings.values())
    return {
        "machine": asdict(device.machine),
        "title": device.machine.title,
        "note": table.columns[0].note,
        "space": space_name,
        "size": list(size),
        "seconds": seconds,
        "seconds_with_repetition": time.perf_counter() - start,
        "blocks": len(blocks.graphs),
        "rounds": float(np.mean([timing.rounds for timing in everything])),
        "halves": [float(q) for q in np.quantile([t.disagreement for t in everything], (0.5, 1))],
        "measured_ms": [float(whole.min()), float(np.median(whole)), float(whole.max())],
        "pace_later": float(pace),
        "predictors": rows,
        "networks": [
            {
                "id": table.domains.architecture_id(sample),
                "measured_ms": float(whole[i]),
                "later_ms": float(again[i]),
                **{name: float(column[name][i]) for name in table.names},
            }
            for i, sample in enumerate(chosen)
        ],
    }


def linear(feature: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Held-out predictions by a line (relative least squares), each from the other folds."""
    rows = np.column_stack([feature, np.ones(len(feature))])
    folds = np.random.default_rng(0).permutation(len(whole)) % FOLDS
    found = np.empty(len(whole))
    for fold in range(FOLDS):
        known = folds != fold
        weights = np.linalg.lstsq(rows[known] / whole[known, None], np.ones(known.sum()), rcond=None)[0]
        found[~known] = rows[~known] @ weights
    return found


def scores(predicted: np.ndarray, whole: np.ndarray) -> dict[str, float]:
    """Accuracy and rank agreement."""
    from scipy.stats import kendalltau, spearmanr

    errors = np.abs(predicted / whole - 1)
    return {
        "within_5_percent": float((errors <= 0.05).mean()),
        "within_10_percent": float((errors <= 0.10).mean()),
        "mape": float(errors.mean()),
        "largest_error": float(errors.max()),
        "kendall_tau": float(kendalltau(predicted, whole).statistic),
        "spearman": float(spearmanr(predicted, whole).statistic),
    }


def table_of(found: dict[str, Any]) -> str:
    """For people, in Markdown."""
    least, middle, most = found["measured_ms"]
    height, width = found["size"]
    head = (
        f"{len(found['networks'])} random networks of `{found['space']}` at {height} x {width}, {least:.1f} .. "
        f"{middle:.1f} .. {most:.1f} ms (smallest, median, largest), on {found['title']}. "
        f"{found['blocks']} blocks; halves of a measurement differ by {found['halves'][0]:.1%} (median), "
        f"{found['halves'][1]:.1%} at most; {found['seconds'] / 60:.0f} minutes, {found['rounds']:.0f} rounds."
    )
    lines = ["| predictor | within 5 % | within 10 % | mean error | largest | Kendall's tau | Spearman |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name, score in list(found["predictors"].items())[:SHOWN]:
        lines.append(
            f"| {name} | {score['within_5_percent']:.0%} | {score['within_10_percent']:.0%} | {score['mape']:.1%} | "
            f"{score['largest_error']:.1%} | {score['kendall_tau']:.3f} | {score['spearman']:.3f} |"
        )
    return "\n".join([head, "", *lines])


def main() -> None:
    """Parse arguments, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="nano")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 512), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--result", type=Path, default=RESULT)
    parser.add_argument("--write", action="store_true", help="write the table into benchmarks/results/README.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EDNAS_CACHE"] = folder  # what was measured before does not count
        arguments = options.space, tuple(options.size), options.networks, options.threads, options.seed
        found = run(*arguments, Path(folder) / "later")
    options.result.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(table_of(found))
    if options.write:
        into_docs.put(into_docs.EVIDENCE, "cpu", table_of(found))


if __name__ == "__main__":
    main()
