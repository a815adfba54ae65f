"""Pictures of the claims for docs/results.md, of what has been measured: python benchmarks/claims/plots.py

* depth_loss_noise.png (S4): relative error on `select` along each training, l1 beside jared.
* transfer_searches.png (S2): quality on `test` of each search's winner, by arm.
* prior_networks.png (S3): delta_T over MACs of found and earlier networks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:] = [*(p for p in sys.path if p != str(HERE)), str(HERE.parent), str(HERE)]

from claims import depth_loss_tables, prior_tables, transfer_winners  # noqa: E402
from claims.depth_losses import STEPS  # noqa: E402
from into_docs import DOCS  # noqa: E402
from rows import rows_of  # noqa: E402

RESULTS = HERE.parent / "results"
WORLDS = ("streets", "nyuv2")
Rows = Sequence[dict[str, Any]]


def depth_loss_noise(rows: Rows, panels: Sequence[Any]) -> None:
    """S4: a line a training."""
    for panel, world in zip(panels, WORLDS, strict=True):
        here = [row for row in rows if row["world"] == world and row["part"] == "primary"]
        l1, jared, n = depth_loss_tables.paired(here, "jared")
        for arm, curves, color in (("l1", l1, "0.55"), ("jared", jared, "C0")):
            of = curves["depth_rel_error"]
            at = np.linspace(0, STEPS, of.shape[1] + 1)[1:]
            panel.plot(at, of.T, color=color, linewidth=0.7, alpha=0.5)
            panel.plot(at, of.mean(0), color=color, linewidth=2.4, label=f"{arm}, mean of {n}")
        panel.set(title=world, xlabel="steps", ylim=(0, np.quantile(l1["depth_rel_error"], 0.98)))
        panel.legend(fontsize=8)
    panels[0].set_ylabel("relative error of depth on select")


def leave_out(panel: Any, world: str) -> None:
    """Of a world without rows."""
    panel.text(0.5, 0.5, f"{world}: not measured", ha="center", transform=panel.transAxes)
    panel.set_axis_off()


def transfer_searches(rows: Rows, panels: Sequence[Any]) -> None:
    """S2: a line a search, which joins its arms."""
    for panel, world in zip(panels, WORLDS, strict=True):
        of = transfer_winners.worth(rows, world)
        if not of:
            leave_out(panel, world)
            continue
        arms = sorted(of, key=lambda arm: (arm != transfer_winners.ALL, arm in transfer_winners.OTHERS, arm))
        values = np.array([of[arm] for arm in arms]).reshape(len(arms), -1)
        panel.plot(range(len(arms)), values, "o-", color="C0", linewidth=0.5, alpha=0.5, markersize=4)
        panel.set_xticks(range(len(arms)), [transfer_winners.OTHERS.get(arm, arm) for arm in arms], rotation=30)
        panel.set(title=f"{world}, {values.shape[1]} searches")
    panels[0].set_ylabel("quality of the winner on test")


def prior_networks(rows: Rows, panels: Sequence[Any]) -> None:
    """S3: a point a network, the mean of its seeds."""
    for panel, world in zip(panels, WORLDS, strict=True):
        points: dict[str, dict[Any, list[tuple[float, float]]]] = {}
        for row, gain in prior_tables.gains(prior_tables.complete(rows, world)):
            if not row["costs"]:  # a search that failed
                continue
            seeds = points.setdefault(row["network"], {}).setdefault(row["width"], [])
            seeds.append((row["costs"]["macs"] / 1e6, gain))
        for network, widths in points.items():
            means = np.array(sorted(np.mean(seeds, axis=0).tolist() for seeds in widths.values()))
            found = network == prior_tables.SEARCHED
            panel.plot(*means.T, "o-", label=network, linewidth=2.4 if found else 1, color="black" if found else None)
        if not points:
            leave_out(panel, world)
            continue
        panel.set(title=world, xlabel="million multiply-adds", xscale="log")
        panel.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
        panel.set_ylabel("delta_T, % over single-task networks")


PICTURES: dict[str, tuple[str, Callable[[Rows, Sequence[Any]], None]]] = {
    "depth_loss_noise": ("depth_losses.jsonl", depth_loss_noise),
    "transfer_searches": ("transfer_searches.jsonl", transfer_searches),
    "prior_networks": ("prior_networks.jsonl", prior_networks),
}
"""Picture -> its rows, and what draws them on a panel a world."""


def draw(name: str, rows: Rows, path: Path) -> None:
    """One picture as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(WORLDS), figsize=(9, 3.4), layout="constrained")
    PICTURES[name][1](rows, panels)
    figure.savefig(path, dpi=90)
    plt.close(figure)


if __name__ == "__main__":
    for name, (file, _) in PICTURES.items():
        if rows := rows_of(RESULTS / file):
            draw(name, rows, DOCS / "images" / f"{name}.png")
