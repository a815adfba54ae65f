"""Trains single-task baselines: the named member, each task alone, by the study's own evaluator and recipe."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ednas_nni.baselines import files
from ednas_nni.baselines.identity import identities, member_of, single_task
from ednas_nni.baselines.record import BaselineRecord
from ednas_nni.data.cache import LOCK, beside, cache_root, locked
from ednas_nni.errors import BaselineError, EdnasError, TrialError
from ednas_nni.training.pool import results

if TYPE_CHECKING:
    from ednas_nni.search.assembled import Assembled

FIRST_SEED = 1000  # searches count from small numbers: a baseline shares no seed with a candidate


@dataclass(frozen=True)
class Made:
    """What `make` leaves behind: baselines by task, how many trainings it did, files that were written."""

    records: Mapping[str, BaselineRecord]
    trained: int
    written: tuple[Path, ...]


def make(
    assembled: Assembled, seeds: int = 3, out: Path | None = None, workers: int | None = None, progress: bool = True
) -> Made:
    """Train what is not recorded yet. Every finished training is kept at once: a second call goes on where one ended.

    Args:
        assembled: Its study names the member under `reference`.
        seeds: Trainings of each task, with the seeds 1000, 1001, ...
        out: One file for all records, which then holds exactly these; by default each is kept in the user's folder.
        workers: Processes; one per core by default. 1 trains in this process.
        progress: Show a bar on standard error.

    Raises:
        StudyError: The study is wrong or names no `reference`.
        BaselineError: `out` is another kind of file, or cannot be written.
        TrialError: A training failed; the others are kept.
    """
    if seeds < 1:
        raise BaselineError(f"seeds is {seeds}; at least 1 training is needed, 3 to know the spread.")
    if workers is not None and workers < 1:
        raise BaselineError(f"workers is {workers}; at least 1 process is needed.")
    wanted = identities(assembled)
    cache = cache_root(assembled.study.data.options.get("cache"))
    with contextlib.ExitStack() as alone:
        for path in sorted(files.path_for(identity, cache) for identity in wanted.values()):
            alone.enter_context(locked(beside(path, LOCK)))  # who trains the same is waited for: nothing is done twice
        return _make(assembled, wanted, cache, range(FIRST_SEED, FIRST_SEED + seeds), out, workers, progress)


def _make(
    assembled: Assembled, wanted: Mapping[str, Mapping[str, Any]], cache: Path, seeds: range, out: Path | None,
    workers: int | None, progress: bool,
) -> Made:  # fmt: skip
    in_out = files.read(out) if out is not None and out.exists() else []
    records = _started(assembled, wanted, [*in_out, *files.all_records(cache)[0]])
    places = {task: out or files.path_for(identity, cache) for task, identity in wanted.items()}
    jobs = [(task, seed) for seed in seeds for task in wanted if seed not in records[task].seeds]
    written = tuple(sorted({places[task] for task, _ in jobs} if out is None else {out}))
    if out is not None:
        _keep(records, places)
    if not jobs:
        return Made(records, 0, written)
    assembled.source.prepare(progress)
    failures: list[EdnasError] = []
    with tqdm(total=len(jobs), desc="single-task baselines", unit="training", disable=not progress) as bar:
        for (task, seed), result in results(partial(train, assembled), jobs, workers):
            if isinstance(result, EdnasError):
                failures.append(result)
            else:
                records[task] = records[task].with_run(seed, *_split(task, result))
                _keep(records if out is not None else {task: records[task]}, places)
            bar.update()
    if failures:
        raise TrialError("\n".join(dict.fromkeys(str(failure) for failure in failures)))
    return Made(records, len(jobs), written)


def _started(
    assembled: Assembled, wanted: Mapping[str, Mapping[str, Any]], records: Sequence[BaselineRecord]
) -> dict[str, BaselineRecord]:
    """What is recorded of each task, an empty record where nothing is."""
    started = {}
    for task, identity in wanted.items():
        record = files.matching(identity, records)
        if record is None:
            specs = assembled.of(single_task(assembled.study, task)).tasks[task].metrics
            names = ("unit", "direction", "protocol", "in_delta_t")
            record = BaselineRecord(
                identity, {s.name: {name: getattr(s, name) for name in names} for s in specs}, (), ()
            )
        started[task] = record
    return started


def _keep(records: Mapping[str, BaselineRecord], places: Mapping[str, Path]) -> None:
    """Write the records that have a training."""
    for path in {places[task] for task in records}:
        if mine := [record for task, record in records.items() if places[task] == path and record.runs]:
            files.write(path, mine)


def train(assembled: Assembled, task: str, seed: int) -> dict[str, float]:
    """The evaluator's final metrics of one training of the study's named member on one task."""
    alone = assembled.of(single_task(assembled.study, task, seed))
    sample = alone.member(member_of(assembled.study), "reference")
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # the scores of every report: the bar is enough
            return alone.trained(sample)[1]
    except TrialError as error:
        raise TrialError(f"the single-task baseline of {task}, seed {seed}, failed: {error}") from None


def _split(task: str, result: Mapping[str, float]) -> tuple[dict[str, float], dict[str, Any]]:
    """The task's own metrics without its prefix, and what is kept as information."""
    import torch

    from ednas_nni.version import __version__

    metrics = {k.removeprefix(f"{task}_"): float(v) for k, v in result.items() if k.startswith(f"{task}_")}
    made = {
        "ednas": __version__,
        "torch": torch.__version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "train_s": round(float(result.get("train_s", 0.0)), 1),
    }
    return metrics, made
