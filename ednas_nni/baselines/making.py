"""Trains single-task references: the named member, each task alone, by the study's own evaluator and recipe."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ednas_nni.baselines import files
from ednas_nni.baselines.identity import identities, member_sample, single_task
from ednas_nni.baselines.record import Record
from ednas_nni.data.cache import cache_root
from ednas_nni.errors import EdnasError, ReferenceRecordError, TrialError
from ednas_nni.search import assembly
from ednas_nni.study import Study, parse
from ednas_nni.training.pool import results

FIRST_SEED = 1000  # searches count from small numbers: a reference shares no seed with a candidate

Job = tuple[str, int]


@dataclass(frozen=True)
class Made:
    """What `make` leaves behind.

    Attributes:
        records: Task -> its reference.
        trained: How many trainings this call did.
        written: Files that were written.
    """

    records: Mapping[str, Record]
    trained: int
    written: tuple[Path, ...]


def make(
    study: Study,
    seeds: int = 3,
    out: Path | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> Made:
    """Train what is not recorded yet. Every finished training is kept at once: a second call goes on where one ended.

    Args:
        study: Names the member under `reference`.
        seeds: Trainings of each task, with the seeds 1000, 1001, ...
        out: One file for all records, which then holds exactly these; by default each is kept in the user's folder.
        workers: Processes; one per core by default. 1 trains in this process.
        progress: Show a bar on standard error.

    Raises:
        StudyError: The study is wrong or names no reference.
        ReferenceRecordError: `out` is another kind of file, or cannot be written.
        TrialError: A training failed; the others are kept.
    """
    if seeds < 1:
        raise ReferenceRecordError(f"seeds is {seeds}; at least 1 training is needed, 3 to know the spread.")
    if workers is not None and workers < 1:
        raise ReferenceRecordError(f"workers is {workers}; at least 1 process is needed.")
    wanted = identities(study)
    cache = cache_root(study.data.options.get("cache"))
    in_out = files.read(out) if out is not None and out.exists() else []
    records = _started(study, wanted, [*in_out, *files.known(cache)[0]])
    places = {task: out or files.path_for(identity, cache) for task, identity in wanted.items()}
    chosen = range(FIRST_SEED, FIRST_SEED + seeds)
    jobs = [(task, seed) for seed in chosen for task in wanted if seed not in records[task].seeds]
    written = _keep(records, places) if out is not None else set()
    if not jobs:
        return Made(records, 0, tuple(written))
    assembly.data_source(study).prepare(progress)
    failures: list[EdnasError] = []
    with tqdm(total=len(jobs), desc="single-task references", unit="training", disable=not progress) as bar:
        for (task, seed), result in trained(study, jobs, workers):
            if isinstance(result, EdnasError):
                failures.append(result)
            else:
                records[task] = records[task].with_run(seed, *_split(task, result))
                written |= _keep(records if out is not None else {task: records[task]}, places)
            bar.update()
    if failures:
        raise TrialError("\n".join(dict.fromkeys(str(failure) for failure in failures)))
    return Made(records, len(jobs), tuple(sorted(written)))


def _started(study: Study, wanted: Mapping[str, Mapping[str, Any]], known: Sequence[Record]) -> dict[str, Record]:
    """What is recorded of each task, an empty record where nothing is."""
    found = {}
    for task, identity in wanted.items():
        record = files.matching(identity, known)
        if record is None:
            record = Record(identity, _specs(assembly.task_objects(single_task(study, task))[task]), (), ())
        found[task] = record
    return found


def _specs(task: Any) -> dict[str, dict[str, Any]]:
    return {
        spec.name: {name: getattr(spec, name) for name in ("unit", "direction", "protocol", "in_delta_t")}
        for spec in task.metrics
    }


def _keep(records: Mapping[str, Record], places: Mapping[str, Path]) -> set[Path]:
    """Write the records that have a training; returns the files."""
    written = set()
    for path in {places[task] for task in records}:
        mine = [record for task, record in records.items() if places[task] == path and record.runs]
        if mine:
            files.write(path, mine)
            written.add(path)
    return written


def trained(
    study: Study, jobs: Sequence[Job], workers: int | None
) -> Iterator[tuple[Job, dict[str, float] | EdnasError]]:
    """Train the study's reference on single tasks.

    Args:
        study: Names the member under `reference`.
        jobs: (task, seed) of each training.
        workers: Processes; one per core by default. 1 trains in this process.

    Returns:
        Each job with its final metrics, or with what went wrong, in the order in which they end.
    """
    train_one = partial(train, study.dump(), str(study.reference))
    return results(train_one, jobs, workers)


def train(study: Mapping[str, Any], member: str, task: str, seed: int) -> dict[str, float]:
    """One training of a named member on one task.

    Args:
        study: The study as plain data.
        member: Name of the architecture in the space.
        task: The only task.
        seed: Of weights and batches.

    Returns:
        The evaluator's final metrics.

    Raises:
        TrialError: It diverged; the message names task and seed.
    """
    alone = single_task(parse(dict(study)), task, seed)
    space = assembly.space(alone)
    sample = member_sample(space, member, alone.space.name)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # the scores of every report: the bar is enough
            return assembly.trained(space, sample, assembly.evaluator(alone))[1]
    except TrialError as error:
        raise TrialError(f"the single-task reference of {task}, seed {seed}, failed: {error}") from None


def _split(task: str, result: Mapping[str, float]) -> tuple[dict[str, float], dict[str, Any]]:
    """The task's own metrics without its prefix, and what is kept as information."""
    import torch

    from ednas_nni.version import __version__

    metrics = {k.removeprefix(f"{task}_"): float(v) for k, v in result.items() if k.startswith(f"{task}_")}
    made = {
        "ednas": __version__,
        "torch": torch.__version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "date": datetime.fromtimestamp(time.time(), timezone.utc).strftime("%Y-%m-%d"),
        "train_s": round(float(result.get("train_s", 0.0)), 1),
    }
    return metrics, made
