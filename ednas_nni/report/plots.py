"""Learning curves, progress over trials, and what was chosen where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ednas_nni.report import style
from ednas_nni.report.choices import Family
from ednas_nni.report.data import SearchView

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_FAMILIES = 6
MOST_VALUES = 20
MOST_PLACES = 16


def learning_curves(view: SearchView) -> Figure | None:
    """Quality over the reports of each trial; None where no trial reported anything."""
    reported = [trial for trial in view.trials if trial.curve]
    if not reported:
        return None
    made = style.figure(6.4, 4.1)
    axes = made.add_axes((0.115, 0.125, 0.865, 0.79))
    named = {trial.number for trial in view.named}
    best = -1 if view.best is None else view.best.number
    reported.sort(key=lambda trial: (trial.number != best, trial.number not in named, trial.status == "failed"))
    seen: set[str] = set()
    for trial in reported:
        y = [quality for _, quality in trial.curve]
        (line,) = axes.plot(range(1, len(y) + 1), y, marker="o" if len(y) == 1 else None, markersize=3)
        if trial.number == best:
            line.set(color=style.BEST, linewidth=2.2, zorder=6)
            label = f"best: {trial.architecture}"
        elif trial.number in named:
            line.set(color=style.MEMBER, linewidth=1.8, linestyle=(0, (5, 2)), zorder=5)
            label = trial.name
        elif trial.status == "failed":
            line.set(color=style.FAILED, linewidth=1.0, linestyle=":", zorder=3)
            label = "failed"
        else:
            line.set(color=style.TRIAL, linewidth=0.9, alpha=0.75, zorder=2)
            label = "other trials"
        label = style.plain(label, 30)
        line.set_label("_" if label in seen else label)  # matplotlib leaves out what begins with an underscore
        seen.add(label)
    values = [q for trial in reported for _, q in trial.curve]
    low, high, below = style.frame(values, 0.05)
    axes.set_ylim(low, high)
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("report, evenly spaced over the training")
    axes.set_ylabel(style.plain(view.score.axis))
    style.tell_below(axes, below, min(values))
    style.legend_above(axes, 4, handlelength=1.6, columnspacing=1.3)
    return made


def progress(view: SearchView) -> Figure | None:
    """Quality over the trial number with the best so far; None without a result."""
    scores = view.scores
    if not scores:
        return None
    made = style.figure(6.4, 4.1)
    axes = made.add_axes((0.115, 0.125, 0.865, 0.79))
    values = [score for _, score in scores]
    low, high, below = style.frame(values)
    axes.set_ylim(low - 0.06 * (high - low), high)
    best = np.maximum.accumulate(values)
    axes.step(
        [*(t.number for t, _ in scores), max(trial.number for trial in view.trials)], [*best, best[-1]], where="post",
        color=style.BEST, linewidth=1.8, zorder=4, label="best so far",
    )  # fmt: skip
    for front, color, label in ((False, style.TRIAL, "trained"), (True, style.FRONT, "on the front at the end")):
        points = [(t.number, score) for t, score in scores if t.front is front and not t.name]
        if points:
            x, y = zip(*points, strict=True)
            axes.scatter(x, y, s=30, c=color, linewidths=0, zorder=5, label=label)
    named = {trial.number for trial in view.named}
    for trial, score in scores:
        if trial.number not in named:
            continue
        axes.scatter(
            [trial.number], [score], s=52, marker="D", c=style.MEMBER, edgecolors="white", linewidths=0.8, zorder=6
        )
        axes.axhline(score, color=style.MEMBER, linewidth=1.1, linestyle=(0, (5, 2)), zorder=3)
        axes.annotate(
            style.plain(trial.name, 30), (1.0, score), xycoords=("axes fraction", "data"), xytext=(-2, 3),
            textcoords="offset points", ha="right", fontsize=8, color=style.MEMBER, zorder=7,
        )  # fmt: skip
    for status in style.STATUS_MARKERS:
        style.marks_below(axes, [t.number for t in view.trials if t.status == status], status, status, 28)
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("trial number")
    axes.set_ylabel(style.plain(view.score.axis))
    style.tell_below(axes, below, min(values))
    style.legend_above(axes, 5, handletextpad=0.3, columnspacing=1.1)
    return made


def choices_plot(families: Sequence[Family], front: int, trials: int) -> Figure | None:
    """Shares of the choices, the front beside all trials.

    Args:
        families: What was asked; at most `MOST_FAMILIES` are drawn, with the first values and places of each.
        front: Number of networks on the front.
        trials: Number of different networks that were submitted.
    """
    families = [family for family in families if family.values and family.places][:MOST_FAMILIES]
    if not families or not trials:
        return None
    cell, gap, top = 0.3, 0.72, 0.4
    rows = [min(len(family.values), MOST_VALUES) for family in families]
    height = top + sum(cell * n + gap for n in rows)
    made = style.figure(10, height)
    panels = (f"on the front (n = {front} networks)", 0.14), (f"in all trials (n = {trials} networks)", 0.575)
    for title, left in panels:
        made.text(left + 0.205, 1 - 0.2 / height, title, ha="center", va="center", fontsize=10, weight="bold")
    edge = height - top
    for family, n in zip(families, rows, strict=True):
        edge -= cell * n + gap - 0.3
        for (_, left), shares in zip(panels, (family.front, family.trials), strict=True):
            axes = made.add_axes((left, edge / height, 0.41, cell * n / height))
            _heat(axes, family, shares)
            if shares is family.trials:
                axes.set_yticklabels([])
        name = style.plain(family.title, 22)
        made.text(0.132, (edge + cell * n + 0.17) / height, name, ha="right", va="center", fontsize=8.5, weight="bold")
        edge -= 0.3
    return made


def _heat(axes: Axes, family: Family, shares: NDArray[np.float64]) -> None:
    values, places = family.values[:MOST_VALUES], family.places[:MOST_PLACES]
    shares = shares[: len(values), : len(places)]
    axes.imshow(np.nan_to_num(shares), cmap="Blues", vmin=0, vmax=1.15, aspect="auto", interpolation="nearest")
    for (row, column), share in np.ndenumerate(shares):
        text = "" if np.isnan(share) else f"{share:.0%}" if share else "·"
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if share > 0.6 else style.INK)
    axes.set_xticks(range(len(places)), [style.plain(place, 14) for place in places])
    axes.set_yticks(range(len(values)), [style.plain(value, 20) for value in values])
    axes.tick_params(length=0, labelsize=8.5, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xticks(np.arange(-0.5, len(places)), minor=True)
    axes.set_yticks(np.arange(-0.5, len(values)), minor=True)
    axes.grid(True, which="minor", color="white", linewidth=2)
    axes.tick_params(which="minor", length=0)
