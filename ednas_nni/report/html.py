"""Writing a report: one HTML file that needs nothing else, and its plots as PNG files."""

from __future__ import annotations

import base64
from pathlib import Path

from ednas_nni.errors import EdnasError
from ednas_nni.record.journal import load
from ednas_nni.record.whole_file import write_whole
from ednas_nni.report import failure_rates, tables, words
from ednas_nni.report.choices import blocks
from ednas_nni.report.data import SearchView, view
from ednas_nni.report.pictures import Picture, pictures

FILE = "report.html"


def write(journal: Path, out: Path) -> Path:
    """Write the report of a search: finished, running, aborted or empty.

    Args:
        journal: The search's `journal.jsonl`, or the experiment's folder.
        out: Folder for `report.html` and the plots (`front.png`, ...); made if needed. Files of an earlier report
            are replaced.

    Returns:
        Path of `report.html`. It works offline: pictures are embedded, nothing is loaded.

    Raises:
        JournalError: The journal is missing or damaged.
        EdnasError: The folder cannot be written.
    """
    journal, out = Path(journal), Path(out)
    if journal.is_dir():
        journal = journal / "ednas" / "journal.jsonl"
    search = view(load(journal))
    drawn, remarks = pictures(search)
    page = render(search, drawn, remarks)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for picture in drawn.values():
            write_whole(out / picture.file, picture.png)
        write_whole(out / FILE, page.encode("utf-8"))
    except OSError as error:
        raise EdnasError(f"{out}: the report cannot be written ({error.strerror}). Give another folder.") from error
    return out / FILE


def render(search: SearchView, drawn: dict[str, Picture], remarks: dict[str, str]) -> str:
    """The page. Everything that comes from the journal is escaped by the template."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ednas_nni.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = _data_uri
    environment.filters["duration"] = words.duration
    return environment.get_template("report.html").render(
        search=search,
        words=words,
        tables=tables,
        failure_rates=failure_rates,
        blocks=blocks,
        pictures=drawn,
        remarks=remarks,
    )


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
