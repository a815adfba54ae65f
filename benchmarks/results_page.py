"""The tables of docs/results.md and others that need no measurement, from what is committed below benchmarks/results.

python benchmarks/results_page.py
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import classes
import cost
import ethos_u
import front_against_members
import int8_quality
import latency
import litert_cpu
import pipelines
import pretrained
import search_strategies
import sentences
import spans
import supernet
import trial_time
from claims import depth_loss_tables, found_tables, outcomes, prior_tables, transfer_replay, transfer_winners
from into_docs import DOCS, EVIDENCE, grid, put
from rows import rows_of

RESULTS = Path(__file__).resolve().parent / "results"
METRICS = {
    "default": ("quality, ± 95 % interval", 1),
    "segmentation_miou": ("segmentation mIoU (13 classes), %", 100),
    "depth_abs_error_m": ("depth absolute error, m", 1),
    "normals_mean_deg": ("normals mean error, degrees", 1),
}
T95 = {2: 12.706, 3: 4.303}
"""Student's t for a 95 % interval of the mean of so many values."""


def read(name: str) -> Any:
    """One committed file of results."""
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def mean(values: Sequence[float], metric: str) -> str:
    """Mean of trainings, of quality with its interval."""
    label, factor = METRICS[metric]
    middle = factor * statistics.mean(values)
    if metric == "default":
        half = T95[len(values)] * statistics.stdev(values) / len(values) ** 0.5
        return f"{middle:.3f} ± {half:.3f}"
    return f"{middle:.3f}" if label.endswith(" m") else f"{middle:.1f}"


def search() -> str:
    """The shipped search: its finished networks beside the members and the position prior."""
    networks = read("front_against_members.json")["seeds"]["0"]["networks"]
    prior = read("main_job.json")["rows"]["position prior"]
    rows = [["position prior", "", "", *(f"{METRICS[m][1] * prior[m]:.3g}" if m in prior else "0" for m in METRICS)]]
    for name, network in sorted(networks.items(), key=lambda item: item[1]["latency_ms"]):
        values = [mean([run[metric] for run in network["confirmed"]], metric) for metric in METRICS]
        macs = f"{network['macs'] / 1e9:.2f} / {network['params'] / 1e6:.2f}"
        rows.append([network["name"] or name, f"{network['latency_ms']:.2f}", macs, *values])
    return grid(["network", "latency, ms", "GMACs / M parameters", *(label for label, _ in METRICS.values())], rows)


def trained_alone() -> str:
    """The former search, in which every trial trains its network alone: its best networks beside the member."""
    rows = {**read("main_job.json")["rows"], **read("main_job_best.json")["rows"]}
    chosen = sorted((row for row in rows.items() if "default" in row[1]), key=lambda row: row[1]["latency_ms"])
    cells = [[name, f"{row['latency_ms']:.2f}", mean(row["default"], "default")] for name, row in chosen]
    return grid(["network", "latency, ms", METRICS["default"][0]], cells)


