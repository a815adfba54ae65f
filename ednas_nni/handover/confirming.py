"""Confirm a front: its networks trained again with fresh seeds and scored on images that no candidate has seen.

The best of many noisy trainings is partly the luckiest. A second training with another seed, scored on the split
`select`, has no part in that luck, so its mean is an honest value. Each training is journalled as it ends; the same
call later does only what is missing.

Which networks, when not all are asked for: `ednas_nni.record.front`. A study with `finish` has the search do the same
by trials of its own; what is done here then goes on with that.
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
from ednas_nni.record import front as record_front
from ednas_nni.record.events import Confirmed
from ednas_nni.record.journal import Journal
from ednas_nni.record.parameters import FIRST_SEED, SPLIT
from ednas_nni.search.assembled import Assembled
from ednas_nni.search.checks import check_again
from ednas_nni.space.dimensions import Sample
from ednas_nni.study.objectives import DELTA_T
from ednas_nni.training.pool import results

if TYPE_CHECKING:
    from ednas_nni.handover.search import SearchedArchitecture, SearchRecord


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
    search: SearchRecord, top: int = 4, seeds: int = 3, also: Sequence[str] = (), **options: Any
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
    if finish := search.assembled.study.finish:
        options = {"steps": finish.steps, **options}
    check_again(search.assembled, "so this search cannot be confirmed so", *options)
    chosen = {a.architecture: a for a in leading(search, top)}
    chosen |= {a.architecture: a for a in map(search.architecture, also)}
    for a in (a for a in chosen.values() if not a.searched):
        if not search.assembled.problem.feasible([a.sample])[0]:
            raise StudyError(
                f"{a.name} does not meet the constraints of search {search.experiment}, so it cannot stand beside its "
                f"front. `ednas train {search.experiment} {a.name}` trains it."
            )
    if not chosen:
        why = "has no result" if top else "is asked for none of its networks (top = 0, and none is named)"
        raise EdnasError(f"search {search.experiment} {why}, so there is nothing to confirm.")
    numbers = tuple(range(FIRST_SEED, FIRST_SEED + seeds))
    done = {(event.architecture, event.seed) for event in search.history.confirmed if event.options == options}
    jobs = tuple((key, seed) for seed in numbers for key in chosen if (key, seed) not in done)
    return Confirmation(tuple(chosen.values()), numbers, options, jobs)


def leading(search: SearchRecord, count: int) -> tuple[SearchedArchitecture, ...]:
    """Of the searched front, the best and those that hold most of its hypervolume beside it."""
    by_id = {a.architecture: a for a in search.results}
    points = {key: (a.searched, a.costs) for key, a in by_id.items()}
    return tuple(by_id[key] for key in record_front.leading(points, search.objectives, count))


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
    again = assembled.again(assembled.study.seed, **plan.options)
    if search.score.key == DELTA_T:  # against baselines that are scored on the same images
        make(again, max(2, len(plan.seeds)), None, workers, progress)
    references: dict[str, Any] = {"references": against.dump()} if (against := again.baselines[0]) is not None else {}
    samples = {a.architecture: a.sample for a in plan.architectures}
    unscored = (a for a in plan.architectures if not a.searched)
    beside = {a.architecture: {"sample": dict(a.sample), "costs": dict(a.costs)} for a in unscored}
    journal, failures = Journal(search.history.path), []
    try:
        with tqdm(total=len(plan.missing), desc="confirming", unit="training", disable=not progress) as bar:
            call = partial(train_again, assembled, samples, dict(plan.options))
            for (key, seed), result in results(call, plan.missing, workers):
                if isinstance(result, EdnasError):
                    failures.append(f"architecture {key}, seed {seed}: {result}")
                else:
                    what: dict[str, Any] = {"architecture": key, "seed": seed, "metrics": result, **beside.get(key, {})}
                    journal.append(Confirmed(split=SPLIT, options=dict(plan.options), **what, **references))
                bar.update()
    finally:
        journal.close()
    if failures:
        raise TrialError("\n".join(failures))


def train_again(
    assembled: Assembled, samples: Mapping[str, Sample], options: Mapping[str, Any], key: str, seed: int
) -> dict[str, float]:
    """One training with a fresh seed, scored on `select`. Called in a process of its own."""
    with contextlib.redirect_stdout(io.StringIO()):  # the scores of every report: the bar is enough
        return assembled.again(seed, **options).trained(samples[key])[1]
