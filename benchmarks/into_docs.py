"""Tables in Markdown, and their way into a document: between `<!-- NAME:begin -->` and `<!-- NAME:end -->`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
EVIDENCE = Path(__file__).resolve().parent / "results" / "README.md"
"""Tables that pages sum up in a sentence."""


def put(document: Path, name: str, text: str) -> None:
    """Replace what stands between the marks of `name`.

    Raises:
        SystemExit: The document lacks the marks.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, found, rest = document.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"{document} lacks {begin} ... {end}, between which the table belongs")
    document.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", encoding="utf-8")


def grid(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in (headings, *rows)]
    lines.insert(1, " | ".join(["---"] * len(headings)))
    return "\n".join(f"| {text} |" for text in lines)
