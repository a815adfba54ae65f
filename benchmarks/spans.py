"""How far apart the costs of a space's networks lie on every shipped device, and how fast its table prices them.

python benchmarks/spans.py [--write] [--measure]

Of each cost: the smallest, the median of 4,000 random networks and the largest, all of them and those that meet the
limit; smallest and largest are looked for choice by choice from random networks (exact costs, no training). --measure
runs the smallest, the median and the largest network in onnxruntime on this processor, too. --write keeps everything in
benchmarks/results/spans.json and puts the table into the page beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from into_docs import EVIDENCE, put

from ednas_nni.cost import cost_table, registry
from ednas_nni.cost.summary import descend, met, random_codes
from ednas_nni.cost.table import CostTable
from ednas_nni.graphs.capture import network_graph
from ednas_nni.nn.tree import domains_of
from ednas_nni.study.objectives import Constraint, parse_constraint
from search_spaces import EdnasSpace

RESULTS = Path(__file__).with_name("results") / "spans.json"
TASKS = {"segmentation": 13, "depth": 1, "normals": 3}
SIZE = (512, 1024)
SPACES = ("nano", "compound")
PROFILES = ("phone_cpu", "embedded_gpu", "microcontroller")
SHOWN = ("latency_ms", *(f"{profile}_latency_ms" for profile in PROFILES), "peak_memory_bytes", "macs", "params")
LIMITED = ("latency_ms", "macs")
UNITS = {"latency_ms": ("ms", 1), "memory_bytes": ("MB", 1e6), "macs": ("G", 1e9), "params": ("M", 1e6)}
LIMIT = "latency_ms <= 25"
"""Of the shipped study, on the Edge TPU."""
DRAWS, STARTS = 4000, 64


def spans(table: CostTable, limit: Constraint | None) -> dict[str, list[float]]:
    """Column -> smallest, median and largest, of the networks that meet the limit."""
    codes = random_codes(table.domains, DRAWS, np.random.default_rng(0))
    costs = table.encoded(codes)
    kept = np.ones(DRAWS, bool) if limit is None else met(table, limit, costs)
    limits = [len(dimension.values) for dimension in table.domains.dimensions]

    def price(sign: float, at: int) -> Callable[[np.ndarray], np.ndarray]:
        def of(codes: np.ndarray) -> np.ndarray:
            costs = table.encoded(codes)
            return np.where(True if limit is None else met(table, limit, costs), sign * costs[:, at], np.inf)

        return of

    found = {}
    for at, name in enumerate(table.names):
        ends = []
        for sign in (1.0, -1.0):
            starts = codes[kept][np.argsort(sign * costs[kept, at])[:STARTS]]
            best = price(sign, at)(descend(starts, limits, price(sign, at)))
            ends.append(sign * float(best.min()))
        found[name] = [ends[0], float(np.median(costs[kept, at])), ends[1]]
    return found


def speed(table: CostTable) -> float:
    """Samples per second of processor time, best of five rounds."""
    codes, best = random_codes(table.domains, 1 << 16, np.random.default_rng(1)), np.inf
    for _ in range(5):
        start = time.process_time()
        table.encoded(codes)
        best = min(best, time.process_time() - start)
    return len(codes) / best


def on_this_processor(space: EdnasSpace) -> list[float]:
    """Milliseconds in onnxruntime of the networks of the fewest, median and most MACs of random ones and members."""
    from devices.cpu_onnxruntime import CpuOnnxruntime
    from devices.parts.measure import measured
    from devices.parts.timings import Store

    domains, rng = domains_of(space), np.random.default_rng(0)
    table = cost_table(space, (), SIZE)
    codes = random_codes(domains, DRAWS, rng)
    order = np.argsort(table.encoded(codes)[:, 0])
    picked = [domains.decode(codes[order[i]]) for i in (0, len(order) // 2, -1)]
    graphs = [network_graph(space, sample, SIZE) for sample in picked]
    device = CpuOnnxruntime()
    timings = measured(
        {graph.signature: graph for graph in graphs}, Store(device.machine), device.opened, title="measuring"
    )
    return [timings[graph.signature].ms for graph in graphs]


def figures(name: str, measure: bool) -> dict[str, object]:
    """Everything of one space: (device, column of it, whether limited) -> span."""
    space = EdnasSpace(tasks=TASKS, preset=name)
    profiles = [registry.device("roofline", {"profile": profile}) for profile in PROFILES]
    table = cost_table(space, ["edge_tpu", *profiles, "peak_memory"], SIZE)
    of_all = spans(table, None)
    within = spans(table, table.checked(parse_constraint(LIMIT)))
    rows = [[column.device, column.name, of_all[column.name]] for column in table.columns if column.name in SHOWN]
    rows += [
        [f"{column.device}, {LIMIT}", column.name, within[column.name]]
        for column in table.columns
        if column.name in LIMITED
    ]
    if measure:
        rows.append(["cpu_onnxruntime, three networks", "latency_ms", on_this_processor(space)])
    counts, one = cost_table(space, (), SIZE), cost_table(space, ["edge_tpu"], SIZE)
    return {"spans": rows, "per_second": {"macs, params": speed(counts), "with edge_tpu": speed(one)}}


UNSHOWN = ("embedded_gpu", "params")
"""Devices that are measured and not in the table of the page."""


def markdown(everything: dict[str, dict]) -> str:
    """The table of the page of results."""
    lines = ["| device | cost | " + " | ".join(f"`{name}`" for name in everything) + " |", "|---|---|---|---|"]
    for each in zip(*(found["spans"] for found in everything.values()), strict=True):
        device, column, _ = each[0]
        if device in UNSHOWN:
            continue
        unit, scale = next((text, size) for end, (text, size) in UNITS.items() if column.endswith(end))
        cells = []
        for *_, span in each:
            low, middle, high = (amount / scale for amount in span)
            numbers = (f"{n:,.0f}" if n >= 100 else f"{n:.3g}" for n in (low, middle, high, high / low))
            cells.append("{} .. {} .. {} {unit}: **{}x**".format(*numbers, unit=unit))
        lines.append(f"| {device} | `{column}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="keep the figures and put the table into the docs")
    parser.add_argument("--measure", action="store_true", help="also on this processor, in onnxruntime")
    options = parser.parse_args()
    torch.set_num_threads(1)
    everything = {name: figures(name, options.measure) for name in SPACES}
    print(markdown(everything))
    if options.write:
        RESULTS.write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")
        put(EVIDENCE, "spans", markdown(everything))


if __name__ == "__main__":
    main()
