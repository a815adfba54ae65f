"""Several searches as one page: fronts over each other, hypervolume over networks with bands, the arms' figures."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ednas_nni.baselines.interval import mean_interval
from ednas_nni.report import style
from ednas_nni.report.html import environment, write_files
from evidence.searches.comparing import HYPERVOLUME, Arm, ArmComparison, csv_of_searches, latex_of_arms

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILE = "comparison.html"


def write_comparison(comparison: ArmComparison, out: Path) -> Path:
    """Write `comparison.html`, `.png`, `.csv` (a row a search) and `.tex` (a row an arm) into a folder."""
    png = comparison_plot(comparison)
    page = environment().get_template("comparison.html").render(comparison=comparison, png=png)
    contents = {
        FILE: page.encode("utf-8"),
        "comparison.png": png,
        "comparison.csv": csv_of_searches(comparison).encode("utf-8"),
        "comparison.tex": latex_of_arms(comparison).encode("utf-8"),
    }
    write_files(out, contents)
    return out / FILE


def comparison_plot(comparison: ArmComparison) -> bytes:
    """Draw it; a PNG.

    Left: the front of each search, one colour an arm. Right: share of hypervolume after so many networks, mean of an
    arm's searches with its 95 % interval, as far as all of them have come.
    """
    with style.look():
        made = style.figure(10, 4.2)
        left, right = made.subplots(1, 2)
        for arm, colour in zip(comparison.arms, cycle(style.ARMS), strict=False):
            _fronts(left, comparison, arm, colour)
            _progress(right, comparison, arm, colour)
        left.set_xlabel(comparison.x.axis if comparison.x is not None else "")
        left.set_ylabel(("confirmed " if comparison.confirmed else "searched ") + comparison.y.axis)
        right.set_xlabel("networks")
        right.set_ylabel(HYPERVOLUME.label)
        right.set_ylim(0, 1)
        right.legend(loc="lower right")
        made.tight_layout(w_pad=2.5)
        return style.png(made)


def _fronts(axes: Axes, comparison: ArmComparison, arm: Arm, colour: str) -> None:
    for search in arm.searches:
        line = comparison.line(search)
        costs, scores = [cost for cost, _ in line], [score * comparison.y.scale for _, score in line]
        axes.step(costs, scores, where="post", color=colour, linewidth=1, alpha=0.6)
        axes.plot(costs, scores, "o", color=colour, markersize=3.5)


def _progress(axes: Axes, comparison: ArmComparison, arm: Arm, colour: str) -> None:
    curves = [comparison.hypervolume(search) for search in arm.searches]
    spreads = [mean_interval(values) for values in zip(*curves, strict=False)]
    networks, means = np.arange(1, len(spreads) + 1), np.array([spread.mean for spread in spreads])
    name = f"{style.plain(arm.name, 44)}  (n = {len(curves)})"
    axes.plot(networks, means, color=colour, label=name)
    if len(curves) > 1:
        halves = np.array([spread.half for spread in spreads], dtype=np.float64)
        axes.fill_between(networks, means - halves, means + halves, color=colour, alpha=0.15, linewidth=0)
