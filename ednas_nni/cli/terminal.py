"""What all commands share about writing to a terminal."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ednas_nni.errors import printable
from ednas_nni.record.quantities import duration as duration
from ednas_nni.study.objectives import DELTA_T

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.style import StyleType
    from rich.table import Table

LOG_WIDTH = 160  # columns where nobody is watching
ENDLESS = 10_000  # columns of a screen that any table fits on


def console() -> Console:
    """Standard output; wide where it is not a terminal. Square brackets are text, not markup."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else LOG_WIDTH)


def _say(text: str, kind: str, colour: str) -> None:
    """Print to standard error, one line for each of the text's."""
    sys.stdout.flush()
    mark = f"\033[{colour}m{kind}:\033[0m" if sys.stderr.isatty() and not os.environ.get("NO_COLOR") else f"{kind}:"
    for line in printable(text).splitlines():
        print(f"ednas: {mark} {line}", file=sys.stderr, flush=True)


fail = partial(_say, kind="error", colour="31")
warn = partial(_say, kind="warning", colour="33")
note = partial(_say, kind="note", colour="36")
"""What a user should know."""


def table(headings: Iterable[str], title: str | None = None, rows: Iterable[Sequence[str]] = ()) -> Table:
    """A plain table; whatever a terminal would obey in its cells is shown instead.

    A heading that begins with ">" stands, without it, above figures, which are flush right. Nothing is ever cut: on a
    screen that is too narrow each row becomes a block, the texts before its first figure above all else with its
    heading, such as

        8bcb8b1535  best
          quality 0.3740   latency_ms [ms] 15.79
    """
    from rich import box  # rich takes a tenth of a second to load
    from rich.table import Table
    from rich.text import Text

    class Printable(Table):
        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            if natural_width(self, console) <= options.max_width:
                yield from super().__rich_console__(console, options)
                return
            heads = [str(column.header).replace("\n", " ") for column in self.columns]
            names = next((i for i, column in enumerate(self.columns) if i and column.justify == "right"), 1)
            if above := self.title or heads[0]:
                yield Text(f"\n{above}", style="bold")
            for cells in zip(*(column.cells for column in self.columns), strict=True):
                texts = [", ".join(filter(None, str(cell).split("\n"))) for cell in cells]
                yield Text("  ".join(filter(None, texts[:names])))
                pairs = [f"{h} {t}".strip() for h, t in zip(heads[names:], texts[names:], strict=True) if t]
                yield Text(flowing(pairs, options.max_width))

        def add_row(
            self, *renderables: RenderableType | None, style: StyleType | None = None, end_section: bool = False
        ) -> None:
            cells = (printable(cell) if isinstance(cell, str) else cell for cell in renderables)
            super().add_row(*cells, style=style, end_section=end_section)

    new = Printable(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False, collapse_padding=True)
    new.title_style = "bold"
    for heading in headings:
        right = heading.startswith(">")
        new.add_column(heading[right:], justify="right" if right else "left", no_wrap=True)
    for row in rows:
        new.add_row(*row)
    return new


def natural_width(table: Table, console: Console) -> int:
    """Columns that a table takes where nothing is cut."""
    return table.__rich_measure__(console, console.options.update(max_width=ENDLESS)).maximum


def flowing(parts: Iterable[str], width: int) -> str:
    """Parts side by side on lines as wide as that, moved to the right; a part is broken where it is wider by itself."""
    lines = [""]
    for part in parts:
        if lines[-1] and len(lines[-1]) + 3 + len(part) + 2 > width:
            lines.append("")
        lines[-1] += ("   " if lines[-1] else "") + part
    return "\n".join(wrapped(line, 2, width) for line in lines if line)


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


def wrapped(text: str, indent: int, width: int | None = None) -> str:
    """Text in lines as wide as the terminal, moved to the right; a word that is wider stays whole."""
    return textwrap.fill(
        printable(text), max(width or console().width, indent + 20), initial_indent=" " * indent,
        subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False,
    )  # fmt: skip


def score(name: str, value: float) -> str:
    """What a trial is ranked by: `quality 0.4100` or `delta_t -3.20 %`."""
    return f"{name} {score_number(name, value)}" + (" %" if name == DELTA_T else "")


def score_number(name: str, value: float | None) -> str:
    """The same without its name and unit, for tables; "-" for None."""
    if value is None:
        return "-"
    return f"{value:.2f}" if name == DELTA_T else f"{value:.4f}"
