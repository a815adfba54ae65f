"""What all commands share about writing to a terminal."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ednas_nni.errors import printable
from ednas_nni.study.objectives import DELTA_T

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.style import StyleType
    from rich.table import Table

LOG_WIDTH = 160  # columns where nobody is watching: nothing should be cut in a log


def console() -> Console:
    """Standard output; wide where it is not a terminal. Square brackets are text, not markup."""
    from rich.console import Console

    watched = sys.stdout.isatty()
    return Console(highlight=False, markup=False, emoji=False, width=None if watched else LOG_WIDTH)


def _say(text: str, kind: str, colour: str) -> None:
    """Print to standard error, one line for each of the text's."""
    sys.stdout.flush()
    mark = f"\033[{colour}m{kind}:\033[0m" if sys.stderr.isatty() else f"{kind}:"
    for line in printable(text).splitlines():
        print(f"ednas: {mark} {line}", file=sys.stderr, flush=True)


fail = partial(_say, kind="error", colour="31")
warn = partial(_say, kind="warning", colour="33")
note = partial(_say, kind="note", colour="36")
"""What a user should know."""


def table(headings: Iterable[str], title: str | None = None, rows: Iterable[Sequence[str]] = ()) -> Table:
    """A plain table; whatever a terminal would obey in its cells is shown instead.

    A heading that begins with ">" stands, without it, above figures, which are flush right.
    """
    from rich import box  # rich takes a tenth of a second to load
    from rich.table import Table

    class Printable(Table):
        def add_row(
            self, *renderables: RenderableType | None, style: StyleType | None = None, end_section: bool = False
        ) -> None:
            cells = (printable(cell) if isinstance(cell, str) else cell for cell in renderables)
            super().add_row(*cells, style=style, end_section=end_section)

    new = Printable(
        box=box.SIMPLE_HEAD,
        title=title,
        title_justify="left",
        title_style="bold",
        pad_edge=False,
        collapse_padding=True,
    )
    for heading in headings:
        right = heading.startswith(">")
        new.add_column(heading[right:], justify="right" if right else "left", no_wrap=True)
    for row in rows:
        new.add_row(*row)
    return new


def amount(value: float | None) -> str:
    """A figure with three to four significant digits; large counts with k, M or G."""
    if value is None:
        return "-"
    size = abs(value)
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= max(factor, 1e4):
            return f"{value / factor:.4g} {letter}"
    return f"{value:.4g}" if size >= 1 or size == 0 else f"{value:.3g}"


def unit(name: str, unit: str) -> str:
    """A cost's unit as it follows a figure, "" where the cost's name says it: "macs" says MAC."""
    return "" if name.startswith(unit.lower()[:5]) else f" {unit}"


def wrapped(text: str, indent: int) -> str:
    """Text in lines as wide as the terminal, moved to the right."""
    return textwrap.fill(
        printable(text), max(console().width, indent + 20), initial_indent=" " * indent, subsequent_indent=" " * indent,
        break_on_hyphens=False,
    )  # fmt: skip


def score(name: str, value: float) -> str:
    """What a trial is ranked by: `quality 0.4100` or `delta_t -3.20 %`."""
    return f"{name} {score_number(name, value)}" + (" %" if name == DELTA_T else "")


def score_number(name: str, value: float | None) -> str:
    """The same without its name and unit, for tables; "-" for None."""
    if value is None:
        return "-"
    return f"{value:.2f}" if name == DELTA_T else f"{value:.4f}"


def duration(seconds: float | None) -> str:
    """Like `42 s`, `3:07 min` or `2:05 h`."""
    if seconds is None:
        return "-"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
