"""What else was tried for the Edge TPU model: leave-one-out errors of variants, beside the model that ships.

python benchmarks/edge_tpu_tried.py       prints, and writes benchmarks/results/edge_tpu_tried.json
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import yaml
from edge_tpu import HERE, LOWER, THRESHOLDS, Table
from edge_tpu_fit.fit import Design, leave_one_out
from edge_tpu_fit.layer_lists import expand
from edge_tpu_fit.published import PublishedNetwork, published_networks

from devices.calibrated.correction import TOLERANCE
from devices.edge_tpu.profile import COEFFICIENTS, shipped
from ednas_nni.cost.records import ON_DEVICE_KINDS

RESULT = HERE / "results" / "edge_tpu_tried.json"
STREAM, LINK = COEFFICIENTS.index("stream_ms_per_mb"), COEFFICIENTS.index("link_ms_per_mb")


def errors(table: Table, design: Design, lower: np.ndarray, tolerance: float = TOLERANCE) -> dict[str, float]:
    """Held-out errors of one variant."""
    predicted, _ = leave_one_out(design, table.measured, lower, THRESHOLDS, tolerance)
    found = np.abs(predicted / table.measured - 1)
    kept = [network.name != "InceptionResNetV2" for network in table.networks]
    return {
        "mape": round(float(found.mean()), 4),
        "median": round(float(np.median(found)), 4),
        "mape_without_InceptionResNetV2": round(float(found[kept].mean()), 4),
    }


def extra(table: Table, count: Callable[[PublishedNetwork], float]) -> Design:
    """The design with one more column."""
    column = np.array([[count(network)] for network in table.networks])
    return lambda threshold: np.hstack([table.design(threshold), column])


def spilled(megabytes: float) -> Callable[[PublishedNetwork], float]:
    """MB of single layers' inputs and outputs beyond a limit."""

    def count(network: PublishedNetwork) -> float:
        sizes = [r.elements_read + r.elements_written for r in network.layers if r.kind in ON_DEVICE_KINDS]
        return sum(max(0.0, size / 1e6 - megabytes) for size in sizes)

    return count


def main() -> None:
    """Run all variants."""
    networks = [network for network in published_networks() if not network.left_out]
    table = Table(networks, shipped("edge_tpu"))
    alone = Table(networks, table.profile)
    alone.totals = {**alone.totals, "peak_bytes": np.zeros(len(networks))}
    zero = [0.0]

    def joined(threshold: float) -> np.ndarray:
        rows = table.design(threshold).copy()
        rows[:, LINK] += rows[:, STREAM]
        return np.delete(rows, STREAM, axis=1)

    found = {
        "the model": errors(table, table.design, LOWER),
        "a memory for parameters alone": errors(alone, alone.design, LOWER),
        "one rate for streaming and link": errors(table, joined, np.delete(LOWER, STREAM)),
        "no term for the link": errors(
            table, lambda t: np.delete(table.design(t), LINK, axis=1), np.delete(LOWER, LINK)
        ),
        "a cost per layer": errors(
            table, extra(table, lambda n: sum(r.kind in ON_DEVICE_KINDS for r in n.layers)), np.append(LOWER, zero)
        ),
        "a cost per concatenated element": errors(
            table,
            extra(table, lambda n: sum(r.elements_written for r in n.layers if r.kind == "concat") / 1e6),
            np.append(LOWER, zero),
        ),
    }
    for limit in (2, 4, 8):
        found[f"a cost per MB of a layer beyond {limit} MB"] = errors(
            table, extra(table, spilled(limit)), np.append(LOWER, zero)
        )
    found["plain least squares"] = errors(table, table.design, LOWER, np.inf)
    text = (HERE / "edge_tpu_fit" / "coral_dense.yml").read_text(encoding="utf-8")
    (slim,) = [row for row in yaml.safe_load(text)["networks"] if row["name"] == "EdgeTPU-DeepLab-slim"]
    layers = [{**layer, "out": 19} if layer.get("out") == 28 else layer for layer in slim["layers"]]
    other = [replace(n, layers=tuple(expand(layers, 513))) if n.name == slim["name"] else n for n in networks]
    found["19 classes for EdgeTPU-DeepLab-slim"] = errors(known := Table(other, table.profile), known.design, LOWER)
    for name, values in found.items():
        print(f"{name:42} {values}")
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
