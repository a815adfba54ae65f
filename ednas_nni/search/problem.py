"""What a strategy searches over: domains, costs known before training, objectives and hard constraints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ednas_nni.errors import StudyError
from ednas_nni.study.objectives import Constraint, Objective, check_names, value_of

if TYPE_CHECKING:
    from ednas_nni.space.domains import Domains

Sample = dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """A search problem, free of devices, data and NNI.

    Attributes:
        domains: The search space as labels with values.
        cost_names: Names with units, one per column of `costs`.
        costs: Canonical samples -> (n, k) float64, at the deployment size; exact and cheap.
        objectives: Axes of the front; empty means quality alone.
        constraints: Hard bounds on costs.

    Raises:
        StudyError: A constraint names no cost, or an objective is named twice.
    """

    domains: Domains
    cost_names: tuple[str, ...]
    costs: Callable[[Sequence[Sample]], np.ndarray] = field(repr=False)
    objectives: tuple[Objective, ...] = ()
    constraints: tuple[Constraint, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "cost_names", tuple(self.cost_names))
        object.__setattr__(self, "objectives", tuple(self.objectives) or (Objective("quality", "max"),))
        object.__setattr__(self, "constraints", tuple(self.constraints))
        check_names(self.objectives, self.constraints, self.cost_names)

    def cost_matrix(self, samples: Sequence[Sample]) -> np.ndarray:
        """Costs (n, k), float64, of n samples in which inactive labels may be missing or have any legal value."""
        return self.canonical_costs([self.domains.complete(sample) for sample in samples])

    def canonical_costs(self, samples: Sequence[Sample]) -> np.ndarray:
        """As `cost_matrix`, for samples that are canonical already (what domains hand out)."""
        if not len(samples):
            return np.zeros((0, len(self.cost_names)))
        matrix = np.asarray(self.costs(samples), dtype=np.float64)
        if matrix.shape != (len(samples), len(self.cost_names)):
            raise StudyError(
                f"costs returned shape {matrix.shape} for {len(samples)} samples and columns {self.cost_names}; "
                f"it must return ({len(samples)}, {len(self.cost_names)})."
            )
        return matrix

    def meets(self, costs: np.ndarray) -> np.ndarray:
        """(n, k) costs -> (n,) bool, True where every constraint holds (NaN never does)."""
        good = np.ones(len(costs), dtype=bool)
        for constraint in self.constraints:
            column = costs[:, self.cost_names.index(constraint.name)]
            good &= column <= constraint.bound if constraint.op == "<=" else column >= constraint.bound
        return good

    def feasible(self, samples: Sequence[Sample]) -> np.ndarray:
        """(n,) bool, True where every constraint holds."""
        return self.meets(self.cost_matrix(samples))

    def cost_dict(self, sample: Sample) -> dict[str, float]:
        """Cost name -> value of one sample."""
        return dict(zip(self.cost_names, map(float, self.cost_matrix([sample])[0]), strict=True))

    def values(self, metrics: Mapping[str, float], costs: Mapping[str, float]) -> tuple[dict[str, float] | None, str]:
        """What a strategy is told of a trained architecture: objective name -> value, or None and why not.

        Its final metrics hold `default`.
        """
        try:
            return {o.name: value_of(o, metrics, costs) for o in self.objectives}, ""
        except KeyError as error:
            return None, f"the trial's metrics lack the objective {error}"

    def violations(self, sample: Sample) -> list[str]:
        """Why a sample is rejected, one readable line per broken constraint; empty when it is feasible."""
        costs = self.cost_dict(sample)
        return [
            f"{constraint.name} is {costs[constraint.name]:.4g}, allowed is {constraint.op} {constraint.bound:g}"
            for constraint in self.constraints
            if not constraint.holds(costs[constraint.name])
        ]
