"""What a search wants (objectives), what it rejects (constraints) and how both become one number (rewards).

Pure Python. Quality is larger-is-better and may be negative (0 = no better than the position prior); costs are
positive and smaller-is-better.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ednas_nni.errors import StudyError, did_you_mean

QUALITY = "quality"
DELTA_T = "delta_t"  # percent; see ednas_nni/tasks/delta_t.py
IN_INT8 = "_int8"
"""What names of scores end with that a network keeps in 8 bits; see ednas_nni/training/int8.py."""
DIRECTIONS = ("max", "min")
OPERATORS = ("<=", ">=")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONSTRAINT = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*(<=|>=|<|>|==|=)\s*(\S+)\s*")
# Larger is better without saying so; everything else named without a direction is a cost.
_MAXIMISED = (QUALITY, DELTA_T, QUALITY + IN_INT8)


@dataclass(frozen=True)
class Objective:
    """One axis of the front.

    Attributes:
        name: "quality", a cost ("latency_ms") or a key of the trials' final metrics ("segmentation_miou").
        direction: "max" or "min".
    """

    name: str
    direction: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise StudyError(
                f"objectives: {self.name!r} is not a name. Write a metric or cost such as 'quality', "
                "'latency_ms', 'max:segmentation_miou' or 'min:depth_abs_error_m'."
            )
        if self.direction not in DIRECTIONS:
            raise StudyError(
                f"objectives: {self.name} has direction {self.direction!r}.{did_you_mean(self.direction, DIRECTIONS)}"
            )

    @property
    def maximise(self) -> bool:
        """Whether larger is better."""
        return self.direction == "max"

    def __str__(self) -> str:
        return f"{self.direction}:{self.name}"


def parse_objective(text: str | Objective) -> Objective:
    """Read "quality" (larger is better), "latency_ms" (a bare cost is minimised), "max:NAME" or "min:NAME"."""
    if isinstance(text, Objective):
        return text
    if not isinstance(text, str):
        raise StudyError(f"objectives: {text!r} is not a text. Write for example 'quality' or 'min:latency_ms'.")
    direction, colon, name = (part.strip() for part in text.strip().partition(":"))
    if colon:
        return Objective(name, direction)
    return Objective(direction, "max" if direction in _MAXIMISED else "min")


def score_of(objectives: Iterable[Objective]) -> str:
    """What trials report as `default`: "delta_t" where it is an objective and quality is not, else "quality"."""
    names = [objective.name for objective in objectives]
    return DELTA_T if DELTA_T in names and QUALITY not in names else QUALITY


@dataclass(frozen=True)
class Constraint:
    """A hard bound on a cost: what lies outside is never trained.

    Attributes:
        name: Cost name with its unit, e.g. "latency_ms".
        op: "<=" or ">=".
        bound: In the cost's unit, finite.
    """

    name: str
    op: str
    bound: float

    def __post_init__(self) -> None:
        if self.op not in OPERATORS:
            raise StudyError(
                f"constraints: {self.name} {self.op} {self.bound}: operator {self.op!r} is not allowed; "
                "write '<=' or '>=', for example 'latency_ms <= 19'."
            )
        if isinstance(self.bound, bool) or not isinstance(self.bound, int | float) or not math.isfinite(self.bound):
            raise StudyError(
                f"constraints: the bound of {self.name} is {self.bound!r}; it must be a finite number in the "
                "cost's unit, for example 'latency_ms <= 19'."
            )

    def holds(self, value: float) -> bool:
        """Whether a cost meets the bound; NaN never does."""
        return bool(value <= self.bound) if self.op == "<=" else bool(value >= self.bound)

    def __str__(self) -> str:
        return f"{self.name} {self.op} {self.bound:g}"


def parse_constraint(text: str | Constraint) -> Constraint:
    """Read "latency_ms <= 19"."""
    if isinstance(text, Constraint):
        return text
    match = _CONSTRAINT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise StudyError(f"constraints: cannot read {text!r}. Write NAME <= NUMBER, for example 'latency_ms <= 19'.")
    name, op, number = match.groups()
    try:
        bound = float(number)
    except ValueError:
        raise StudyError(
            f"constraints: {number!r} in {text!r} is not a number. Write a plain number in the cost's unit, "
            "for example 'latency_ms <= 19'."
        ) from None
    return Constraint(name, op, bound)


def value_of(objective: Objective, metrics: Mapping[str, float], costs: Mapping[str, float]) -> float:
    """The value of one objective for one trial; "quality" is its `default` metric. KeyError where it has none."""
    if objective.name in costs:
        return float(costs[objective.name])
    return float(metrics["default" if objective.name == QUALITY else objective.name])


def check_names(objectives: Iterable[Objective], constraints: Iterable[Constraint], cost_names: Iterable[str]) -> None:
    """Reject constraints on names that are not costs, and an objective that is named twice.

    Objectives may also name metrics, which are known only when a trial reports them; they are not checked here.
    """
    costs = tuple(cost_names)
    for constraint in constraints:
        if constraint.name not in costs:
            hint = did_you_mean(constraint.name, costs)
            raise StudyError(f"constraints: {constraint.name!r} in '{constraint}' is not a cost.{hint}")
    seen: set[str] = set()
    for objective in objectives:
        if objective.name in seen:
            raise StudyError(f"objectives: {objective.name!r} is named twice. Name each objective once.")
        seen.add(objective.name)


REWARDS: dict[str, Callable[[float, float, float], float]] = {
    "log": lambda quality, ratio, weight: quality + weight * math.log(ratio),
    "tunas_abs": lambda quality, ratio, weight: quality + weight * abs(ratio - 1.0),
    "one_sided_abs": lambda quality, ratio, weight: quality + weight * max(0.0, ratio - 1.0),
    "mnas_soft": lambda quality, ratio, weight: quality * math.pow(ratio, weight),
    "mnas_hard": lambda quality, ratio, weight: quality * min(1.0, math.pow(ratio, weight)),
}
"""Of quality, cost as a share of the target, and weight; see `reward`."""
POSITIVE_ONLY = ("mnas_soft", "mnas_hard")


def check_reward(kind: str, target: float, weight: float) -> None:
    """Reject a reward that cannot work, before anything is trained."""
    if kind not in REWARDS:
        raise StudyError(f"reward: {kind!r} is unknown.{did_you_mean(kind, REWARDS)}")
    if not (math.isfinite(target) and target > 0):
        raise StudyError(f"reward: the target is {target!r}; it must be a positive number in the cost's unit.")
    if not (math.isfinite(weight) and weight <= 0):
        raise StudyError(
            f"reward: weight is {weight!r}; it must be <= 0 (a positive weight would reward slow networks), "
            "for example -0.07."
        )


def reward(kind: str, quality: float, cost: float, target: float, weight: float = -0.07) -> float:
    """One number from quality Q and cost T against a target T0, with a weight w <= 0.

    * `log` (default): Q + w ln(T/T0). Right for any sign of Q; doubling the cost has the same price everywhere.
    * `tunas_abs`: Q + w |T/T0 - 1| (Bender et al., TuNAS, CVPR 2020). Note that it also punishes a network that
      is *faster* than the target.
    * `one_sided_abs`: Q + w max(0, T/T0 - 1). Free below the target.
    * `mnas_soft`: Q (T/T0)^w; `mnas_hard`: Q min(1, (T/T0)^w) (Tan et al., MnasNet, CVPR 2019, eq. 2). Products:
      for Q <= 0 a larger cost would raise them, so they are rejected there.

    No reward rises when T grows beyond T0.

    Args:
        kind: One of `REWARDS`.
        quality: Q, larger is better.
        cost: T > 0, in the target's unit.
        target: T0 > 0.
        weight: w <= 0.

    Raises:
        StudyError: As `check_reward`, or a product reward for Q <= 0.
        ValueError: Q or T is not finite, or T <= 0.
    """
    check_reward(kind, target, weight)
    if not math.isfinite(quality) or not math.isfinite(cost) or cost <= 0:
        raise ValueError(f"reward: quality {quality!r} and cost {cost!r} must be finite and the cost positive.")
    if kind in POSITIVE_ONLY and quality <= 0:
        raise StudyError(
            f"reward: {kind!r} is a product and means nothing for quality {quality:g} <= 0 (a slower network "
            "would score higher). Use reward 'log', which is right for any sign."
        )
    return REWARDS[kind](quality, cost / target, weight)
