"""Prune: a trial whose learning curve says that it will end dominated is ended early.

**The idea.** Trials report scores while they train. Of the trials that have ended it is known what they had at the same
report and where they ended, so a line through these pairs predicts the end of a running one, with Student's spread. It
is ended when a finished network that costs no more on any axis is, with the study's probability, better on every other.

**Why this way.** One number, as NNI's assessors compare, would end every small network: it is never the best, and yet
it may be on the front. So a trial is compared with what is as cheap. A line fitted to those that ran to their end is
not bent by those that did not, since what decides who ends is the very score that it is a function of. With several
measured objectives the doubts about each are added up (Bonferroni), so they need not be independent.

**A tiny example**, at the third of six reports, probability 0.95: nine trials had 0.10 to 0.30 there and ended 0.20 +-
0.01 higher. One that runs has 0.12 and costs 8 ms: it will end at 0.32 +- 0.01. A network of 6 ms has 0.36, so it is
ended. Were there only one of 9 ms with 0.36, it would go on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from scipy.stats import t as student

from ednas_nni.compat.nas import ExecutableModelSpace, IntermediateMetricEvent
from ednas_nni.errors import StudyError
from ednas_nni.record.journal import Journal, TrialRecord
from ednas_nni.search.middleware.forwarding import Forwarding, ModelEventType
from ednas_nni.search.middleware.record import Record
from ednas_nni.search.problem import Problem
from ednas_nni.study import PruneOptions
from ednas_nni.study.objectives import Objective, value_of

_log = logging.getLogger("nni.ednas.prune")


@runtime_checkable
class EndsEarly(Protocol):
    """An engine that can end a trial which runs."""

    def end_early(self, model: ExecutableModelSpace) -> None:
        """Ask for the end of a model's trial. It may still report before it ends."""


class Prune(Forwarding):
    """Looks at every intermediate result of a trial of the search; those that finish networks run to their end.

    Record writes down that a trial is to end, and why, before the engine hears of it: whatever happens in between, the
    trial's end is booked as *pruned*, or as trained where a final result arrives all the same.

    Args:
        problem: Costs and objectives.
        journal: Learning curves.
        options: Of the study.
    """

    def __init__(self, problem: Problem, journal: Journal, options: PruneOptions) -> None:
        super().__init__()
        self.problem, self.journal, self.options = problem, journal, options
        self._asked: set[int] = set()  # in this session: one that was asked before a kill may run on after it

    def extra_repr(self) -> str:
        """Show the options."""
        return f"probability={self.options.probability:g}, results={self.options.results}"

    def _initialize_engine(self, engine: object) -> None:
        if not isinstance(self.innermost, EndsEarly):
            raise StudyError(
                f"prune: {type(self.innermost).__name__} cannot end a trial early. Search with `ednas search`, nnictl, "
                "or engine 'ts', or remove `prune`."
            )
        self.engine.register_model_event_callback(ModelEventType.IntermediateMetric, self._on_intermediate)

    def _on_intermediate(self, event: IntermediateMetricEvent) -> None:
        record = self.engine
        trial = record.trial_of(event.model) if isinstance(record, Record) else None
        if trial is None or trial.seed is not None or trial.trial in self._asked:
            return
        chance = chance_dominated(trial, list(self.journal.history().results.values()), self.problem, self.options)
        if chance > self.options.probability:
            step = max(curve(trial))
            reason = f"after report {step + 1:g} it was dominated at its cost with probability {chance:.3f}"
            self._asked.add(trial.trial)
            record.prune(event.model, reason)
            _log.info("trial %d of %s is ended: %s", trial.trial, trial.architecture, reason)
            engine = self.innermost
            assert isinstance(engine, EndsEarly), "it was looked at when the chain was initialised"
            engine.end_early(event.model)


def curve(trial: TrialRecord) -> dict[float, Mapping[str, float]]:
    """Report number -> metrics; of a job that was run again, those of its last run."""
    reports: dict[float, Mapping[str, float]] = {}
    for step, metrics in trial.intermediates:
        if reports and step <= max(reports):
            reports.clear()
        reports[step] = metrics
    return reports


def chance_dominated(
    trial: TrialRecord, finished: Sequence[TrialRecord], problem: Problem, options: PruneOptions
) -> float:
    """How probable it is, at least, that a running trial ends dominated by one of the finished ones; 0 = not known.

    Nothing is known before `options.results` trials have ended that had reported as far, at the last report of these,
    and where a measured objective is not among what trials report.
    """
    reports = curve(trial)
    step = max(reports, default=-1.0)
    curves = [(one, curve(one)) for one in finished]
    curves = [(one, points) for one, points in curves if step in points]
    if len(curves) < options.results or step >= max(max(points) for _, points in curves):
        return 0.0
    costs = [o for o in problem.objectives if o.name in problem.cost_names]
    measured = [o for o in problem.objectives if o.name not in problem.cost_names]
    rivals = [one for one in finished if all(_no_dearer(one, trial, o) for o in costs)]
    if not rivals or not measured:
        return 0.0
    doubt = np.zeros(len(rivals))
    try:
        for o in measured:
            had = np.array([value_of(o, points[step], {}) for _, points in curves])
            ended = np.array([value_of(o, one.metrics, {}) for one, _ in curves])
            values = np.array([value_of(o, one.metrics, {}) for one in rivals])
            mean, spread, degrees = predicted(had, ended, value_of(o, reports[step], {}))
            lead = (values - mean) if o.maximise else (mean - values)
            doubt += student.sf(lead / spread, degrees)
    except KeyError:
        return 0.0
    return float(max(0.0, 1.0 - doubt.min()))


def _no_dearer(one: TrialRecord, other: TrialRecord, objective: Objective) -> bool:
    a, b = one.costs.get(objective.name, np.nan), other.costs.get(objective.name, np.nan)
    return bool(a >= b if objective.maximise else a <= b)


def predicted(had: np.ndarray, ended: np.ndarray, has: float) -> tuple[float, float, int]:
    """Where a trial ends that has a value now: mean, spread and degrees of freedom of Student's distribution.

    Of n >= 3 others that had (n,) at the same report and ended at (n,); least squares, the predictive distribution.
    """
    n, centre = len(had), float(had.mean())
    width = float(((had - centre) ** 2).sum())
    slope = float(((had - centre) * ended).sum()) / width if width > 0 else 0.0
    rest = ended - ended.mean() - slope * (had - centre)
    # A spread of none would be certainty: values that a stub computes lie on a line up to rounding.
    spread = max(float(np.sqrt((rest**2).sum() / (n - 2))), 1e-9 * (1.0 + float(np.abs(ended).max())))
    far = (has - centre) ** 2 / width if width > 0 else 0.0
    return float(ended.mean()) + slope * (has - centre), spread * float(np.sqrt(1 + 1 / n + far)), n - 2
