"""Sentences of pages that sum up a table of benchmarks/results in its own figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).resolve().parent / "results"


def read(name: str) -> Any:
    """One committed file of results."""
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def percent(value: float) -> str:
    """A share as 8.4 %, from ten percent on in whole ones: 58 %."""
    return f"{value:.1%}".replace("%", " %") if value < 0.1 else f"{value:.0%}".replace("%", " %")


def of(networks: list[dict[str, float]], predicted: str, true: str) -> np.ndarray:
    """Relative errors of one column against another."""
    return np.array([abs(network[predicted] / network[true] - 1) for network in networks])


def between(errors: list[np.ndarray]) -> str:
    """Smallest and largest mean error of several groups, and the largest error."""
    means = [each.mean() for each in errors]
    return f"{100 * min(means):.1f} to {percent(max(means))} mean error, {percent(max(map(np.max, errors)))} at most"


def processor() -> str:
    """Devices of this machine's processor against whole networks."""
    cpu, entries = read("cpu_latency.json"), read("litert_cpu.json")
    best = next(iter(cpu["predictors"].values()))
    errors = [of(entry["networks"], "latency_ms", "measured_ms") for entry in entries]
    return (
        f"`cpu_onnxruntime` {percent(best['mape'])} mean error, {percent(best['largest_error'])} at most (n = "
        f"{len(cpu['networks'])}); `litert_cpu` {between(errors)} ({len(errors)} times n = {len(errors[0])})."
    )


def ethos_u() -> str:
    """The sum of parts against Vela on whole files, an NPU a group."""
    found = read("ethos_u.json")
    npus: dict[str, list[dict[str, float]]] = {}
    for entry in found:
        npus.setdefault(entry["accelerator"], []).extend(entry["networks"])
    latency = between([of(networks, "npu_ms", "vela_ms") for networks in npus.values()])
    memory = between([of(networks, "sram_bytes", "vela_sram") for networks in npus.values()])
    files = sum(map(len, npus.values()))
    return f"against Vela on {files} whole files for {len(npus)} NPUs: `latency_ms` {latency}; `sram_bytes` {memory}."


def edge_tpu() -> str:
    """The model of the Edge TPU against published rows that its fit has not seen."""
    regimes = read("edge_tpu.json")["regimes"]
    every, dense = regimes["all"], regimes["dense"]
    return (
        f"{every['rows']} published rows, each predicted by a fit without it: {percent(every['mape'])} mean error, "
        f"{percent(every['median'])} median; dense predictors and detectors {percent(dense['mape'])}, "
        f"{percent(dense['largest'])} at most; {percent(every['under_upper90'])} within the upper bound."
    )


def calibration() -> str:
    """The Edge TPU's model corrected to another device."""
    found = read("calibration.json")
    rows, unseen = found["rows"], found["measured"].rpartition("; ")[2].split()[0]
    as_it_is = next(row["mape"] for row in rows if not row["rows"])
    proposed = {row["rows"]: row["mape"] for row in rows if row["measured"] == "proposed"}
    few, *more = sorted(proposed)
    return (
        "In the hardest case, the Edge TPU's model corrected to an ordinary processor, the mean error on "
        f"{unseen} unseen networks is {percent(as_it_is)} as it is, {percent(proposed[few])} with {few} proposed "
        f"networks, {percent(max(proposed[n] for n in more))} from {more[0]} on."
    )
