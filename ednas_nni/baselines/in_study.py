"""What a study wants of `delta_t`, and the baselines that it gets."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

from ednas_nni.baselines.comparison import Comparison, find
from ednas_nni.baselines.identity import identities
from ednas_nni.data.cache import cache_root
from ednas_nni.errors import BaselineError, StudyError
from ednas_nni.study import Study
from ednas_nni.study.objectives import DELTA_T, parse_objective, score_of

if TYPE_CHECKING:
    from ednas_nni.search.assembled import Assembled


def score(study: Study) -> str:
    """What trials of the study report as `default`: "quality" or "delta_t"."""
    return score_of(map(parse_objective, study.objectives))


def wanted(study: Study) -> bool:
    """Whether `delta_t` is an objective, so that the search cannot do without it."""
    return DELTA_T in [parse_objective(text).name for text in study.objectives]


def takes_baselines(factory: Callable[..., object]) -> bool:
    """Whether an evaluator can measure `delta_t`."""
    return "references" in inspect.signature(factory).parameters


def check(assembled: Assembled) -> None:
    """Reject a study that asks for `delta_t` in vain.

    Raises:
        StudyError: `delta_t` is an objective without a `reference`, or of an evaluator that cannot measure it.
    """
    study = assembled.study
    if not wanted(study):
        return
    if study.reference is None:
        raise StudyError(
            "objectives: delta_t compares with single-task networks, so the study must name one: add for example "
            "`reference: mobilenet_v2_small`, and make them once: ednas reference FILE.yml"
        )
    if not takes_baselines(assembled.evaluator_plugin):
        raise StudyError(
            f"objectives: evaluator {study.evaluator.name!r} does not measure delta_t; use 'jared', or the objective "
            "quality."
        )


def lookup(assembled: Assembled) -> tuple[Comparison | None, str]:
    """The baselines of a study that names one, or None with the reason: "" where it does not ask for any.

    Raises:
        StudyError: As `check`, or the space has no such member.
        BaselineError: None fits, and `delta_t` is an objective.
    """
    check(assembled)
    study = assembled.study
    if study.reference is None or not takes_baselines(assembled.evaluator_plugin):
        return None, ""
    try:
        return find(identities(assembled), cache_root(study.data.options.get("cache")), assembled.file), ""
    except BaselineError as error:
        if wanted(study):
            raise BaselineError(f"objectives: {error}") from None
        return None, f"delta_t is not measured: {error}"
