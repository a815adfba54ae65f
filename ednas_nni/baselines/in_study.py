"""What a study wants of `delta_t`, and the baselines that it gets."""

from __future__ import annotations

import inspect
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


def lookup(assembled: Assembled) -> tuple[Comparison | None, str]:
    """The baselines of a study that names one, or None with the reason: "" where it does not ask for any.

    Raises:
        StudyError: `delta_t` is an objective without a `reference`, or of an evaluator that cannot measure it; or the
            space has no such member.
        BaselineError: None fits, and `delta_t` is an objective.
    """
    study = assembled.study
    wanted = DELTA_T in [objective.name for objective in assembled.objectives]
    measures = "references" in inspect.signature(assembled.evaluator_plugin).parameters
    if wanted and study.reference is None:
        raise StudyError(
            "objectives: delta_t compares with single-task networks, so the study must name one: add for example "
            "`reference: mobilenet_v2_small`, and make them once: ednas reference FILE.yml"
        )
    if wanted and not measures:
        raise StudyError(
            f"objectives: evaluator {study.evaluator.name!r} does not measure delta_t; use 'jared', or the objective "
            "quality."
        )
    if study.reference is None or not measures:
        return None, ""
    try:
        return find(identities(assembled), cache_root(study.data.options.get("cache")), assembled.file), ""
    except BaselineError as error:
        if wanted:
            raise BaselineError(f"objectives: {error}") from None
        return None, f"delta_t is not measured: {error}"
