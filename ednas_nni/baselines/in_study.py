"""What a study wants of `delta_t`, and the references that it gets."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ednas_nni.baselines.comparison import Comparison, find
from ednas_nni.data.cache import cache_root
from ednas_nni.errors import ReferenceRecordError, StudyError
from ednas_nni.study import Study
from ednas_nni.study.objectives import DELTA_T, parse_objective, score_of


def score(study: Study) -> str:
    """What trials of the study report as `default`: "quality" or "delta_t"."""
    return score_of(map(parse_objective, study.objectives))


def wanted(study: Study) -> bool:
    """Whether `delta_t` is an objective, so that the search cannot do without it."""
    return DELTA_T in [parse_objective(text).name for text in study.objectives]


def takes_references(factory: Callable[..., Any]) -> bool:
    """Whether an evaluator can measure `delta_t`."""
    return "references" in inspect.signature(getattr(factory, "__wrapped__", factory)).parameters


def check(study: Study, factory: Callable[..., Any]) -> None:
    """Refuse a study that asks for `delta_t` in vain.

    Args:
        study: The study.
        factory: Its evaluator plugin.

    Raises:
        StudyError: `delta_t` is an objective without a `reference`, or of an evaluator that cannot measure it.
    """
    if not wanted(study):
        return
    if study.reference is None:
        raise StudyError(
            "objectives: delta_t compares with single-task networks, so the study must name one: add for example "
            "`reference: mobilenet_v2_small`, and make them once: ednas reference FILE.yml"
        )
    if not takes_references(factory):
        raise StudyError(
            f"objectives: evaluator {study.evaluator.name!r} does not measure delta_t; use 'jared', or the objective "
            "quality."
        )


def lookup(study: Study, factory: Callable[..., Any], file: str = "FILE.yml") -> tuple[Comparison | None, str]:
    """The references of a study that names one.

    Args:
        study: The study.
        factory: Its evaluator plugin.
        file: The experiment's file, for messages.

    Returns:
        The references, or None with the reason: "" where the study does not ask for any.

    Raises:
        StudyError: As `check`, or the space has no such member.
        ReferenceRecordError: None fits, and `delta_t` is an objective.
    """
    check(study, factory)
    if study.reference is None or not takes_references(factory):
        return None, ""
    from ednas_nni.baselines.identity import identities

    try:
        return find(identities(study), cache_root(study.data.options.get("cache")), file), ""
    except ReferenceRecordError as error:
        if wanted(study):
            raise ReferenceRecordError(f"objectives: {error}") from None
        return None, f"delta_t is not measured: {error}"
