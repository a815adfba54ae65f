"""Delta_T in a report: each trial's value with its interval, and what it was measured against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ednas_nni.baselines import Comparison
from ednas_nni.baselines.interval import Estimate
from ednas_nni.errors import BaselineError
from ednas_nni.study.objectives import DELTA_T

if TYPE_CHECKING:
    from ednas_nni.report.data import SearchView, Trial


def comparison(header: Mapping[str, Any]) -> Comparison | None:
    """The baselines in a journal's head; None where there are none, or none that this version can read."""
    try:
        return Comparison.parse(header.get("references"))
    except BaselineError:
        return None


def estimate(against: Comparison | None, metrics: Mapping[str, Any]) -> Estimate | None:
    """Delta_T of one trial with its interval.

    None where it did not measure it, or measured it against baselines that the journal does not hold: the value that
    the trial reported must be the one of these baselines.
    """
    reported = metrics.get(DELTA_T)
    if against is None or not isinstance(reported, int | float):
        return None
    try:
        found = against.estimate([metrics])
    except (BaselineError, TypeError, ValueError):
        return None
    return found if abs(found.value - reported) <= 1e-6 * (1 + abs(reported)) else None


def shown(trial: Trial) -> str:
    """A trial's Delta_T without its unit, such as `-3.20 [-5.10, -1.30]`; "-" where it has none."""
    value, found = trial.value(DELTA_T), trial.delta_t
    if value is None:
        return "-"
    if found is None or found.low is None or found.high is None:
        return f"{value:.2f}"
    return f"{value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def meaning(view: SearchView) -> list[str]:
    """What Delta_T means here and what not; empty where no trial carries it."""
    carried = [trial for trial in view.results if trial.value(DELTA_T) is not None]
    if not carried:
        return []
    against = view.compared
    if against is None:
        return [
            "delta_t [%] is the mean gain over single-task networks; the journal does not hold their record, so no "
            "interval can be given."
        ]
    seeds = ", ".join(str(seed) for seed in next(iter(against.records.values())).seeds)
    told = [
        f"delta_t [%] is the mean gain over {against.member} trained on one task alone (n = {against.seeds} trainings "
        f"per task, seeds {seeds}) on the same data by the same recipe, protocol {against.protocol}: the relative "
        "change of each metric, averaged over the metrics of a task, then over the tasks. 0 is as good as one network "
        "per task, larger is better."
    ]
    if any(trial.delta_t is not None and trial.delta_t.low is not None for trial in carried):
        told.append(
            "The interval of delta_t (95 %, Student's t, each trial for itself) includes the spread of the baselines. "
            "A trial is trained once (n = 1), so the spread of a single baseline run stands in for its own."
        )
    else:
        told.append("delta_t has no interval: a baseline was trained only once.")
    told.append(
        f"The best delta_t of n = {len(carried)} noisy single trainings is optimistic, and its interval does not "
        "account for that choice: confirm it with fresh seeds."
    )
    return told


def best_line(view: SearchView) -> str:
    """The best trial's Delta_T by task, one sentence; "" where it has none."""
    best = view.best
    if best is None or best.value(DELTA_T) is None:
        return ""
    parts = ""
    if best.delta_t is not None:
        each = ", ".join(f"{task} {value:+.2f}" for task, value in best.delta_t.tasks.items())
        parts = f" ({each})"
    against = f" against {view.compared.member} on single tasks" if view.compared else ""
    return f"Its delta_t is {shown(best)} %{parts}{against}."
