"""One look for all plots. Colours: Okabe and Ito, "Color Universal Design", 2008, told apart in any colour vision."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#1f2933"
SOFT = "#52606d"
FAINT = "#8a94a0"
GRID = "#e6e9ed"
TRIAL = "#a9b1ba"
FRONT = "#0072b2"
BEST = "#d55e00"
MEMBER = "#009e73"
ARMS = (FRONT, BEST, MEMBER, "#cc79a7", "#e69f00", "#56b4e9", INK)
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


def plain(text: object, limit: int = 60) -> str:
    """Text for a plot: one line, no mathematics ($), at most `limit` characters."""
    line = re.sub(r"[^\x20-\x7e\u00a0-\u04ff\u2264\u2265]+", " ", str(text)).strip()
    line = line.replace("\\", "/").replace("$", r"\$")
    return line if len(line) <= limit else line[: limit - 1].rstrip("\\") + "…"