def baselines() -> str:
    """Untrained predictors, networks of one task and the network of all tasks, by each task's first metric."""
    rows = []
    for file, entry in read("baselines.json")["studies"].items():
        for task, units in entry["units"].items():
            metric, (unit, _) = next(iter(units.items()))
            label = f"`{entry['data']}` {task} {metric}" + (f", {unit}" if unit not in ("", "1") else "")
            untrained = [f"{entry['untrained'][kind][task][metric]:.3g}" for kind in ("constant", "position prior")]
            alone = [run[metric] for run in entry["alone"][task]]
            together = [run[f"{task}_{metric}"] for run in entry["together"]]
            rows.append([label, *untrained, spread(alone), spread(together)])
        change = entry["delta_t"]
        text = f"{change['value']:+.1f} [{change['low']:+.1f}, {change['high']:+.1f}]"
        rows.append(
            [f"`{entry['data']}` quality ({file})", "", "0", "", spread([r["default"] for r in entry["together"]])]
        )
        rows.append([f"`{entry['data']}` delta_t, % (95 % interval)", "", "", "0", text])
    return grid(["metric", "constant", "position prior", "each task alone", "all tasks"], rows)


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation."""
    return f"{statistics.mean(values):.3g} ± {statistics.stdev(values):.2g}"


def bookkeeping() -> str:
    """What was counted while trials raced, processes were killed and searches started side by side."""
    swaps, chaos, side = read("swaps.json"), read("chaos.json"), read("side_by_side.json")
    arms = swaps["arms"]
    shares = ", ".join(f"{wrong} of {trials}" for wrong, trials in arms.values())
    rows = [[f"trials that ran what NNI booked on another trial: {'; '.join(arms)}", shares, f"`{swaps['command']}`"]]
    kills = f"{sum(chaos['kills'].values())} kills, {chaos['resumes']} resumes, {chaos['trials']} trials"
    rows.append(
        [f"{kills}: {', '.join(chaos['found'])}", ", ".join(map(str, chaos["found"].values())), f"`{chaos['command']}`"]
    )
    rounds = f"{side['rounds']} rounds of {side['searches']} searches that start in the same second"
    wrong = f"{side['wrong']} of {side['right'] + side['wrong']}"
    rows.append([f"{rounds}: searches that came out wrong", wrong, f"`{side['command']}`"])
    return grid(["counted", "result", "command"], rows)


def rendered(report: Callable[[Sequence[dict[str, Any]]], str], name: str) -> str:
    """What a report says of a file of rows."""
    return report(rows_of(RESULTS / name)) or "Not measured."


TABLES: dict[tuple[Path, str], Callable[[], str]] = {
    (DOCS / "results.md", "claims"): outcomes.table,
    (DOCS / "results.md", "paper"): lambda: outcomes.beside_the_paper(rows_of(RESULTS / "depth_losses.jsonl")),
    (DOCS / "results.md", "search"): search,
    (DOCS / "results.md", "baselines"): baselines,
    (DOCS / "results.md", "bookkeeping"): bookkeeping,
    (EVIDENCE, "spans"): lambda: spans.markdown(read("spans.json")),
    (DOCS / "search_space.md", "front"): lambda: front_against_members.sentences(read("front_against_members.json")),
    (EVIDENCE, "front"): lambda: front_against_members.table(read("front_against_members.json")),
    (EVIDENCE, "cost-speed"): lambda: cost.markdown(read("cost.json")),
    (DOCS / "losses.md", "depth-losses"): lambda: depth_loss_tables.in_words(rows_of(RESULTS / "depth_losses.jsonl")),
    (EVIDENCE, "depth-losses"): lambda: depth_loss_tables.tables(rows_of(RESULTS / "depth_losses.jsonl")),
    (EVIDENCE, "transfer-searches"): lambda: rendered(transfer_winners.report, "transfer_searches.jsonl"),
    (EVIDENCE, "transfer-table"): lambda: rendered(transfer_replay.report, "transfer_table.jsonl"),
    (EVIDENCE, "prior-networks"): lambda: rendered(prior_tables.tables, "prior_networks.jsonl"),
    (EVIDENCE, "found-networks"): lambda: found_tables.report(
        read("found_networks.json")["sources"], rows_of(RESULTS / "found_networks.jsonl")
    ),
    (DOCS / "hardware.md", "processor"): sentences.processor,
    (DOCS / "hardware.md", "vela"): sentences.ethos_u,
    (DOCS / "hardware.md", "coral"): sentences.edge_tpu,
    (DOCS / "planning.md", "corrected"): sentences.calibration,
    (DOCS / "supernet.md", "inherited"): supernet.ranked,
    (EVIDENCE, "alone"): trained_alone,
    (DOCS / "hardware.md", "classes"): lambda: classes.sentences(read("classes.json")),
    (EVIDENCE, "classes"): lambda: classes.table(read("classes.json")),
    (EVIDENCE, "pretrained"): lambda: pretrained.render(read("pretrained.json")),
    (EVIDENCE, "ranks"): supernet.render,
    (EVIDENCE, "pipelines"): pipelines.tables,
    (DOCS / "supernet.md", "pipelines"): pipelines.sentence,
    (EVIDENCE, "strategies"): search_strategies.markdown,
    (DOCS / "reuse.md", "first"): search_strategies.sentence,
    (EVIDENCE, "int8-quality"): lambda: int8_quality.table(read("int8_quality.json")),
    (EVIDENCE, "trial-time"): lambda: trial_time.table(read("trial_time.json")),
    (EVIDENCE, "cpu"): lambda: latency.table_of(read("cpu_latency.json")),
    (EVIDENCE, "litert"): lambda: litert_cpu.table_of(read("litert_cpu.json")),
    (EVIDENCE, "ethos_u"): lambda: ethos_u.table_of(read("ethos_u.json")),
}
"""(page, marker) -> what stands there."""


if __name__ == "__main__":
    for (page, name), table in TABLES.items():
        put(page, name, table())
