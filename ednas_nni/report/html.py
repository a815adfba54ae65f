"""Writing a report: one HTML file that needs nothing else, and its plots as PNG files."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.errors import EdnasError
from ednas_nni.record.journal import load
from ednas_nni.record.whole_file import write_whole
from ednas_nni.report import choices, style, tables, words
from ednas_nni.report.data import SearchView, Trial, view
from ednas_nni.report.front_plot import front_plot
from ednas_nni.report.plots import choices_plot, learning_curves, progress
from ednas_nni.report.predictions import find_examples, predictions_plot, read_examples

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILE = "report.html"
NO_RESULT = "No trial has ended with a result."
NO_REPORT = "No trial has reported anything."


@dataclass(frozen=True)
class ReportPicture:
    """A drawn plot.

    Attributes:
        file: Name of the PNG file beside the report.
        png: Its bytes.
        text: What it shows, for readers who cannot see it.
    """

    file: str
    png: bytes
    text: str


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


def render(search: SearchView, drawn: dict[str, ReportPicture], remarks: dict[str, str]) -> str:
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
        choices=choices,
        pictures=drawn,
        remarks=remarks,
    )


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def pictures(view: SearchView) -> tuple[dict[str, ReportPicture], dict[str, str]]:
    """Draw everything that the journal gives.

    Returns:
        Name -> picture, and name -> remark: why a picture is missing, or what it shows instead.
    """
    drawn: dict[str, ReportPicture] = {}
    remarks: dict[str, str] = {}
    networks = len({trial.architecture for trial in view.trials})
    score = view.score.label
    with style.look():
        plots: dict[str, tuple[str, str, Figure | None]] = {
            "front": (f"{view.y.label} of every trial against its cost", _no_front(view), front_plot(view)),
            "learning_curves": (f"{score} over the reports of every trial", NO_REPORT, learning_curves(view)),
            "progress": (f"{score} over the trial number", NO_RESULT, progress(view)),
            "choices": (
                "share of each choice per stage",
                "No trial has started.",
                choices_plot(choices.families(view), len(view.front), networks),
            ),
        }
        for name, (text, missing, made) in plots.items():
            if made is None:
                remarks[name] = missing
            else:
                drawn[name] = ReportPicture(f"{name}.png", style.png(made), text)
        _predictions(view, drawn, remarks)
    return drawn, remarks


def _no_front(view: SearchView) -> str:
    return NO_RESULT if view.x is not None else "The search knows no cost, so there is no trade-off to draw."


def _predictions(view: SearchView, drawn: dict[str, ReportPicture], remarks: dict[str, str]) -> None:
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
        tasks = view.head.tasks or ()
        units = {task.name: m.unit for task in tasks for m in task.metrics if m.name == task.primary}
        png = style.png(predictions_plot(examples, {task.name: task.legend for task in tasks}, units))
        drawn["predictions"] = ReportPicture("predictions.png", png, "predictions beside ground truth")
        remarks["predictions"] = _whose(view, trial, len(examples.image))
        break
    else:
        remarks["predictions"] = "No trial left example predictions that can be shown."
    if faults:
        remarks["predictions"] += f" {'; '.join(faults)}."


def _whose(view: SearchView, trial: Trial, n: int) -> str:
    reached = f"{view.score.label} {view.score.text(trial.quality)}"
    who = f"architecture {trial.architecture} (trial {trial.number}, {reached})"
    if view.best is not None and trial.number != view.best.number:
        who += f"; the best network, {view.best.architecture}, left no examples"
    return (
        f"Predictions of {who} on n = {n} images of the search split, not picked by hand. The figures beside "
        "them hold for that image alone, over its valid pixels."
    )
