"""A trust measurement as a picture: one training of each recipe over the longer one, and the agreement of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ednas_nni.report import style
from ednas_nni.study.objectives import QUALITY
from evidence.trust.record import TRUTH, TrustRecord
from evidence.trust.verdict import Verdict, values

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def trust_plot(record: TrustRecord, verdict: Verdict) -> bytes:
    """Draw it; a PNG.

    Left: quality of the chosen recipe's single trainings over the longer training's mean, coloured by cost, with one
    standard deviation of noise. Right: agreement within cost terciles with its interval, recipes and controls.
    """
    with style.look():
        made = style.figure(9, 3.9)
        left, right = made.subplots(1, 2, width_ratios=(1.15, 1))
        _scatter(left, record, verdict)
        _bars(right, verdict)
        made.tight_layout(w_pad=2.5)
        return style.png(made)


def _scatter(axes: Axes, record: TrustRecord, verdict: Verdict) -> None:
    proxy, truth = values(record, verdict.chosen, QUALITY), values(record, TRUTH, QUALITY).mean(axis=0)
    cost = np.array([entry["costs"][record.cost] for entry in record.architectures.values()])
    for row in proxy:
        drawn = axes.scatter(truth, row, c=cost, cmap="viridis", s=18, linewidths=0)
    axes.errorbar(
        truth, proxy.mean(axis=0), verdict.noise[verdict.chosen], fmt="none", ecolor=style.FAINT, alpha=0.35, zorder=0
    )
    axes.set_xlabel(f"quality, {TRUTH} ({record.recipes[TRUTH]['steps']} steps, mean of {verdict.seeds})")
    axes.set_ylabel(style.plain(f"quality, {verdict.chosen}, each training"))
    axes.figure.colorbar(drawn, ax=axes, label=style.plain(record.cost))


def _bars(axes: Axes, verdict: Verdict) -> None:
    agreements = verdict.quantities[QUALITY][::-1]
    for place, a in enumerate(agreements):
        colour = style.FRONT if a.margin is not None else style.FAINT
        axes.plot([a.within.low, a.within.high], [place, place], color=colour, linewidth=2)
        axes.plot(a.within.value, place, "o", color=colour, markersize=5)
        if a.ceiling is not None:
            axes.plot(a.ceiling, place, "|", color=style.BEST, markersize=12, markeredgewidth=2)
    axes.axvline(0, color=style.FAINT, linewidth=0.8)
    axes.set_yticks(range(len(agreements)), [style.plain(a.predictor, 24) for a in agreements])
    axes.set_ylim(-0.6, len(agreements) - 0.4)
    axes.set_xlabel("tau within cost thirds, 95 % (orange: ceiling)")
    axes.grid(False, axis="y")
