"""The reward that makes a single-objective strategy hardware-aware, as a study describes it."""

from __future__ import annotations

from typing import TypedDict

from ednas_nni.errors import StudyError
from ednas_nni.study import HardwareReward, Study
from ednas_nni.study.objectives import (
    DELTA_T,
    POSITIVE_ONLY,
    QUALITY,
    check_reward,
    parse_constraint,
    parse_objective,
    score_of,
)


class RewardOptions(TypedDict):
    """Arguments of `CostAware`, which say what they mean."""

    cost: str
    target: float
    reward: str
    weight: float


def hardware_reward(study: Study, single_objective: bool, usual: str = "log") -> RewardOptions | None:
    """Arguments of the reward around a strategy, or None where there is none.

    A strategy that looks at more than one number gets no reward unless it is asked for; `usual` is the one of a study
    that names none.

    Raises:
        StudyError: No target can be derived, or a setting is wrong.
    """
    objectives = [parse_objective(text) for text in study.objectives]
    percent = score_of(objectives) == DELTA_T
    costs = [o.name for o in objectives if o.name not in (QUALITY, DELTA_T) and not o.maximise]
    wanted = study.hardware_aware
    if wanted == "off" or (wanted == "auto" and (not single_objective or not costs)):
        return None
    settings = wanted if isinstance(wanted, HardwareReward) else HardwareReward(cost=costs[0])
    if "reward" not in settings.model_fields_set:
        settings = settings.model_copy(update={"reward": usual})
    if percent and settings.reward in POSITIVE_ONLY:
        raise StudyError(
            f"hardware_aware: reward {settings.reward!r} is a product and means nothing for delta_t, which is negative "
            "for many networks; use 'log'."
        )
    target = settings.target
    if target is None:
        limits = map(parse_constraint, study.constraints)
        bounds = [c.bound for c in limits if c.name == settings.cost and c.op == "<="]
        if not bounds:
            raise StudyError(
                f"hardware_aware: no target for {settings.cost}. Give hardware_aware.target or a constraint "
                f"'{settings.cost} <= NUMBER'."
            )
        target = bounds[0]
    check_reward(settings.reward, target, settings.weight)
    return {
        "cost": settings.cost,
        "target": target,
        "reward": settings.reward,
        "weight": settings.weight * (100 if percent else 1),
    }
