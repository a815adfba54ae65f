"""The one NNI strategy around every ask/tell core of ours."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

from ednas_nni.compat.nas import ExecutionEngine, FinalMetricEvent, Middleware, TrainingEndEvent
from ednas_nni.compat.nas_search import Strategy
from ednas_nni.errors import StudyError
from ednas_nni.record.reports import read_report
from ednas_nni.search.core import Core
from ednas_nni.search.middleware.cost_aware import CostAware
from ednas_nni.search.middleware.forwarding import POLL_S, ExecutableModelSpace, ModelEventType, ModelStatus, cause_of
from ednas_nni.search.problem import Problem, Sample

_log = logging.getLogger("nni.ednas.strategy")

BUDGET_POLL_S = 1.0


class AskTellStrategy(Strategy):
    """Runs an ask/tell core as an NNI strategy: asks while workers are free, tells when trials end.

    Subclasses give `make_core`. The core needs a problem, which `mount` binds; calls into it are serialised, and no
    lock is held while a model is submitted, since engines may report from within. A core that had nothing to propose
    is asked again only after it was told something: asking draws random numbers, and how often must not depend on
    the clock.
    """

    multi_objective = False
    """Whether the core looks at the objectives itself, so that a reward around it would count the cost twice."""
    reward = "log"
    """Which reward a study that names none makes for it of quality and cost, where it looks at one number."""

    def __init__(self) -> None:
        super().__init__()
        self.core: Core | None = None
        self.problem: Problem | None = None
        self.reason = ""
        """Why the search ended before its budget did; empty otherwise."""
        self._open: dict[int, tuple[ExecutableModelSpace, Sample]] = {}
        self._metrics: dict[int, Any] = {}
        self._changed = threading.Condition(threading.RLock())
        self._tells = 0
        self._dry: int | None = None  # what `_tells` was when the core had nothing to propose
        self._budget = (float("-inf"), True)

    def make_core(self, problem: Problem) -> Core:
        """Make the core for a problem."""
        raise NotImplementedError(f"{type(self).__name__} must say which ask/tell core it runs: override make_core")

    def bind(self, problem: Problem) -> None:
        """Give the strategy its problem; once, before the search starts."""
        if self.core is not None:
            raise StudyError(f"strategy {type(self).__name__} is bound to a problem already; make a new one.")
        self.problem = problem
        self.core = self.make_core(problem)

    def bound(self) -> tuple[Core, Problem]:
        """The core and its problem; StudyError where none is bound yet."""
        if self.core is None or self.problem is None:
            raise StudyError(
                f"strategy {type(self).__name__} has no problem (costs, constraints). Start it through "
                "ednas_nni.experiment(...) or wrap it with ednas_nni.search.mount(strategy, problem, journal)."
            )
        return self.core, self.problem

    def start_again(self) -> None:
        """Make the core anew, as if nothing had been asked."""
        self.core = self.make_core(self.bound()[1])

    # ---------------------------------------------------------------- NNI's interface
    def _initialize(self, model_space: ExecutableModelSpace, engine: ExecutionEngine) -> ExecutableModelSpace:
        self.bound()
        layer = engine
        while isinstance(layer, Middleware):
            if isinstance(layer, CostAware):
                check_rewardable(self)
            layer = layer.engine
        engine.register_model_event_callback(ModelEventType.FinalMetric, self._on_final)
        engine.register_model_event_callback(ModelEventType.TrainingEnd, self._on_end)
        return model_space

    def _run(self) -> None:
        core = self.bound()[0]
        while self.wait_for_resource():
            with self._changed:
                sample = core.ask()
                self._dry = self._tells if sample is None else None
                idle = not self._open
            if sample is None:
                if idle:
                    self.reason = core.reason or "the strategy has nothing left to propose"
                    _log.info("The search ends: %s", self.reason)
                    break
                continue
            model = self.model_space.freeze(sample)
            with self._changed:
                self._open[id(model)] = (model, sample)
            self.engine.submit_models(model)
        self.engine.wait_models()

    def wait_for_resource(self) -> bool:
        """Wait for a free worker and for news if the core needs some; False when the budget is used up.

        Woken by events instead of NNI's one second. While it waits, the budget is looked at once a second only: NNI's
        training-service engine makes a request to its manager each time.
        """
        while not (self.engine.idle_worker_available() and self._tells != self._dry):
            if not self._budget_seen():
                return False
            with self._changed:
                self._changed.wait(POLL_S)
        return bool(self.engine.budget_available())

    def _budget_seen(self) -> bool:
        seen_at, available = self._budget
        if time.monotonic() - seen_at >= BUDGET_POLL_S:
            available = self.engine.budget_available()
            self._budget = (time.monotonic(), available)
        return available

    def _on_final(self, event: FinalMetricEvent) -> None:
        with self._changed:
            self._metrics[id(event.model)] = event.metric

    def _on_end(self, event: TrainingEndEvent) -> None:
        core, problem = self.bound()
        with self._changed:
            # Results of jobs that others submitted (resumed, or added by hand) teach the core as well.
            sample = event.model.sample
            _, asked = self._open.pop(id(event.model), (None, sample))
            if any(
                sample.get(label, choice) != choice for label, choice in asked.items()
            ):  # in a replay of measured rows
                core.tell(asked, None, "another architecture was trained in its place")
            raw = self._metrics.pop(id(event.model), None)
            report = read_report(raw)
            values, cause = None, report.fault
            if event.status != ModelStatus.Trained:
                cause = cause_of(event) or f"trial ended as {event.status.value}"
            elif not report.fault:
                values, cause = problem.values(report.metrics, problem.cost_dict(sample))
            core.tell(sample, values, cause)
            self._tells += 1
            self._changed.notify_all()

    def state_dict(self) -> dict[str, Any]:
        """The core's state: plain JSON data."""
        with self._changed:
            return {"core": self.core.state_dict() if self.core is not None else None}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue where the state was taken; what was open then is proposed again."""
        if self.core is None:
            raise StudyError(f"strategy {type(self).__name__}: bind a problem before loading a state.")
        with self._changed:
            self.core.load_state_dict(state_dict["core"])
            self.core.reopen()


def multi_objective(strategy: Strategy) -> bool:
    """Whether a strategy looks at the objectives itself. NNI's own know one number alone."""
    return isinstance(strategy, AskTellStrategy) and strategy.multi_objective


def check_rewardable(strategy: Strategy) -> None:
    """Reject a reward around a strategy that trades quality against cost itself: the cost would count twice."""
    if multi_objective(strategy):
        raise StudyError(
            f"hardware_aware: strategy {type(strategy).__name__} already trades quality against cost itself; a reward "
            "around it would count the cost twice. Remove hardware_aware (HardwareAware), or use a single-objective "
            "strategy such as regularized_evolution."
        )
