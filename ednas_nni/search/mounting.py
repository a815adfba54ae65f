"""Mounts a strategy: the one chain that nnictl's Advisor, NasExperiment and sequential runs share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ednas_nni.compat.nas import FinalMetricEvent
from ednas_nni.compat.nas_search import Chain, Strategy, StrategyMiddleware
from ednas_nni.errors import StudyError
from ednas_nni.record.front import plateau
from ednas_nni.record.journal import Journal
from ednas_nni.search.middleware.constrain import Constrain
from ednas_nni.search.middleware.cost_aware import CostAware
from ednas_nni.search.middleware.finish import Finish
from ednas_nni.search.middleware.forwarding import Forwarding, ModelEventType
from ednas_nni.search.middleware.outcomes import Outcomes
from ednas_nni.search.middleware.patience import Patience
from ednas_nni.search.middleware.prune import Prune
from ednas_nni.search.middleware.record import Record
from ednas_nni.search.middleware.retry import Retry
from ednas_nni.search.middleware.reuse import Reuse
from ednas_nni.search.problem import Problem, Sample
from ednas_nni.search.reachable import check_reachable
from ednas_nni.search.shell import AskTellStrategy, check_rewardable
from ednas_nni.study import FinishOptions, PruneOptions, StopOptions
from ednas_nni.study.objectives import Constraint

if TYPE_CHECKING:
    from ednas_nni.training.evaluator import Evaluator


def mount(
    strategy: Strategy,
    problem: Problem,
    journal: Journal,
    *,
    hardware_aware: CostAware | Mapping[str, Any] | None = None,
    patience: int = 300,
    reachable: Mapping[Constraint, float] | None = None,
    retries: int = 0,
    stop_after_failures: int = 0,
    finish: FinishOptions | None = None,
    prune: PruneOptions | None = None,
    stop_when: StopOptions | None = None,
    evaluator: Callable[[int, int], Evaluator] | None = None,
    start: Sequence[Sample] = (),
) -> Chain:
    """Chain(strategy, [middlewares of its own], [CostAware], Reuse, Constrain, [Finish], Retry, [Prune], Record).

    Args:
        strategy: Any multi-trial NNI strategy, or a Chain of one with middlewares of the user's own.
        problem: What is searched.
        journal: Its results are reused.
        hardware_aware: A CostAware (HardwareAware is one) or its arguments (cost, target, reward, weight).
        patience: Proposals in a row without a training after which the search ends.
        reachable: Constraint -> most favourable cost that an architecture has, for callers who know it, such as
            `ednas_nni.cost.smallest(table, name).value`. Costs that are not given are estimated from samples of the
            problem's domains, which may miss the extreme in a large space.
        retries: Further attempts at a trial that failed for a passing reason, see `Retry`.
        stop_after_failures: The search stops when its first so many trials have failed; 0 = never.
        finish: What the last trials are for; None = all of them search.
        prune: Which trials are ended early; None = none.
        stop_when: The strategy's part ends before its trials do; None = it does not.
        evaluator: Of `finish`, for engines that train in this process, see `Finish`.
        start: Samples that are trained before the strategy proposes any.

    Raises:
        InfeasibleError: Nothing can meet the constraints; the message gives the smallest reachable value.
        StudyError: A reward around a strategy that trades quality against cost itself, or a bound strategy.
    """
    inner, middlewares = _unwrap(strategy)
    if hardware_aware is not None:
        middlewares.append(hardware_aware if isinstance(hardware_aware, CostAware) else CostAware(**hardware_aware))
    rewards = [middleware for middleware in middlewares if isinstance(middleware, CostAware)]
    if len(rewards) > 1:
        raise StudyError("hardware_aware: two rewards are mounted, the cost would count twice. Keep one.")
    if rewards:
        check_rewardable(inner)
    check_reachable(problem, reachable)
    for middleware in rewards:
        if middleware.problem is None:
            middleware.bind(problem)
    if isinstance(inner, AskTellStrategy) and inner.problem is not problem:
        inner.bind(problem)
    history = journal.history()
    if history.own and history.own[0].architecture not in map(problem.domains.architecture_id, start):
        start = ()  # it was begun by a version that trained none first, and goes on as it began
    flat = partial(plateau, history, stop_when) if stop_when is not None else str
    outcomes, shared = Outcomes(history, retries), Patience(patience, stop_after_failures, flat)
    ending = [] if finish is None else [Finish(problem, journal, outcomes, finish, evaluator)]
    ours = isinstance(inner, AskTellStrategy)
    return Mounted(
        start,
        inner,
        *([] if ours else [Numbers()]),
        *middlewares,
        Reuse(problem, journal, outcomes, shared),
        Constrain(problem, journal, shared),
        *ending,
        Retry(problem, journal, retries, *(one.spare for one in ending)),
        *([] if prune is None else [Prune(problem, journal, prune)]),
        Record(problem, journal, outcomes, shared),
    )


class ResultNumber(float):
    """What a strategy as in NNI's docs finds in a FinalMetric event: `default`; the whole result is in `metrics`."""

    metrics: dict[str, float]


class Numbers(Forwarding):
    """The layer next to a strategy that is not ours: the metric of a result is a number, as NNI's docs have it."""

    def _initialize_engine(self, engine: object) -> None:
        self.engine.register_model_event_callback(ModelEventType.FinalMetric, self._on_final)

    def _on_final(self, event: FinalMetricEvent) -> None:
        if isinstance(event.metric, dict):
            score = ResultNumber(event.metric["default"])
            score.metrics, event.metric = event.metric, score


class Mounted(Chain):
    """A chain that has `start` trained before its strategy begins, which takes these trials for somebody else's.

    After the strategy's its run goes on with what a middleware `Finish` has to do.
    """

    def __init__(self, start: Sequence[Sample], strategy: Strategy, *middlewares: StrategyMiddleware) -> None:
        super().__init__(strategy, *middlewares)
        self.start = start

    def run(self) -> None:
        """Submit the samples, one a free worker, while there is budget, run the strategy, finish."""
        for sample in self.start:
            if self._strategy.wait_for_resource():
                self._strategy.engine.submit_models(self._strategy.model_space.freeze(sample))
        super().run()
        for layer in self._middlewares:
            if isinstance(layer, Finish):
                layer.finish()


def _unwrap(strategy: Strategy) -> tuple[Strategy, list[StrategyMiddleware]]:
    if not isinstance(strategy, Chain):
        return strategy, []
    return strategy._strategy, list(strategy._middlewares)


def layers(chain: Chain) -> list[StrategyMiddleware]:
    """The middlewares of a chain, outermost first."""
    return _unwrap(chain)[1]


def recorder(chain: Chain) -> Record:
    """The innermost middleware of a mounted chain."""
    record = layers(chain)[-1]
    if not isinstance(record, Record):
        raise StudyError("this chain was not made by `mount`: no middleware writes a journal.")
    return record


def reason(chain: Chain) -> str:
    """Why a search ended before its budget was used up; empty when the budget ended it."""
    inner, middlewares = _unwrap(chain)
    reasons = [inner.reason] if isinstance(inner, AskTellStrategy) else []
    reasons += [m.patience.reason for m in middlewares if isinstance(m, Reuse | Constrain)]
    reasons += [m.reason for m in middlewares if isinstance(m, Finish)]
    return next((text for text in reasons if text), "")


def hopeless(chain: Chain) -> bool:
    """Whether a search was given up because its first trials all failed."""
    return any(m.patience.hopeless for m in layers(chain) if isinstance(m, Reuse))
