"""The front: quality against cost, everything that was tried, and what is not allowed."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ednas_nni.report import style
from ednas_nni.report.data import SearchView, Trial
from ednas_nni.report.repel import place

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LABELS = 14


def front_plot(view: SearchView) -> Figure | None:
    """Draw the front; None where no trial has both axes' values or no cost is known."""
    if view.x is None:
        return None
    shown = [t for t in view.trials if t.scored and _at(view, t) is not None]
    if not shown:
        return None
    made = style.figure(10, 5.6)
    axes = made.add_axes((0.075, 0.105, 0.905, 0.83))
    low, high, below = style.frame([_at(view, t)[1] for t in shown])
    _limits(axes, view, low, high)
    _forbidden(axes, view)
    _without_quality(axes, view)
    others = [t for t in shown if not t.front and not t.name]
    if others:
        axes.scatter(*_columns(view, others), s=30, c=style.TRIAL, linewidths=0, zorder=3, label="trained")
    _front(axes, view)
    _members(axes, view)
    _best(axes, view)
    axes.set_xlabel(style.plain(_axis_x(view), 110))
    axes.set_ylabel(style.plain(view.y.axis, 60))
    _legend(axes)
    _labels(axes, view, shown)
    style.tell_below(axes, below, min(_at(view, t)[1] for t in shown))
    return made


def _at(view: SearchView, trial: Trial) -> tuple[float, float] | None:
    """Position in shown units."""
    x, y = trial.value(view.x.key), trial.value(view.y.key)
    return None if x is None or y is None else (x * view.x.scale, y * view.y.scale)


def _columns(view: SearchView, trials: list[Trial]) -> tuple[list[float], list[float]]:
    points = [point for t in trials if (point := _at(view, t)) is not None]
    return [p[0] for p in points], [p[1] for p in points]


def _axis_x(view: SearchView) -> str:
    x = view.x
    size = view.study.get("deploy_size")
    at = f" at {size[0]} x {size[1]}" if isinstance(size, list | tuple) and len(size) == 2 else ""
    told = ", ".join(part for part in (x.origin, x.device if x.device != x.key else "") if part)
    return x.axis + (f", {told}{at}" if told else "")


def _limits(axes: Axes, view: SearchView, low: float, high: float) -> None:
    xs = [v * view.x.scale for t in view.trials if (v := t.value(view.x.key)) is not None]
    left, right = min(xs), max(xs)
    pad = 0.06 * ((right - left) or max(abs(right), 1e-3))
    bounds = [c.bound * view.x.scale for c in view.constraints if c.name == view.x.key]
    near = [b for b in bounds if left - 4 * (right - left) - pad < b < right + 4 * (right - left) + pad]
    axes.set_xlim(min([left, *near]) - pad, max([right, *near]) + pad)
    axes.set_ylim(low - 0.05 * (high - low), high + 0.04 * (high - low))


def _forbidden(axes: Axes, view: SearchView) -> None:
    low, high = axes.get_xlim()
    for constraint in view.constraints:
        bound = constraint.bound * view.x.scale
        if constraint.name != view.x.key or not low < bound < high:
            continue
        span = (bound, high) if constraint.op == "<=" else (low, bound)
        axes.axvspan(*span, facecolor="#f1f2f4", edgecolor="#d9dde2", hatch="////", linewidth=0, zorder=0)
        axes.axvline(bound, color=style.FAINT, linewidth=1.2, linestyle=(0, (4, 2)), zorder=1)
        side = -1 if constraint.op == "<=" else 1
        sign = "≤" if constraint.op == "<=" else "≥"
        text = f"limit: {view.x.label} {sign} {bound:g} {view.x.unit}"
        axes.annotate(
            style.plain(text), (bound, 0.02), xycoords=("data", "axes fraction"), xytext=(4 * side, 0),
            textcoords="offset points", rotation=90, ha="right" if side < 0 else "left", va="bottom", fontsize=8,
            color="#52606d",
        )  # fmt: skip


def _without_quality(axes: Axes, view: SearchView) -> None:
    """Failed, cancelled and running trials have a cost but no quality: marks along the bottom."""
    for status, marker in style.STATUS_MARKERS.items():
        xs = [v * view.x.scale for t in view.trials if t.status == status and (v := t.value(view.x.key)) is not None]
        if xs:
            axes.scatter(
                xs, [0.022] * len(xs), transform=axes.get_xaxis_transform(), s=32, marker=marker, zorder=5,
                c=style.STATUS_COLORS[status], linewidths=1.5 if marker in "x|" else 0, clip_on=False,
                label=f"{status}, no {view.score.label}",
            )  # fmt: skip


def _front(axes: Axes, view: SearchView) -> None:
    xs, ys = _columns(view, list(view.front))
    if not xs:
        return
    if view.plain_front:
        axes.step(*_staircase(axes, view, xs, ys), where="post", color=style.FRONT, linewidth=1.6, alpha=0.75, zorder=4)
    axes.scatter(xs, ys, s=48, c=style.FRONT, edgecolors="white", linewidths=0.9, zorder=6, label="front")


