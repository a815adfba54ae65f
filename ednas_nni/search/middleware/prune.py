"""Prune: a trial whose learning curve says that it will end dominated is ended early.

**The idea.** Of trials that have ended it is known what they had at a report and where they ended, so a line through
these pairs predicts the end of a running one, with Student's spread. It is ended when a finished network that costs no
more on any axis is, with the study's probability, better on every other.

**Why this way.** One number, as NNI's assessors compare, would end every small network: it is never the best, and yet
it may be on the front. Who ran to the end was decided by the very score that the line is a function of, so it is not
bent. Doubts about several measured objectives are added up (Bonferroni): they need not be independent.

**A tiny example**, at the third of six reports: nine trials had 0.10 to 0.30 there and ended 0.20 +- 0.01 higher. One
that runs has 0.12 and costs 8 ms: it will end at 0.32 +- 0.01. A network of 6 ms has 0.36, so it is ended.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
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
from ednas_nni.study.objectives import value_of

_log = logging.getLogger("nni.ednas.prune")


@runtime_checkable
class EndsEarly(Protocol):
    """An engine that can end a trial which runs."""

    def end_early(self, model: ExecutableModelSpace) -> None:
        """Ask for the end of a model's trial. It may still report before it ends."""


class Prune(Forwarding):
    """Looks at every intermediate result of the search part, of which Record makes a decision before the engine hears.

    So whatever happens in between, the end is booked as *pruned*, or as trained where a final result comes first.
    """

    def __init__(self, problem: Problem, journal: Journal, options: PruneOptions) -> None:
        super().__init__()
        self.problem, self.journal, self.options = problem, journal, options
        self._asked: set[int] = set()  # in this session: one that was asked before a kill may run on after it

    def _initialize_engine(self, engine: object) -> None:
        if not isinstance(self.innermost, EndsEarly):
            raise StudyError(
                f"prune: {type(self.innermost).__name__} cannot end a trial early. Search with `ednas search`, nnictl, "
                "or engine 'ts', or remove `prune`."
            )
        self.engine.register_model_event_callback(ModelEventType.IntermediateMetric, self._on_intermediate)

    def _on_intermediate(self, event: IntermediateMetricEvent) -> None:
        record, engine = self.engine, self.innermost
        trial = record.trial_of(event.model) if isinstance(record, Record) else None
        if trial is None or trial.seed is not None or trial.trial in self._asked:
            return
        chance = chance_dominated(trial, list(self.journal.history().results.values()), self.problem, self.options)
        if chance > self.options.probability and isinstance(record, Record) and isinstance(engine, EndsEarly):
            self._asked.add(trial.trial)
            reason = f"after report {max(trial.curve) + 1:g} it was dominated at its cost with probability {chance:.3f}"
            record.prune(event.model, reason)
            _log.info("trial %d of %s is ended: %s", trial.trial, trial.architecture, reason)
            engine.end_early(event.model)


def chance_dominated(
    trial: TrialRecord, finished: Sequence[TrialRecord], problem: Problem, options: PruneOptions
) -> float:
    """How probable it is, at least, that a running trial ends dominated by one of the finished ones.

    0 before `options.results` trials have ended that had reported as far, at their last report, and where a measured
    objective is not among what trials report.
    """
    reports = trial.curve
    step = max(reports, default=-1.0)
    curves = [(one, points) for one in finished if step in (points := one.curve)]
    if len(curves) < options.results or step >= max(max(points) for _, points in curves):
        return 0.0
    costs = [o for o in problem.objectives if o.name in problem.cost_names]
    measured = [o for o in problem.objectives if o.name not in problem.cost_names]
    sign = {o.name: 1 if o.maximise else -1 for o in problem.objectives}
    rivals = [
        r
        for r in finished
        if all(sign[o.name] * (r.costs.get(o.name, np.nan) - trial.costs[o.name]) >= 0 for o in costs)
    ]
    if not rivals or not measured:
        return 0.0
    doubt = np.zeros(len(rivals))
    try:
        for o in measured:
            had = np.array([value_of(o, points[step], {}) for _, points in curves])
            ended = np.array([value_of(o, one.metrics, {}) for one, _ in curves])
            values = np.array([value_of(o, one.metrics, {}) for one in rivals])
            mean, spread, degrees = predicted(had, ended, value_of(o, reports[step], {}))
            doubt += student.sf(sign[o.name] * (values - mean) / spread, degrees)
    except KeyError:
        return 0.0
    return float(max(0.0, 1.0 - doubt.min()))


def predicted(had: np.ndarray, ended: np.ndarray, has: float) -> tuple[float, float, int]:
    """Where a trial ends that has a value now: mean, spread and degrees of freedom of Student's distribution.

    Of n >= 3 others that had (n,) at the same report and ended at (n,); least squares, the predictive distribution.
    """
    n, centre = len(had), float(had.mean())
    width = float(((had - centre) ** 2).sum()) or np.inf
    slope = float(((had - centre) * ended).sum()) / width
    rest = ended - ended.mean() - slope * (had - centre)
    # A spread of none would be certainty: values that a stub computes lie on a line up to rounding.
    spread = max(float(np.sqrt((rest**2).sum() / (n - 2))), 1e-9 * (1.0 + float(np.abs(ended).max())))
    widened = spread * float(np.sqrt(1 + 1 / n + (has - centre) ** 2 / width))
    return float(ended.mean()) + slope * (has - centre), widened, n - 2
