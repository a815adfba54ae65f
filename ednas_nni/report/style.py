"""One look for all plots. Colours: Okabe and Ito, "Color Universal Design", 2008, told apart in any colour vision."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from ednas_nni.record.events import Status

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1f2933"
SOFT = "#52606d"
FAINT = "#8a94a0"
GRID = "#e6e9ed"
TRIAL = "#a9b1ba"
FRONT = "#0072b2"
BEST = "#d55e00"
MEMBER = "#009e73"
FAILED = "#b5478c"
RUNNING = "#e69f00"
STATUS_COLORS: dict[Status, str] = {"failed": FAILED, "cancelled": FAINT, "running": RUNNING}
STATUS_MARKERS: dict[Status, str] = {"failed": "x", "cancelled": "|", "running": "^"}
DPI = 160

_SETTINGS = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.labelsize": 10,
    "axes.edgecolor": "#b8c0c8",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "hatch.linewidth": 0.6,
}


@contextmanager
def look() -> Iterator[None]:
    """The report's settings inside the block, independent of the user's; the user's come back after it."""
    import matplotlib.style

    with warnings.catch_warnings(), matplotlib.style.context(["default", _SETTINGS]):
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def figure(width: float, height: float) -> Figure:
    """A figure of `width` x `height` inches on an Agg canvas of its own: no pyplot, no change of backend."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(made)
    return made


def png(made: Figure) -> bytes:
    """The figure as a PNG file without a time stamp, so that equal reports are equal bytes."""
    buffer = io.BytesIO()
    made.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def legend_above(axes: Axes, columns: int, **spacing: float) -> None:
    """A legend in one line between the frame and the figure's upper edge."""
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns, fontsize=8, **spacing)


def marks_below(axes: Axes, xs: Sequence[float], status: Status, label: str, size: float) -> None:
    """Marks along the bottom for trials without a result."""
    marker = STATUS_MARKERS[status]
    if xs:
        axes.scatter(
            xs, [0.022] * len(xs), transform=axes.get_xaxis_transform(), s=size, marker=marker, zorder=5,
            c=STATUS_COLORS[status], linewidths=1.5 if marker in "x|" else 0, clip_on=False, label=label,
        )  # fmt: skip


def plain(text: object, limit: int = 60) -> str:
    """Text for a plot: one line, no mathematics ($), at most `limit` characters."""
    line = re.sub(r"[^\x20-\x7e\u00a0-\u04ff\u2264\u2265]+", " ", str(text)).strip()
    line = line.replace("\\", "/").replace("$", r"\$")
    return line if len(line) <= limit else line[: limit - 1].rstrip("\\") + "…"


def frame(values: list[float], margin: float = 0.08) -> tuple[float, float, int]:
    """Limits of an axis that a few very low values may not squeeze.

    Args:
        values: Finite.
        margin: Empty share at both ends.

    Returns:
        Lower limit, upper limit, and how many values lie below the lower limit.
    """
    if not values:
        return 0.0, 1.0, 0
    array = np.asarray(values, dtype=float)
    low, high = float(array.min()), float(array.max())
    if len(array) >= 6:
        q1, q3 = np.quantile(array, [0.25, 0.75])
        low = float(array[array >= q1 - 3.0 * max(q3 - q1, 1e-3)].min())
    pad = margin * ((high - low) or max(abs(high), 1e-3))
    return low - pad, high + pad, int((array < low - pad).sum())


def tell_below(axes: Axes, count: int, lowest: float) -> None:
    """Say how many points lie under the frame."""
    if count:
        text = f"{count} below the frame, lowest {lowest:.3g}"
        axes.text(0.01, 0.985, text, transform=axes.transAxes, ha="left", va="top", fontsize=8, color=FAINT)
