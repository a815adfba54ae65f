"""All pictures of a report, and why one is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ednas_nni.report import examples, style
from ednas_nni.report.choices import families
from ednas_nni.report.data import SearchView, Trial
from ednas_nni.report.front_plot import front_plot
from ednas_nni.report.plots import choices_plot, learning_curves, progress
from ednas_nni.report.predictions import predictions_plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure


NO_RESULT = "No trial has ended with a result."
NOTHING_TOLD = "No trial has reported anything."


@dataclass(frozen=True)
class Picture:
    """A drawn plot.

    Attributes:
        file: Name of the PNG file beside the report.
        png: Its bytes.
        text: What it shows, for readers who cannot see it.
    """

    file: str
    png: bytes
    text: str


def pictures(view: SearchView) -> tuple[dict[str, Picture], dict[str, str]]:
    """Draw everything that the journal gives.

    Returns:
        Name -> picture, and name -> remark: why a picture is missing, or what it shows instead.
    """
    drawn: dict[str, Picture] = {}
    remarks: dict[str, str] = {}
    networks = len({trial.architecture for trial in view.trials})
    score = view.score.label
    with style.look():
        plots: dict[str, tuple[str, str, Figure | None]] = {
            "front": (f"{view.y.label} of every trial against its cost", _no_front(view), front_plot(view)),
            "learning_curves": (f"{score} over the reports of every trial", NOTHING_TOLD, learning_curves(view)),
            "progress": (f"{score} over the trial number", NO_RESULT, progress(view)),
            "choices": (
                "share of each choice per stage",
                "No trial has started.",
                choices_plot(families(view), len(view.front), networks),
            ),
        }
        for name, (text, missing, made) in plots.items():
            if made is None:
                remarks[name] = missing
            else:
                drawn[name] = Picture(f"{name}.png", style.png(made), text)
        _predictions(view, drawn, remarks)
    return drawn, remarks


def _no_front(view: SearchView) -> str:
    return NO_RESULT if view.x is not None else "The search knows no cost, so there is no trade-off to draw."


def _predictions(view: SearchView, drawn: dict[str, Picture], remarks: dict[str, str]) -> None:
    """The best network's examples; where it left none, those of the next best that did."""
    faults = []
    for trial in sorted(view.results, key=lambda t: -(t.quality or 0.0)):
        path = examples.find(view.folder, trial.job)
        if path is None:
            continue
        try:
            found = examples.read(path)
        except ValueError as error:
            faults.append(f"trial {trial.number}: {error}")
            continue
        png = style.png(predictions_plot(found, view.data.classes, view.data.depth_unit))
        drawn["predictions"] = Picture("predictions.png", png, "predictions beside ground truth")
        remarks["predictions"] = _whose(view, trial, len(found.image))
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