def _staircase(axes: Axes, view: SearchView, xs: list[float], ys: list[float]) -> tuple[list[float], list[float]]:
    """The border of what is dominated: it keeps its height until the next, costlier member, up to the limit."""
    bounds = [c.bound * view.x.scale for c in view.constraints if c.name == view.x.key and c.op == "<="]
    order = np.argsort(xs, kind="stable")
    x, y = [xs[i] for i in order], [ys[i] for i in order]
    return [x[0], *x, max(x[-1], min([axes.get_xlim()[1], *bounds]))], [axes.get_ylim()[0], *y, y[-1]]


def _members(axes: Axes, view: SearchView) -> None:
    named = [t for t in view.named if _at(view, t) is not None]
    if named:
        axes.scatter(
            *_columns(view, named),
            s=82,
            marker="D",
            c=style.MEMBER,
            edgecolors="white",
            linewidths=1,
            zorder=7,
            label="named member",
        )


def _best(axes: Axes, view: SearchView) -> None:
    if view.best is not None and (point := _at(view, view.best)) is not None:
        axes.scatter(
            [point[0]],
            [point[1]],
            s=190,
            marker="*",
            c=style.BEST,
            edgecolors="white",
            linewidths=0.9,
            zorder=8,
            label=f"best {view.score.label}",
        )


def _legend(axes: Axes) -> None:
    axes.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=6, handletextpad=0.3, columnspacing=1.4, fontsize=8
    )


def _labels(axes: Axes, view: SearchView, shown: list[Trial]) -> None:
    wanted = [t for t in _labelled(view) if _at(view, t) is not None]
    if not wanted:
        return
    figure = axes.figure
    renderer = figure.canvas.get_renderer()
    low, high = axes.get_ylim()
    wanted = [t for t in wanted if low <= _at(view, t)[1] <= high]
    texts = []
    for trial in wanted:
        name = style.plain(trial.name or trial.architecture, 28)
        bold = trial.name or (view.best is not None and trial.number == view.best.number)
        color = style.MEMBER if trial.name else style.BEST if bold else style.FRONT
        texts.append(
            axes.text(
                0,
                0,
                name,
                fontsize=8,
                color=color,
                weight="bold" if bold else "normal",
                ha="center",
                va="center",
                zorder=10,
            )
        )
    boxes = [text.get_window_extent(renderer) for text in texts]
    sizes = np.array([[box.width, box.height] for box in boxes]).reshape(-1, 2)
    to_pixels = axes.transData
    points = to_pixels.transform([_at(view, t) for t in wanted]).reshape(-1, 2)
    every = to_pixels.transform([_at(view, t) for t in shown])
    frame = axes.get_window_extent(renderer)
    unit = style.DPI / 100
    obstacles = np.concatenate([every, *_line_pixels(axes, view)])
    bounds = [c.bound * view.x.scale for c in view.constraints if c.name == view.x.key and c.op == "<="]
    right = min([frame.x1, *(to_pixels.transform((bound, 0))[0] for bound in bounds)])
    inside = (frame.x0, frame.y0 + 14 * unit, right, frame.y1)
    centres = place(points, sizes, inside, obstacles, gap=2 * unit, unit=unit)
    for text, point, centre, size in zip(texts, points, centres, sizes, strict=True):
        text.set_position(to_pixels.inverted().transform(centre))
        if np.hypot(*np.maximum(np.abs(centre - point) - size / 2, 0)) > 15 * unit:
            ends = to_pixels.inverted().transform(np.stack([point, _edge(point, centre, size)]))
            axes.plot(ends[:, 0], ends[:, 1], color=style.FAINT, linewidth=0.6, zorder=5)


def _labelled(view: SearchView) -> list[Trial]:
    """The best, the named members, then front members spread evenly."""
    first = [t for t in (view.best,) if t is not None] + [t for t in view.named]
    front = list(view.front)
    room = max(0, MOST_LABELS - len(first))
    if len(front) > room:
        front = [front[i] for i in np.unique(np.linspace(0, len(front) - 1, room).round().astype(int))] if room else []
    return list({t.number: t for t in first + front}.values())


def _line_pixels(axes: Axes, view: SearchView) -> list[np.ndarray]:
    """Points every few pixels along the step line, which labels should not cover."""
    if not view.plain_front or not view.front:
        return []
    x, y = _staircase(axes, view, *_columns(view, list(view.front)))
    corners = [(x[0], y[0])]
    for i in range(1, len(x)):
        corners += [(x[i], y[i - 1]), (x[i], y[i])]
    pixels = axes.transData.transform(corners)
    found = []
    for a, b in pairwise(pixels):
        found.append(np.linspace(a, b, 2 + int(np.hypot(*(b - a)) // (8 * style.DPI / 100))))
    return found


def _edge(point: np.ndarray, centre: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The point of the label's box that is nearest to `point`."""
    return np.clip(point, centre - size / 2, centre + size / 2)
