"""Confirm a front: its networks trained again with fresh seeds and scored on images that no candidate has seen.

The best of many noisy trainings is partly the luckiest. A second training with another seed, scored on the split
`select`, has no part in that luck, so its mean is an honest value. Each training is journalled as it ends; the same
call later does only what is missing.

Which networks, when not all are asked for: the one of the best score, whose value is the most likely to be luck, then
those that add most to the front's hypervolume, one after the other. The anchor point is the worst of every axis over
all results. Example, quality against ms with anchor (0, 20): after (0.45, 10), which holds 4.5, the network (0.40, 4)
adds 2.4 and (0.10, 2) 0.8.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ednas_nni.baselines.making import make
from ednas_nni.data.layouts.base import changed_data
from ednas_nni.errors import EdnasError, JournalError, StudyError, TrialError
from ednas_nni.record.events import Confirmed
from ednas_nni.record.journal import Journal
from ednas_nni.record.quantities import value_in
from ednas_nni.search.assembled import Assembled, parameters
from ednas_nni.space.dimensions import Sample
from ednas_nni.study import pareto
from ednas_nni.study.objectives import DELTA_T, value_of
from ednas_nni.training.pool import results

if TYPE_CHECKING:
    from ednas_nni.handover.search import SearchedArchitecture, SearchRecord

FIRST_SEED = 2000  # searches count from the study's, baselines from 1000, trust from 5000
SPLIT = "select"


@dataclass(frozen=True)
class Confirmation:
    """What is to be trained.

    Attributes:
        architectures: In the order in which they are trained.
        seeds: Of the trainings of each.
        options: Options of the evaluator that differ from the study's.
        missing: (architecture id, seed) of what the journal does not have yet.
    """

    architectures: tuple[SearchedArchitecture, ...]
    seeds: tuple[int, ...]
    options: Mapping[str, Any]
    missing: tuple[tuple[str, int], ...]


def planned(
    search: SearchRecord,
    top: int = 4,
    seeds: int = 3,
    also: Sequence[str] = (),
    **options: Any,
) -> Confirmation:
    """What a confirmation trains.

    Args:
        search: The search.
        top: How many networks of the front; those that hold most of its hypervolume.
        seeds: Trainings of each.
        also: Further architectures, by id or name of a member.
        **options: Options of the evaluator instead of the study's, such as `steps`.

    Raises:
        StudyError: The evaluator cannot score on other images, or lacks an option.
        SampleError: The search has no such architecture.
        EdnasError: The search has no result.
    """
    accepted = parameters(search.assembled.evaluator_plugin)
    for name in ("scored_on", *options):
        if name not in accepted:
            evaluator = search.assembled.study.evaluator.name
            raise StudyError(f"evaluator {evaluator!r} has no option {name!r}, so this search cannot be confirmed so.")
    chosen = {a.architecture: a for a in leading(search, top)}
    chosen |= {a.architecture: a for a in map(search.architecture, also)}
    if not chosen:
        raise EdnasError(f"search {search.experiment} has no result, so there is nothing to confirm.")
    numbers = tuple(range(FIRST_SEED, FIRST_SEED + seeds))
    done = {(event.architecture, event.seed) for event in search.history.confirmed if event.options == options}
    jobs = tuple((key, seed) for seed in numbers for key in chosen if (key, seed) not in done)
    return Confirmation(tuple(chosen.values()), numbers, options, jobs)


def leading(search: SearchRecord, count: int) -> tuple[SearchedArchitecture, ...]:
    """Of the searched front, the best and those that hold most of its hypervolume beside it."""
    axes, front = search.objectives, search.searched_front
    directions = [axis.direction for axis in axes]

    def point(a: SearchedArchitecture) -> list[float]:
        return [value_of(axis, a.searched, a.costs) for axis in axes]

    if not front or not count:
        return ()
    everyone = pareto.oriented([point(a) for a in search.results if _has(a, search)], directions)
    spread = everyone.max(axis=0) - everyone.min(axis=0)
    points = pareto.oriented([point(a) for a in front], directions)
    scaled = (points - everyone.min(axis=0)) / [width or 1.0 for width in spread]
    anchor, low = [1.1] * len(axes), ["min"] * len(axes)  # beyond the worst, so that ends count a little
    chosen = [max(range(len(front)), key=lambda i: value_in(search.score.key, {}, front[i].searched) or 0.0)]
    while len(chosen) < min(count, len(front)):
        rest = [i for i in range(len(front)) if i not in chosen]
        chosen.append(max(rest, key=lambda i: pareto.hypervolume(scaled[[*chosen, i]], anchor, low)))
    return tuple(front[i] for i in chosen)


def _has(architecture: SearchedArchitecture, search: SearchRecord) -> bool:
    """Whether it has every objective."""
    return all(value_in(axis.name, architecture.costs, architecture.searched) is not None for axis in search.objectives)


def confirm(search: SearchRecord, plan: Confirmation, workers: int | None = None, progress: bool = True) -> None:
    """Train what is missing, side by side, and journal each training as it ends.

    Args:
        search: The search; open it again to see the result.
        plan: Of `planned`.
        workers: Processes; one per core by default.
        progress: Show a bar with the time left on standard error.

    Raises:
        JournalError: The data are not those of the search, or the journal cannot be written.
        TrialError: Trainings failed, for example by diverging, or a process was killed; the others are journalled.
    """
    assembled = search.assembled
    if not plan.missing:
        return
    source = assembled.source
    if assembled.needs_network and (changed := changed_data(search.head.data, source)):
        raise JournalError(f"search {search.experiment}: {changed} Or search again.")
    source.prepare(progress)
    if search.score.key == DELTA_T:  # against baselines that are scored on the same images
        make(again(assembled, plan.options, assembled.study.seed), max(2, len(plan.seeds)), None, workers, progress)
    samples = {a.architecture: a.sample for a in plan.architectures}
    journal, failures = Journal(search.history.path), []
    try:
        with tqdm(total=len(plan.missing), desc="confirming", unit="training", disable=not progress) as bar:
            call = partial(train_again, assembled, samples, dict(plan.options))
            for (key, seed), result in results(call, plan.missing, workers):
                if isinstance(result, EdnasError):
                    failures.append(f"architecture {key}, seed {seed}: {result}")
                else:
                    journal.append(
                        Confirmed(architecture=key, seed=seed, split=SPLIT, options=dict(plan.options), metrics=result)
                    )
                bar.update()
    finally:
        journal.close()
    if failures:
        raise TrialError("\n".join(failures))


def again(assembled: Assembled, options: Mapping[str, Any], seed: int) -> Assembled:
    """The study with another seed, scored on `select`."""
    study = assembled.study
    recipe = {**study.evaluator.options, **options, "scored_on": SPLIT}
    evaluator = study.evaluator.model_copy(update={"options": recipe})
    return assembled.of(study.model_copy(update={"evaluator": evaluator, "seed": seed}))


def train_again(
    assembled: Assembled, samples: Mapping[str, Sample], options: Mapping[str, Any], key: str, seed: int
) -> dict[str, float]:
    """One training with a fresh seed, scored on `select`. Called in a process of its own.

    Raises:
        TrialError: As the evaluator.
    """
    with contextlib.redirect_stdout(io.StringIO()):  # the scores of every report: the bar is enough
        return again(assembled, options, seed).trained(samples[key])[1]
