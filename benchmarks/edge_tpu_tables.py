"""Prints all tables of the Edge TPU's model, from the figures of benchmarks/edge_tpu.py and edge_tpu_tried.py.

    python benchmarks/edge_tpu_tables.py

benchmarks/results/README.md has the one of errors by kind of network.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from into_docs import EVIDENCE, put

RESULTS = Path(__file__).resolve().parent / "results"
IN_DOCS = "edge-tpu-regimes"
REGIMES = {
    "on_chip": "classifiers, parameters on the chip",
    "streaming": "classifiers with more than 8 M parameters",
    "dense": "dense predictors and detectors",
    "all": "**all fitted rows**",
    "all but InceptionResNetV2": "all but InceptionResNetV2",
    "all and DenseNet121": "all, and DenseNet121",
}
TERMS = {
    "dense": ("times the ideal cycles", "dense convolutions and linear layers"),
    "depthwise": ("times 64 MACs per cycle", "depthwise convolutions"),
    "stream_ms_per_mb": ("ms/MB", "parameters that do not fit on the chip"),
    "activation_ms_per_million": ("ms per million", "elements written"),
    "link_ms_per_mb": ("ms/MB", "image in, outputs out"),
    "constant_ms": ("ms", "each image"),
    "host_ms_per_million": ("ms per million", "elements that the host enlarges, compares or decodes (host_ms)"),
}


def tables(result: dict[str, Any], tried: dict[str, dict[str, float]]) -> dict[str, str]:
    """Name of a table in the document -> Markdown."""
    return {
        "edge-tpu-rows": _rows(result["rows"]),
        "edge-tpu-regimes": _regimes(result["regimes"]),
        "edge-tpu-coefficients": _coefficients(result),
        "edge-tpu-ranks": _ranks(result["ranks"]),
        "edge-tpu-tried": _tried(tried),
    }


def _rows(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| network | input | regime | published, ms | predicted, ms | error | upper 90 %, ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        name = row["network"] + (" (not fitted)" if row["left_out"] else "")
        height, width = row["size"]
        regime = row["regime"].replace("_", " ")
        lines.append(
            f"| {name} | {height} x {width} | {regime} | {row['published_ms']:g} | {row['predicted_ms']:.1f} | "
            f"{row['error']:+.0%} | {row['upper90_ms']:.1f} |"
        )
    return "\n".join(lines)


def _regimes(regimes: dict[str, dict[str, float]]) -> str:
    lines = [
        "| rows | number | mean error | median | largest | published at most the upper bound |",
        "|---|---|---|---|---|---|",
    ]
    for key, label in REGIMES.items():
        found = regimes[key]
        lines.append(
            f"| {label} | {found['rows']} | {found['mape']:.1%} | {found['median']:.1%} | {found['largest']:.0%} | "
            f"{found['under_upper90']:.0%} |"
        )
    return "\n".join(lines)


def _coefficients(result: dict[str, Any]) -> str:
    lines = ["| term | fit | 5 % .. 95 % of the ensemble | unit | priced |", "|---|---|---|---|---|"]
    for name, (unit, what) in TERMS.items():
        low, _, high = result["coefficients_of_members"][name]
        lines.append(f"| `{name}` | {result['coefficients'][name]:.3g} | {low:.3g} .. {high:.3g} | {unit} | {what} |")
    low, _, high = result["on_chip_mb_of_members"]
    lines.append(
        f"| `on_chip_mb` | {result['on_chip_mb']:.3g} | {low:.3g} .. {high:.3g} | MB | memory that parameters share "
        "with the largest activation |"
    )
    return "\n".join(lines)


def _ranks(ranks: dict[str, float]) -> str:
    return "\n".join(
        [
            f"| {ranks['architectures']} random architectures of `nano` at 512 x 1024 | |",
            "|---|---|",
            f"| latency_ms, smallest .. largest | {ranks['latency_ms_smallest']:.1f} .. "
            f"{ranks['latency_ms_largest']:.1f} |",
            f"| Kendall's tau, a member against the fit: median | {ranks['tau_with_point_median']:.2f} |",
            f"| ... smallest of all members | {ranks['tau_with_point_smallest']:.2f} |",
            f"| tau between two members: median, 5 % quantile | {ranks['tau_between_members_median']:.2f}, "
            f"{ranks['tau_between_members_5_percent']:.2f} |",
            f"| tau between the upper bound and the fit | {ranks['tau_of_upper90_with_point']:.2f} |",
            f"| upper bound over latency, median | {ranks['upper90_over_point_median']:.2f} |",
            f"| share said to be extrapolated | {ranks['extrapolated_share']:.0%} |",
        ]
    )


def _tried(tried: dict[str, dict[str, float]]) -> str:
    lines = ["| variant | mean | median | mean without InceptionResNetV2 |", "|---|---|---|---|"]
    for name, found in tried.items():
        without = found["mape_without_InceptionResNetV2"]
        lines.append(f"| {name} | {found['mape']:.1%} | {found['median']:.1%} | {without:.1%} |")
    return "\n".join(lines)


def main() -> None:
    """Render the committed figures again."""
    found = [json.loads((RESULTS / f"{n}.json").read_text(encoding="utf-8")) for n in ("edge_tpu", "edge_tpu_tried")]
    rendered = tables(*found)
    print("\n\n".join(rendered.values()))
    put(EVIDENCE, IN_DOCS, rendered[IN_DOCS])


if __name__ == "__main__":
    main()
