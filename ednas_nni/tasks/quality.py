"""Quality of a trial: how much better than knowing only where a pixel lies.

The reference is measured once for a data set: the position prior of the *train* split, scored on the *search*
split with the same meters as every candidate. It is kept as JSON beside the data cache, named by the data's
fingerprint.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ednas_nni.errors import DataError
from ednas_nni.record.whole_file import write_whole

if TYPE_CHECKING:
    from ednas_nni.data import DataInfo, DataSource, Split
    from ednas_nni.tasks.base import Task

FORMAT = 2  # raise when the position prior, a meter or this file's layout changes
_PLACED = ("protocol", "balanced")


@dataclass(frozen=True)
class TaskReference:
    """What is known about a task before a network is trained.

    Attributes:
        prior: All metrics of the position prior on the search split.
        head_bias: Output bias (C,) of an untrained network, from the train split.
        constants: What the task takes as given about the data; see `Task.constants`.
    """

    prior: dict[str, float]
    head_bias: tuple[float, ...]
    constants: dict[str, Any]


@dataclass(frozen=True)
class Reference:
    """References of all tasks on one data set.

    Attributes:
        data: Name of the data set.
        fingerprint: Its fingerprint.
        tasks: Task name -> reference.
    """

    data: str
    fingerprint: str
    tasks: dict[str, TaskReference]


def quality(metrics: Mapping[str, Mapping[str, float]], tasks: Sequence[Task], reference: Reference) -> float:
    """Mean over tasks of the skill of the primary metric.

    Args:
        metrics: Task name -> metrics of that task's meter.
        tasks: The tasks of the study.
        reference: The position prior's metrics.

    Returns:
        0 = no better than position alone, 1 = perfect; may be negative. NaN if a primary metric is NaN.
    """
    skills = [
        task.skill(metrics[task.name][task.primary], reference.tasks[task.name].prior[task.primary]) for task in tasks
    ]
    return sum(skills) / len(skills)


def reference_for(source: DataSource, tasks: Sequence[Task], folder: Path, scored_on: str = "search") -> Reference:
    """Read the reference, or measure what is missing and record it.

    Tasks differ by protocol and options; what is recorded is kept by all that its values depend on.

    Args:
        source: A prepared data set.
        tasks: The tasks of the study.
        folder: Where the JSON lies; made if needed. A file that cannot be read is measured again.
        scored_on: Split that the prior is scored on, as the candidates are.

    Returns:
        References of exactly these tasks.

    Raises:
        DataError: The position prior has no defined metric (no valid pixel in the search split).
    """
    info = source.info
    suffix = "" if scored_on == "search" else f".{scored_on}"
    path = folder / f"{info.name}-{info.fingerprint[:16]}{suffix}.prior.json"
    known = _read(path, info.fingerprint)
    missing = [task for task in tasks if not _complete(known.get(key(task, info)), task)]
    if missing:
        train, scored = source.split("train"), source.split(scored_on)
        known |= {key(task, info): measure(task, train, scored) for task in missing}
        _write(path, Reference(info.name, info.fingerprint, known))
    return Reference(info.name, info.fingerprint, {task.name: known[key(task, info)] for task in tasks})


def key(task: Task, info: DataInfo) -> str:
    """A task and whatever of it may decide its prior and its constants: its protocol and the options it was given."""
    protocol = getattr(task, "protocol", "standard")
    parts = [task.name, protocol, *(["balanced"] if getattr(task, "balanced", 0) else [])]
    usual = _settings(type(task).for_data(info, protocol=protocol))
    parts += [f"{name}={value}" for name, value in _settings(task).items() if value != usual.get(name)]
    return parts[0] if parts[1:] == ["standard"] else ".".join(parts)


def _settings(task: Task) -> dict[str, Any]:
    """Fields of a task that is a data class, as all of ours, in words; the two that have their own place left out."""
    if not is_dataclass(task):
        return {}
    return {f.name: repr(getattr(task, f.name)) for f in fields(task) if f.compare and f.name not in _PLACED}


def measure(task: Task, train: Split, search: Split) -> TaskReference:
    """Score the position prior of `train` on `search`.

    Raises:
        DataError: A metric is not a number, or the prior is already perfect, so that skill is undefined.
    """
    statistics = task.statistics(train)
    prediction = torch.from_numpy(np.ascontiguousarray(task.prior(statistics)))
    meter = task.meter()
    for batch in _targets(search, task):
        meter.update(prediction.expand(len(batch), *prediction.shape[1:]), batch)
    metrics = meter.compute()
    bad = [name for name, value in metrics.items() if not math.isfinite(value)]
    if bad:
        raise DataError(
            f"Data set {search.info.name!r}: the position prior of task {task.name!r} has no finite "
            f"{', '.join(bad)} on split {search.name!r} ({len(search)} images). Has it a single valid pixel?"
        )
    try:
        task.skill(metrics[task.primary], metrics[task.primary])
    except ZeroDivisionError:
        raise DataError(
            f"Data set {search.info.name!r}: the position prior solves task {task.name!r} perfectly, so a "
            "skill against it is undefined. Are all images of the search split alike?"
        ) from None
    return TaskReference(metrics, tuple(task.head_bias(statistics).tolist()), dict(task.constants(statistics)))


def _targets(split: Split, task: Task, batch_size: int = 25) -> Iterator[torch.Tensor]:
    from ednas_nni.data.batches import loader

    for batch in loader(split, {task.name: task}, batch_size):
        yield batch[task.name]


def _complete(found: TaskReference | None, task: Task) -> bool:
    if found is None:
        return False
    return set(found.prior) == {spec.name for spec in task.metrics} and len(found.head_bias) == task.channels


def _read(path: Path, fingerprint: str) -> dict[str, TaskReference]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != FORMAT or record["fingerprint"] != fingerprint:
            return {}
        return {
            name: TaskReference(dict(entry["prior"]), tuple(entry["head_bias"]), dict(entry["constants"]))
            for name, entry in record["tasks"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _write(path: Path, reference: Reference) -> None:
    """Concurrent trials write equal values, and none reads half a file."""
    write_whole(path, json.dumps({"format": FORMAT, **asdict(reference)}, indent=1, sort_keys=True))
