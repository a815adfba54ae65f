"""Writing a report: one HTML file that needs nothing else, and the front as CSV and LaTeX beside it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.errors import EdnasError
from ednas_nni.handover.examining import Examined
from ednas_nni.handover.tables import csv_text, latex_text
from ednas_nni.record.journal import load
from ednas_nni.record.whole_file import write_whole
from ednas_nni.report import choices, style, tables, words
from ednas_nni.report.data import SearchView, Trial, view
from ednas_nni.report.page_data import Stages, page_data
from ednas_nni.report.predictions import Examples, examples_of, find_examples, predictions_plot, read_examples

if TYPE_CHECKING:
    import jinja2

FILE = "report.html"


@dataclass(frozen=True)
class ExamplesPicture:
    """Example predictions.

    Attributes:
        png: The picture, None where no trial left any.
        text: What it shows, or why there is none.
    """

    png: bytes | None
    text: str


def write(
    journal: Path,
    out: Path,
    stages: Stages | None = None,
    again_s: int | None = None,
    looked_at: Examined | None = None,
) -> Path:
    """Write the report of a search: finished, running, aborted or empty.

    Args:
        journal: The search's `journal.jsonl`, or the experiment's folder.
        out: Folder for `report.html`, `front.csv`, `front.tex` and `predictions.png`; made if needed. Files of an
            earlier report are replaced.
        stages: Parts of a network for the pictures; see `page_data`.
        again_s: The page loads itself again after so many seconds, for a search that runs.
        looked_at: Classes and worst images of its best network.

    Returns:
        Path of `report.html`. It works offline: everything is embedded, nothing is loaded.

    Raises:
        JournalError: A journal is missing or damaged.
        EdnasError: The folder cannot be written.
    """
    search = view(load(_file(journal)))
    examples = predictions(search)
    contents = {
        FILE: render(search, examples, stages, again_s, looked_at).encode("utf-8"),
        "front.csv": csv_text(search.record).encode("utf-8"),
        "front.tex": latex_text(search.record).encode("utf-8"),
    }
    if examples.png is not None:
        contents["predictions.png"] = examples.png
    write_files(Path(out), contents)
    return Path(out) / FILE


def write_files(out: Path, contents: Mapping[str, bytes]) -> None:
    """Write files into a folder, which is made if needed; EdnasError: it cannot be written."""
    try:
        for name, content in contents.items():
            write_whole(out / name, content)
    except OSError as error:
        raise EdnasError(f"{out}: the report cannot be written ({error.strerror}). Give another folder.") from error


def _file(path: Path) -> Path:
    return Path(path) / "ednas" / "journal.jsonl" if Path(path).is_dir() else Path(path)


def render(
    search: SearchView,
    examples: ExamplesPicture,
    stages: Stages | None = None,
    again_s: int | None = None,
    looked_at: Examined | None = None,
) -> str:
    """The page. Everything that comes from the journal is escaped; the browser runs our one script and no other."""
    script = files("ednas_nni.report").joinpath("templates/report.js").read_text(encoding="utf-8")
    worst = None
    if looked_at:
        with suppress(ValueError):  # a task of a kind that cannot be drawn
            worst = _picture(search, examples_of(looked_at.worst, "its worst images"))
    data = json.dumps(page_data(search, stages), separators=(",", ":"), allow_nan=False)
    return (
        environment()
        .get_template("report.html")
        .render(
            search=search,
            words=words,
            tables=tables,
            choices=choices,
            examples=examples,
            again_s=again_s,
            looked_at=looked_at,
            worst=worst,
            script=script,
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            # A text between <script> tags ends at the first "</": no such thing may stand in it.
            data=data.replace("<", "\\u003c"),
            downloads={
                "front.csv": _download(csv_text(search.record)),
                "front.tex": _download(latex_text(search.record)),
            },
        )
    )


def environment() -> jinja2.Environment:
    """Where pages are made: whatever comes from a journal is escaped, and a name that is missing is an error."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.PackageLoader("ednas_nni.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["data_uri"] = lambda png: "data:image/png;base64," + base64.b64encode(png).decode("ascii")
    return made


def _download(text: str) -> str:
    return "data:text/plain;base64," + base64.b64encode(text.encode()).decode("ascii")


def predictions(view: SearchView) -> ExamplesPicture:
    """The best network's examples; where it left none, those of the next best that did."""
    faults = []
    for trial in sorted(view.results, key=lambda t: -(t.quality or 0.0)):
        path = find_examples(view.folder, trial.job)
        if path is None:
            continue
        try:
            examples = read_examples(path)
        except ValueError as error:
            faults.append(f"trial {trial.number}: {error}")
            continue
        text = " ".join([_whose(view, trial, len(examples.image)), *(f"{fault}." for fault in faults)])
        return ExamplesPicture(_picture(view, examples), text)
    return ExamplesPicture(None, " ".join(["No trial left example predictions that can be shown.", *faults]))


def _picture(view: SearchView, examples: Examples) -> bytes:
    tasks = view.head.tasks or ()
    units = {task.name: m.unit for task in tasks for m in task.metrics if m.name == task.primary}
    with style.look():
        return style.png(predictions_plot(examples, {task.name: task.legend for task in tasks}, units))


def _whose(view: SearchView, trial: Trial, n: int) -> str:
    reached = f"{view.score.label} {view.score.text(trial.quality)}"
    who = f"architecture {trial.architecture} (trial {trial.number}, {reached})"
    if view.best is not None and trial.number != view.best.number:
        who += f"; the best network, {view.best.architecture}, left no examples"
    return (
        f"Predictions of {who} on n = {n} images of the search split, not picked by hand. The figures beside "
        "them hold for that image alone, over its valid pixels."
    )
