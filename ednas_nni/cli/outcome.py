"""The end of a search: the front as a table, how it compares with named references, and how far to trust it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ednas_nni.cli import terminal
from ednas_nni.record.journal import History
from ednas_nni.study.objectives import DELTA_T, QUALITY

if TYPE_CHECKING:
    from rich.table import Table

    from ednas_nni.report.data import SearchView, Trial

HEADING_WIDTH = 14


def optimism(count: int) -> str:
    """The sentence that stands under every searched value."""
    if count < 2:
        return "One noisy training is no finding: confirm it with fresh seeds."
    return (
        f"Each of the {count} architectures was trained once, and such single trainings are noisy: "
        f"the best of {count} is optimistic until it is confirmed with fresh seeds."
    )


def front_table(found: SearchView) -> Table:
    """The front, and below it the references that are not on it."""
    from ednas_nni.report import words

    metrics = _primary(found)
    columns = [("", "left"), ("architecture", "left"), (found.score.axis, "right")]
    besides = carries_delta_t(found) and found.score.key != DELTA_T
    columns += [("delta_t\n[%]", "right")] if besides else []
    # Only what was searched for: the report has every cost.
    costs = [q for q in found.costs if q.key in _searched(found)]
    columns += [(_heading(q.label, q.unit), "right") for q in costs]
    columns += [(_heading(f"{q.group} {q.label}", q.unit), "right") for q in metrics]
    shown = terminal.table(columns, title=f"Front: {_wanted(found)}")
    rows = [(trial, "best" if trial is found.best else "") for trial in found.front]
    listed = {trial.architecture for trial in found.front}
    rows += [(trial, "") for trial in found.named if trial.architecture not in listed]
    if found.best is not None and found.best.architecture not in {trial.architecture for trial, _ in rows}:
        rows.append((found.best, "best"))
    for trial, mark in rows:
        notes = [trial.name, mark, "" if trial.architecture in listed else "not on the front"]
        shown.add_row(
            "\n".join(filter(None, notes)),
            trial.architecture,
            words.delta_t(trial) if found.score.key == DELTA_T else terminal.score_number(QUALITY, trial.quality),
            *((words.delta_t(trial),) if besides else ()),
            *(q.number(trial.costs.get(q.key)) for q in costs),
            *(q.number(trial.metrics.get(q.key)) for q in metrics),
        )
    return shown


def _heading(label: str, unit: str) -> str:
    """On lines short enough that figures, not headings, decide how wide a column is."""
    return "\n".join([*textwrap.wrap(label, HEADING_WIDTH), *([f"[{unit}]"] if unit else [])])


def _searched(found: SearchView) -> set[str]:
    """Costs that are an objective or limited, with the bounds that limits are checked on."""
    named = {o.name for o in found.objectives} | {str(c).split()[0] for c in found.study.get("constraints", ())}
    return named | {f"{name}_upper90" for name in named}


def carries_delta_t(found: SearchView) -> bool:
    """Whether trials measured delta_t."""
    return any(trial.value(DELTA_T) is not None for trial in found.results)


def _primary(found: SearchView) -> list:
    """Quantities of each task's primary metric."""
    return [q for q in found.metrics if q.primary]


def _wanted(found: SearchView) -> str:
    return ", ".join(f"{'high' if o.maximise else 'low'} {o.name}" for o in found.objectives)


def comparison(found: SearchView, reference: Trial) -> str | None:
    """How the best network that costs no more than a reference compares with it; None where nothing is cheaper."""
    if found.x is None or reference.value(found.x.key) is None:
        return None
    limit = reference.value(found.x.key)
    rivals = [
        trial
        for trial in found.results
        if trial.architecture != reference.architecture and (trial.value(found.x.key) or float("inf")) <= limit
    ]
    if not rivals:
        return None
    best = max(rivals, key=lambda trial: trial.quality)
    verb = "beats" if best.quality > reference.quality else "does not beat"
    score = found.score.key
    return (
        f"At no more {found.x.label} than {reference.name}, {best.architecture} {verb} it: "
        f"{terminal.score(score, best.quality)} against {terminal.score_number(score, reference.quality)}, "
        f"{found.x.text(best.value(found.x.key))} against {found.x.text(limit)}."
    )


def show(history: History) -> None:
    """Print the result of a search, or why there is none."""
    from ednas_nni.report.data import view

    found = view(history)
    counts = ", ".join(f"{n} {s}" for s in ("trained", "failed", "cancelled", "running") if (n := found.count(s)))
    print(f"\n{len(found.trials)} trials: {counts or 'none was started'}.", end="")
    answered = [f"{len(history.reused)} proposals answered from the journal"] if history.reused else []
    answered += [f"{len(history.rejected)} outside the constraints, not trained"] if history.rejected else []
    print(f" {'; '.join(answered)}." if answered else "")
    if history.finished:
        print(f"The search ended: {history.finished}.")
    if not found.front:
        causes = dict.fromkeys(trial.cause for trial in found.trials if trial.cause)
        for cause in list(causes)[:3]:
            print(f"cause of failed trials: {' '.join(cause.split())}")
        print("There is no result.")
        return
    terminal.console().print(front_table(found))
    size = found.study.get("deploy_size")
    if size:
        print(f"Costs are priced at {size[0]} x {size[1]} px: {_origins(found)}.")
    for reference in found.named:
        told = comparison(found, reference)
        if told:
            print(told)
    from ednas_nni.report.words import delta_t_means

    for sentence in delta_t_means(found)[:-1]:  # the last one says what stands below, of delta_t alone
        print(sentence)
    print(optimism(len(found.results)))


def _origins(found: SearchView) -> str:
    return ", ".join(
        f"{q.key} {q.origin}" + (f" for {q.device}" if q.device not in ("", q.key) else "")
        for q in found.costs
        if q.key in _searched(found)
    )
