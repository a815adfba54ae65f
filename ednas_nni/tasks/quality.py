"""Quality of a trial: how much better than knowing only where a pixel lies.

The position prior predicts for every pixel what is typical of its position (the floor is at the bottom, the ceiling at
the top) and never looks at the image. It is counted on the *train* split and scored on the *search* split with the same
meters as every candidate, once for a data set, and recorded as JSON beside the data cache, named by the data's
identity.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class TaskPrior:
    """What is measured for a task before a network is trained.

    Attributes:
        metrics: All metrics of the position prior on the search split.
        head_bias: Output bias (C,) of an untrained network, from the train split.
        constants: What the task takes as given about the data; see `Task.constants`.
    """

    metrics: dict[str, float]
    head_bias: tuple[float, ...]
    constants: dict[str, Any]


@dataclass(frozen=True)
class Prior:
    """The position prior of all tasks on one data set: task name -> what is measured for it."""

    data: str
    fingerprint: str
    tasks: dict[str, TaskPrior]


def quality(metrics: Mapping[str, Mapping[str, float]], tasks: Sequence[Task], prior: Prior) -> float:
    """Mean over tasks of the skill of the primary metric.

    0 = no better than position alone, 1 = perfect; may be negative. NaN if a primary metric is NaN.
    """
    skills = [
        task.skill(metrics[task.name][task.primary], prior.tasks[task.name].metrics[task.primary]) for task in tasks
    ]
    return sum(skills) / len(skills)


def prior_for(source: DataSource, tasks: Sequence[Task], folder: Path, scored_on: str = "search") -> Prior:
    """Read the prior of exactly these tasks, or measure what is missing and record it.

    Tasks differ by protocol and options; what is recorded in the folder stands under all that its values depend on. A
    file that cannot be read is measured again.
    """
    info = source.info
    suffix = "" if scored_on == "search" else f".{scored_on}"
    identity = info.identity
    path = folder / f"{info.name}-{identity}{suffix}.prior.json"
    records = _read(path, identity)
    missing = [task for task in tasks if not _complete(records.get(key(task, info)), task)]
    if missing:
        train, scored = source.split("train"), source.split(scored_on)
        records |= {key(task, info): measure(task, train, scored) for task in missing}
        _write(path, info, records)
    return Prior(info.name, identity, {task.name: records[key(task, info)] for task in tasks})


def key(task: Task, info: DataInfo) -> str:
    """A task and whatever of it may decide its prior and its constants: its protocol and the options it was given.

    For example `depth`, `depth.adashare`, `normals.standard.loss_name='angular'` or `segmentation.standard.balanced`.
    """
    usual = type(task).for_data(info, task.protocol).settings()
    options = [
        name if value is True else f"{name}={value!r}"
        for name, value in task.settings().items()
        if name != "protocol" and repr(value) != repr(usual.get(name))
    ]
    return ".".join([task.name, task.protocol, *options]) if options or task.protocol != "standard" else task.name


def measure(task: Task, train: Split, search: Split) -> TaskPrior:
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
    undefined = [name for name, value in metrics.items() if not math.isfinite(value)]
    if undefined:
        raise DataError(
            f"Data set {search.info.name!r}: the position prior of task {task.name!r} has no finite "
            f"{', '.join(undefined)} on split {search.name!r} ({len(search)} images). Does it have a valid pixel?"
        )
    try:
        task.skill(metrics[task.primary], metrics[task.primary])
    except ZeroDivisionError:
        raise DataError(
            f"Data set {search.info.name!r}: the position prior solves task {task.name!r} perfectly, so a "
            "skill against it is undefined. Are all images of the search split alike?"
        ) from None
    return TaskPrior(metrics, tuple(task.head_bias(statistics).tolist()), dict(task.constants(statistics)))


def _targets(split: Split, task: Task, batch_size: int = 25) -> Iterator[torch.Tensor]:
    from ednas_nni.data.batches import loader  # torchvision is slow to import, and a recorded prior does not need it

    for batch in loader(split, {task.name: task}, batch_size):
        yield batch[task.name]


def _complete(record: TaskPrior | None, task: Task) -> bool:
    if record is None or any(value != value for value in record.constants.values()):  # NaN, of an earlier version
        return False
    return set(record.metrics) == {spec.name for spec in task.metrics} and len(record.head_bias) == task.channels


def _read(path: Path, fingerprint: str) -> dict[str, TaskPrior]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT or content["fingerprint"] != fingerprint:
            return {}
        return {
            name: TaskPrior(dict(entry["prior"]), tuple(entry["head_bias"]), dict(entry["constants"]))
            for name, entry in content["tasks"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _write(path: Path, info: DataInfo, records: Mapping[str, TaskPrior]) -> None:
    """Concurrent trials write equal values, and none reads half a file."""
    tasks = {
        name: {"prior": record.metrics, "head_bias": record.head_bias, "constants": record.constants}
        for name, record in records.items()
    }
    content = {"format": FORMAT, "data": info.name, "fingerprint": info.identity, "tasks": tasks}
    write_whole(path, json.dumps(content, indent=1, sort_keys=True))
