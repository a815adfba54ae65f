"""The front: quality against cost, everything that was tried, and what is not allowed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ednas_nni.record.quantities import Quantity
from ednas_nni.report import style
from ednas_nni.report.data import SearchView, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LABELS = 14
# Right and above first, where readers look for a label; then round the point, then further away.
_ANGLES = (30, 150, -30, -150, 90, -90, 0, 180, 60, 120, -60, -120)
_RADII = (9, 20, 34, 50, 70, 95)


def front_plot(view: SearchView) -> Figure | None:
    """Draw the front; None where no trial has both axes' values or no cost is known."""
    if view.x is None:
        return None
    places = {}
    for trial in view.trials:
        x, y = trial.value(view.x.key), trial.value(view.y.key)
        if trial.scored and x is not None and y is not None:
            places[trial.number] = (x * view.x.scale, y * view.y.scale)
    if not places:
        return None
    made = style.figure(10, 5.6)
    _Plot(view, view.x, places, made.add_axes((0.075, 0.105, 0.905, 0.83))).draw()
    return made


@dataclass(frozen=True)
class _Plot:
    """The plot while it is drawn.

    Attributes:
        view: The search.
        x: The cost on the horizontal axis.
        places: Number of a trial that has both axes' values -> its position in shown units.
        axes: Where it is drawn.
    """

    view: SearchView
    x: Quantity
    places: dict[int, tuple[float, float]]
    axes: Axes

    def draw(self) -> None:
        view, axes = self.view, self.axes
        values = [y for _, y in self.places.values()]
        low, high, below = style.frame(values)
        self.set_limits(low, high)
        self.forbidden()
        self.without_quality()
        self.dots([t for t in view.trials if not t.front and not t.name], "trained", 30, style.TRIAL, 3)
        self.front()
        self.dots(view.named, "named member", 82, style.MEMBER, 7, marker="D", edge=1)
        if view.best is not None:
            self.dots([view.best], f"best {view.score.label}", 190, style.BEST, 8, marker="*", edge=0.9)
        axes.set_xlabel(style.plain(self.horizontal_axis(), 110))
        axes.set_ylabel(style.plain(view.y.axis, 60))
        style.legend_above(axes, 6, handletextpad=0.3, columnspacing=1.4)
        self.label()
        style.tell_below(axes, below, min(values))

    def at(self, trials: Iterable[Trial]) -> list[tuple[float, float]]:
        """Positions of those of the trials that have one."""
        return [self.places[t.number] for t in trials if t.number in self.places]

    def dots(
        self,
        trials: Iterable[Trial],
        label: str,
        size: float,
        color: str,
        zorder: float,
        marker: str = "o",
        edge: float = 0.0,
    ) -> None:
        if points := self.at(trials):
            x, y = zip(*points, strict=True)
            self.axes.scatter(
                x, y, s=size, marker=marker, c=color, edgecolors="white", linewidths=edge, zorder=zorder, label=label
            )

    def bounds(self, op: str) -> list[float]:
        """Limits on the horizontal axis, in shown units."""
        return [c.bound * self.x.scale for c in self.view.constraints if c.name == self.x.key and c.op == op]

    def set_limits(self, low: float, high: float) -> None:
        costs = [v * self.x.scale for t in self.view.trials if (v := t.value(self.x.key)) is not None]
        left, right = min(costs), max(costs)
        pad = 0.06 * ((right - left) or max(abs(right), 1e-3))
        reach = 4 * (right - left) + pad
        near = [b for b in self.bounds("<=") + self.bounds(">=") if left - reach < b < right + reach]
        self.axes.set_xlim(min([left, *near]) - pad, max([right, *near]) + pad)
        self.axes.set_ylim(low - 0.05 * (high - low), high + 0.04 * (high - low))

    def horizontal_axis(self) -> str:
        x, size = self.x, self.view.study.get("deploy_size")
        at = f" at {size[0]} x {size[1]}" if isinstance(size, list | tuple) and len(size) == 2 else ""
        origin = ", ".join(part for part in (x.origin, x.device if x.device != x.key else "") if part)
        return x.axis + (f", {origin}{at}" if origin else "")

    def forbidden(self) -> None:
        low, high = self.axes.get_xlim()
        for op, sign, side in (("<=", "≤", -1), (">=", "≥", 1)):
            for bound in self.bounds(op):
                if not low < bound < high:
                    continue
                span = (bound, high) if op == "<=" else (low, bound)
                self.axes.axvspan(*span, facecolor="#f1f2f4", edgecolor="#d9dde2", hatch="////", linewidth=0, zorder=0)
                self.axes.axvline(bound, color=style.FAINT, linewidth=1.2, linestyle=(0, (4, 2)), zorder=1)
                text = f"limit: {self.x.label} {sign} {bound:g} {self.x.unit}"
                self.axes.annotate(
                    style.plain(text), (bound, 0.02), xycoords=("data", "axes fraction"), xytext=(4 * side, 0),
                    textcoords="offset points", rotation=90, ha="right" if side < 0 else "left", va="bottom",
                    fontsize=8, color=style.SOFT,
                )  # fmt: skip

    def without_quality(self) -> None:
        """Failed, cancelled and running trials have a cost but no quality: marks along the bottom."""
        for status in style.STATUS_MARKERS:
            trials = [t for t in self.view.trials if t.status == status]
            costs = [v * self.x.scale for t in trials if (v := t.value(self.x.key)) is not None]
            style.marks_below(self.axes, costs, status, f"{status}, no {self.view.score.label}", 32)

    def front(self) -> None:
        points = self.at(self.view.front)
        if points and self.view.plain_front:
            x, y = zip(*self.staircase(points), strict=True)
            self.axes.step(x, y, where="post", color=style.FRONT, linewidth=1.6, alpha=0.75, zorder=4)
        self.dots(self.view.front, "front", 48, style.FRONT, 6, edge=0.9)

    def staircase(self, points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        """The border of what is dominated: it keeps its height until the next, costlier member, up to the limit."""
        corners = sorted(points, key=lambda point: point[0])
        end = max(corners[-1][0], min([self.axes.get_xlim()[1], *self.bounds("<=")]))
        return [(corners[0][0], self.axes.get_ylim()[0]), *corners, (end, corners[-1][1])]

    def label(self) -> None:
        """Names beside the best, the named members and the front, where they cover nothing."""
        axes, best = self.axes, self.view.best
        low, high = axes.get_ylim()
        trials = [t for t in self.labelled() if t.number in self.places and low <= self.places[t.number][1] <= high]
        if not trials:
            return
        texts = []
        for trial in trials:
            bold = bool(trial.name) or (best is not None and trial.number == best.number)
            texts.append(
                axes.text(
                    0, 0, style.plain(trial.name or trial.architecture, 28), fontsize=8, ha="center", va="center",
                    color=style.MEMBER if trial.name else style.BEST if bold else style.FRONT,
                    weight="bold" if bold else "normal", zorder=10,
                )
            )  # fmt: skip
        boxes = [text.get_window_extent() for text in texts]
        sizes = np.array([[box.width, box.height] for box in boxes])
        to_pixels, unit = axes.transData, style.DPI / 100
        points = to_pixels.transform(self.at(trials))
        obstacles = np.concatenate([to_pixels.transform(list(self.places.values())), *self.line_pixels()])
        frame = axes.get_window_extent()
        right = min([frame.x1, *(to_pixels.transform((bound, 0))[0] for bound in self.bounds("<="))])
        centres = place(
            points, sizes, (frame.x0, frame.y0 + 14 * unit, right, frame.y1), obstacles, gap=2 * unit, unit=unit
        )
        for text, point, centre, size in zip(texts, points, centres, sizes, strict=True):
            x, y = to_pixels.inverted().transform(centre)
            text.set_position((float(x), float(y)))
            edge = np.clip(point, centre - size / 2, centre + size / 2)  # of the label's box, nearest to the point
            if np.hypot(*(edge - point)) > 15 * unit:
                ends = to_pixels.inverted().transform(np.stack([point, edge]))
                axes.plot(ends[:, 0], ends[:, 1], color=style.FAINT, linewidth=0.6, zorder=5)

    def labelled(self) -> list[Trial]:
        """The best, the named members, then front members spread evenly."""
        first = [*([self.view.best] if self.view.best is not None else []), *self.view.named]
        front = list(self.view.front)
        room = max(0, MOST_LABELS - len(first))
        if len(front) > room:
            spread = np.unique(np.linspace(0, len(front) - 1, room).round().astype(int))
            front = [front[i] for i in spread]
        return list({t.number: t for t in first + front}.values())

    def line_pixels(self) -> list[NDArray[np.float64]]:
        """Points every few pixels along the step line, which labels should not cover."""
        points = self.at(self.view.front)
        if not points or not self.view.plain_front:
            return []
        stairs = self.staircase(points)
        corners = [stairs[0]]
        for (_, before), (x, y) in pairwise(stairs):
            corners += [(x, before), (x, y)]
        step = 8 * style.DPI / 100
        return [
            np.linspace(a, b, 2 + int(np.hypot(*(b - a)) // step))
            for a, b in pairwise(self.axes.transData.transform(corners))
        ]


# ---- labels that do not cover each other, the points, or a line
#
# One label after the other takes the cheapest of 72 places around its point: 12 directions at 6 distances. Covering
# another label costs 1000, leaving the frame 200, each point or piece of line under it 6, and every ring further out
# 2.5. So a label goes up to two rings away to uncover one point, and any distance not to cover another label. Greedy is
# enough for a dozen labels, always gives the same picture, and knows lines and limits; adjustText (forces between
# boxes) put labels on the step line and beside the wrong one of two close points.


def place(
    points: NDArray[np.float64],
    sizes: NDArray[np.float64],
    frame: tuple[float, float, float, float],
    obstacles: NDArray[np.float64],
    gap: float = 2.0,
    unit: float = 1.0,
) -> NDArray[np.float64]:
    """Choose a place for each label, one after the other.

    Args:
        points: (n, 2) in pixels, what the labels belong to.
        sizes: (n, 2) width and height of the labels in pixels.
        frame: Left, bottom, right, top in pixels; labels stay inside where they can.
        obstacles: (m, 2) positions in pixels that should stay visible.
        gap: Free pixels around each label.
        unit: Pixels of one step of distance; larger for pictures of more dots per inch.

    Returns:
        (n, 2) centres of the labels in pixels. Two labels overlap only where no tried place is free.
    """
    taken: list[tuple[float, float, float, float]] = []
    centres = np.zeros((len(points), 2))
    for i, (point, size) in enumerate(zip(points, sizes, strict=True)):
        best_cost, best_box = math.inf, _box(point, size, 0.0, 0, gap)
        for ring, radius in enumerate(_RADII):
            for turn, angle in enumerate(_ANGLES):
                box = _box(point, size, radius * unit, angle, gap)
                cost = 1000.0 * sum(_overlap(box, other) > 0 for other in taken)
                cost += 200 * (_outside(box, frame) > 0) + 6 * _covered(box, obstacles) + 2.5 * ring + 0.15 * turn
                if cost < best_cost:
                    best_cost, best_box = cost, box
        taken.append(best_box)
        centres[i] = (best_box[0] + best_box[2]) / 2, (best_box[1] + best_box[3]) / 2
    return centres


def _box(
    point: NDArray[np.float64], size: NDArray[np.float64], radius: float, angle: float, gap: float
) -> tuple[float, float, float, float]:
    """The box whose nearest edge or corner lies `radius` from the point in the given direction."""
    dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    half = size / 2 + gap
    x = point[0] + dx * radius + half[0] * (0 if abs(dx) < 0.2 else math.copysign(1, dx))
    y = point[1] + dy * radius + half[1] * (0 if abs(dy) < 0.2 else math.copysign(1, dy))
    return x - half[0], y - half[1], x + half[0], y + half[1]


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, width) * max(0.0, height)


def _outside(box: tuple[float, float, float, float], frame: tuple[float, float, float, float]) -> float:
    return max(0.0, frame[0] - box[0], frame[1] - box[1], box[2] - frame[2], box[3] - frame[3])


def _covered(box: tuple[float, float, float, float], obstacles: NDArray[np.float64]) -> int:
    if not len(obstacles):
        return 0
    x, y = obstacles[:, 0], obstacles[:, 1]
    return int(((x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])).sum())
