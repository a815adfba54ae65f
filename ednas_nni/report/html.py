"""Writing a report: one HTML file that needs nothing else, and the front as CSV and LaTeX beside it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.errors import EdnasError
from ednas_nni.handover.examining import Examined
from ednas_nni.handover.search import confirmations
from ednas_nni.handover.tables import csv_text, latex_text
from ednas_nni.record.journal import load
from ednas_nni.record.quantities import value_in
from ednas_nni.record.whole_file import write_whole
from ednas_nni.report import choices, style, tables, words
from ednas_nni.report.data import SearchView, view
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
    search = view(load(journal / "ednas" / "journal.jsonl" if journal.is_dir() else journal))
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
    """The best finished network's examples, else the best candidate's; where it left none, those of the next best."""
    faults = []
    for number, job, split, who in _may_have_left(view):
        path = find_examples(view.folder, job)
        if path is None:
            continue
        try:
            examples = read_examples(path)
        except ValueError as error:
            faults.append(f"trial {number}: {error}.")
            continue
        text = (
            f"Predictions of {who} on n = {len(examples.image)} images of the {split} split, not picked by hand. The "
            "figures beside them hold for that image alone, over its valid pixels."
        )
        return ExamplesPicture(_picture(view, examples), " ".join([text, *faults]))
    return ExamplesPicture(None, " ".join(["No trial left example predictions that can be shown.", *faults]))


def _may_have_left(view: SearchView) -> Iterator[tuple[int | None, str | None, str, str]]:
    """Trial, its job, the split that it looked at, and whose network it trained, as words; the best first."""
    key, runs = view.score.key, confirmations(view.record.history)
    for one in sorted(view.record.confirmed, key=lambda a: -(value_in(key, a.costs, a.metrics) or 0.0)):
        for run in runs[one.architecture]:
            reached = f"{view.score.label} {view.score.text(value_in(key, {}, run.metrics))}"
            who = f"architecture {one.architecture} (finished by trial {run.trial}, {reached})"
            yield run.trial, run.job, run.split, who
    for trial in sorted(view.results, key=lambda t: -(t.quality or 0.0)):
        reached = f"{view.score.label} {view.score.text(trial.quality)}"
        who = f"architecture {trial.architecture} (trial {trial.number}, {reached})"
        if view.best is not None and trial.number != view.best.number:
            who += f"; the best network, {view.best.architecture}, left no examples"
        yield trial.number, trial.job, "search", who


def _picture(view: SearchView, examples: Examples) -> bytes:
    tasks = view.head.tasks or ()
    units = {task.name: m.unit for task in tasks for m in task.metrics if m.name == task.primary}
    with style.look():
        return style.png(predictions_plot(examples, {task.name: task.legend for task in tasks}, units))
