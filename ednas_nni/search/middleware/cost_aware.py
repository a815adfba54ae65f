"""CostAware: makes any single-objective NNI strategy see a reward of quality and cost."""

from __future__ import annotations

import logging
import weakref
from typing import Any

from ednas_nni.compat.nas import FinalMetricEvent
from ednas_nni.errors import StudyError, did_you_mean
from ednas_nni.record.reports import read_report
from ednas_nni.search.middleware.forwarding import ExecutableModelSpace, Forwarding, ModelEventType
from ednas_nni.search.problem import Problem
from ednas_nni.study.objectives import DELTA_T, check_reward, reward

_log = logging.getLogger("nni.ednas.cost_aware")


class CostAware(Forwarding):
    """Replaces `default` of final metrics by a reward, for everything above this middleware.

    The event is changed in place, on a copy of its metrics: NNI stores whatever the event holds at the end of its
    journey, and a second event would be overwritten by the first. Metrics may be a number or a mapping. Middlewares
    below (Reuse, Record) have seen the raw quality by then, so the journal holds no reward.

    Args:
        cost: Name of the cost, e.g. "latency_ms".
        target: T0 > 0 in the cost's unit.
        reward: One of `ednas_nni.study.objectives.REWARDS`.
        weight: w <= 0.
        problem: Costs; may be bound later.

    Raises:
        StudyError: Unknown reward, bad target or weight, or a cost that the problem lacks.
    """

    def __init__(
        self, cost: str = "latency_ms", target: float = 8.0, reward: str = "log", weight: float = -0.07,
        problem: Problem | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        check_reward(reward, target, weight)
        self.cost = cost
        self.target = float(target)
        self.reward = reward
        self.weight = float(weight)
        self.problem: Problem | None = None
        self._mine: weakref.WeakSet[ExecutableModelSpace] = weakref.WeakSet()
        if problem is not None:
            self.bind(problem)

    def bind(self, problem: Problem) -> None:
        """Take the costs from this problem."""
        if self.cost not in problem.cost_names:
            hint = did_you_mean(self.cost, problem.cost_names)
            raise StudyError(f"hardware_aware: {self.cost!r} is no cost of this study.{hint}")
        self.problem = problem

    def extra_repr(self) -> str:
        """Show the reward."""
        return f"reward={self.reward!r}, {self.cost}={self.target:g}, weight={self.weight:g}"

    def reward_of(self, quality: float, sample: dict[str, Any]) -> float:
        """The reward of a sample with this quality; raises as `ednas_nni.study.objectives.reward`."""
        if self.problem is None:
            raise StudyError("hardware_aware: no costs are bound yet; run it inside an experiment or call bind().")
        cost = self.problem.cost_dict(sample)[self.cost]
        return reward(self.reward, quality, cost, self.target, self.weight)

    def _initialize_engine(self, engine: object) -> None:
        self.engine.register_model_event_callback(ModelEventType.FinalMetric, self._on_final)

    def _initialize_model_space(self, model_space: ExecutableModelSpace) -> ExecutableModelSpace:
        if self.problem is None:
            raise StudyError("hardware_aware: no costs are bound; call bind(problem) or use strategies.HardwareAware.")
        return super()._initialize_model_space(model_space)

    def submit_models(self, *models: ExecutableModelSpace) -> None:
        """Remember which models are ours and pass them on."""
        self._mine.update(models)
        super().submit_models(*models)

    def _on_final(self, event: FinalMetricEvent) -> None:
        if event.model not in self._mine:
            return
        raw = event.metric if isinstance(event.metric, dict) else {"default": event.metric}
        report = read_report(raw)
        try:
            if report.fault:
                raise StudyError(report.fault)
            score = report.metrics["default"]
            rewarded = {"default": self.reward_of(score, event.model.sample)}
            rewarded |= {DELTA_T: rewarded["default"]} if report.metrics.get(DELTA_T) == score else {}
            event.metric = {**raw, **rewarded}
        except (StudyError, ValueError) as error:  # ValueError: a cost of 0
            # A callback must not raise into the engine's thread; a trial without a reward has no metric, so
            # the strategy learns nothing from it rather than something wrong.
            _log.warning("A trial gets no reward: %s", error)
            event.stop_propagation()
