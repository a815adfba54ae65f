"""HardwareAware: one line that makes any NNI strategy search for a device.

Chain(RegularizedEvolution(), HardwareAware(device="edge_tpu", latency_ms=16))
"""

from __future__ import annotations

from collections.abc import Sequence

from ednas_nni.compat.nas import ExecutableModelSpace, ModelSpace, RawFormatModelSpace, SimplifiedModelSpace
from ednas_nni.errors import StudyError
from ednas_nni.search.middleware.cost_aware import CostAware
from ednas_nni.search.problem import Problem


class HardwareAware(CostAware):
    """A reward of quality and cost for any single-objective NNI strategy.

    Inside an EDNAS experiment the costs are bound for it; elsewhere it prices the model space by itself.

    Args:
        device: Name of a device plugin.
        latency_ms: Target of the reward, ms at `deploy_size`.
        reward: "log" (default), "tunas_abs", "one_sided_abs", "mnas_soft" or "mnas_hard".
        weight: Price of the cost, <= 0. With "log", -0.07 means that doubling the latency must gain 0.049 of quality.
        deploy_size: Height and width in pixels at which the device runs the network.
        problem: Costs, if they are at hand.
        cost: Another cost than the latency, e.g. "macs".
        target: Target of that cost in its unit; default `latency_ms`.

    Raises:
        StudyError: Unknown reward or cost, a target that is not positive, or a positive weight.
    """

    def __init__(
        self, device: str = "edge_tpu", latency_ms: float = 16.0, reward: str = "log", weight: float = -0.07,
        deploy_size: Sequence[int] = (512, 1024), problem: Problem | None = None, cost: str = "latency_ms",
        target: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(cost, latency_ms if target is None else target, reward, weight, problem)
        self.device = device
        self.deploy_size = tuple(deploy_size)

    def _initialize_model_space(self, model_space: ExecutableModelSpace) -> ExecutableModelSpace:
        if self.problem is None:
            from ednas_nni.cost import cost_table

            table = cost_table(original_space(model_space), [self.device], deploy_size=self.deploy_size)
            self.bind(Problem(domains=table.domains, cost_names=tuple(table.names), costs=table))
        return super()._initialize_model_space(model_space)


def original_space(model_space: ExecutableModelSpace) -> ModelSpace:
    """The network-level model space inside what NNI hands to strategies."""
    if isinstance(model_space, RawFormatModelSpace):
        return model_space.model_space
    if isinstance(model_space, SimplifiedModelSpace):  # it keeps the recipe of the network only
        return model_space.model.trace_copy().get(traceable=False)
    raise StudyError(
        f"hardware_aware: cannot find the network inside {type(model_space).__name__}. Use the 'simplified' or 'raw' "
        "format of NasExperimentConfig, or pass problem=."
    )
