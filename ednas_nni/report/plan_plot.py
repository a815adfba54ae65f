"""A plan as a picture: where the space lies in every cost that the study names, and what the limits cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ednas_nni.cost.plan import DRAWS, ConstraintOutlook, Plan, TermShare, percent
from ednas_nni.record.head import CostRecord
from ednas_nni.record.quantities import Quantity, cost_quantities
from ednas_nni.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 60
TALL = 1.4  # inches per cost
MADE_OF = ("#0072b2", "#9ecae1")


def plan_plot(plan: Plan) -> bytes:
    """Draw a plan; a PNG.

    One row for each cost that the study names: its distribution, the limit with what lies outside, the most favourable
    value; below, what the cost of the median is made of, where its device tells.
    """
    columns = plan.used or plan.table.names[:1]
    composed = [name for name in columns if len(plan.terms.get(name, ())) > 1]
    rows = [TALL] * len(columns) + [0.42 + 0.27 * len(_drawn(plan, name)) for name in composed]
    gap, head, foot = 0.72, 0.55, 0.5
    height = head + foot + sum(rows) + gap * (len(rows) - 1)
    with style.look():
        made = style.figure(9, height)
        size, top = plan.table.deploy_size, height - head
        title = f"{len(plan.matrix)} architectures, {DRAWS[plan.draw]}; one image of {size[0]} x {size[1]} px"
        made.text(0.02, 1 - 0.22 / height, style.plain(title, 140), fontsize=10, va="center")
        for name, tall, draw in zip(
            [*columns, *composed], rows, [_distribution] * len(columns) + [_composition] * len(composed), strict=True
        ):
            left = 0.05 if draw is _distribution else 0.2
            axes = made.add_axes((left, (top - tall) / height, 0.97 - left, tall / height))
            draw(axes, plan, name)
            top -= tall + gap
        return style.png(made)


def _quantity(plan: Plan, name: str) -> Quantity:
    column = plan.summary(name).column
    return cost_quantities([CostRecord.model_validate(column)], [{name: plan.summary(name).quantiles[1.0]}])[0]


def _distribution(axes: Axes, plan: Plan, name: str) -> None:
    quantity = _quantity(plan, name)
    values = plan.matrix[:, plan.table.names.index(name)] * quantity.scale
    limits = [o for o in plan.constraints if o.checked.name == name]
    marks = [o.checked.bound * quantity.scale for o in limits]
    marks += [o.reachable.value * quantity.scale for o in limits if o.reachable is not None]
    low, high = min([values.min(), *marks]), max([values.max(), *marks])
    pad = 0.03 * ((high - low) or abs(high) or 1.0)
    axes.hist(values, np.linspace(low - pad, high + pad, BINS + 1).tolist(), color=style.TRIAL)
    axes.set_xlim(low - pad, high + pad)
    axes.set_ylim(0, 1.4 * axes.get_ylim()[1])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(False, axis="y")
    for share in (0.05, 0.5, 0.95):
        at = plan.summary(name).quantiles[share] * quantity.scale
        axes.axvline(at, 0, 0.06, color=style.INK, linewidth=1.6)
        label = "median" if share == 0.5 else f"{100 * share:g} %"
        axes.annotate(label, (at, 0.07), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=7.5)
    for outlook in limits:
        _limit(axes, outlook, quantity)
    beyond = plan.summary(name).extrapolated
    origin = f"{quantity.device}, {quantity.origin}" + (f", {100 * beyond:.0f} % extrapolated" if beyond else "")
    axes.set_xlabel(style.plain(f"{quantity.axis}   ({origin})", 130))


def _limit(axes: Axes, outlook: ConstraintOutlook, quantity: Quantity) -> None:
    low, high = axes.get_xlim()
    upper, bound = outlook.checked.op == "<=", outlook.checked.bound * quantity.scale
    axes.axvspan(
        bound if upper else low, high if upper else bound, facecolor="#f1f2f4", edgecolor="#d9dde2", hatch="////",
        linewidth=0, zorder=0,
    )  # fmt: skip
    axes.axvline(bound, color=style.BEST, linewidth=1.4, zorder=4)
    text = f"{'≤' if upper else '≥'} {bound:g} {quantity.unit} keeps {percent(outlook.shares['strategies'])}"
    inside = (bound - low) / (high - low)
    toward_left = upper if 0.3 < inside < 0.7 else inside > 0.5
    axes.annotate(
        style.plain(text), (bound, 0.97), xycoords=("data", "axes fraction"), xytext=(-5 if toward_left else 5, 0),
        textcoords="offset points", ha="right" if toward_left else "left", va="top", fontsize=8.5, color=style.BEST,
    )  # fmt: skip
    if outlook.reachable is not None:
        at = outlook.reachable.value * quantity.scale
        across = axes.get_xaxis_transform()
        axes.plot([at, at], [0, 0.86], color=style.MEMBER, linewidth=0.9, linestyle=":", zorder=5, transform=across)
        axes.plot([at], [0.03], "^", markersize=7, color=style.MEMBER, clip_on=False, zorder=6, transform=across)
        word = "smallest" if upper else "largest"
        near = (at - low) / (high - low) < 0.5
        words = f"{word} reachable {quantity.number(outlook.reachable.value)}"
        axes.annotate(
            style.plain(words), (at, 0.81), xycoords=("data", "axes fraction"), fontsize=8, color=style.MEMBER,
            xytext=(4 if near else -4, 0), textcoords="offset points", ha="left" if near else "right", va="center",
        )  # fmt: skip


def _drawn(plan: Plan, name: str) -> list[TermShare]:
    return [term for term in plan.terms[name] if term.median > 0 or term.fixed > 0]


def _composition(axes: Axes, plan: Plan, name: str) -> None:
    quantity, terms = _quantity(plan, name), _drawn(plan, name)[::-1]
    fixed = np.array([term.fixed for term in terms]) * quantity.scale
    searched = np.maximum(np.array([term.median for term in terms]) * quantity.scale - fixed, 0.0)
    places = np.arange(len(terms))
    axes.barh(places, fixed, color=MADE_OF[0], height=0.68, label="the same for every network")
    axes.barh(places, searched, left=fixed, color=MADE_OF[1], height=0.68, label="decided by the search")
    axes.set_yticks(places, [style.plain(term.term, 30) for term in terms])
    axes.grid(False, axis="y")
    for place, term in zip(places, terms, strict=True):
        parts = ", ".join(f"{part} {quantity.number(value)}" for part, value in term.parts.items())
        text = quantity.text(max(term.median, term.fixed)) + (f"   fixed: {parts}" if parts else "")
        axes.annotate(
            style.plain(text, 90), (fixed[place] + searched[place], place), xytext=(5, 0), textcoords="offset points",
            va="center", fontsize=8,
        )  # fmt: skip
    axes.set_xlim(0, 1.75 * max((fixed + searched).max(), 1e-9))
    axes.set_xlabel(style.plain(f"what {quantity.axis} is made of: median of each term", 110))
    axes.legend(loc="lower right")
