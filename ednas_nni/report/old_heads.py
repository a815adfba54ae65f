"""Journals of version 0.1, whose heads say neither what the data are nor which metrics the tasks have.

The one place where a report asks plug-ins, and then only for an old journal: from today's data set, tasks and search
space it takes what a newer head holds. A plug-in that is gone leaves its part empty; the report goes on without.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from ednas_nni.data import SPLITS, DataInfo
from ednas_nni.errors import EdnasError
from ednas_nni.record.head import DataRecord, JournalHead, TaskRecord
from ednas_nni.search.assembled import Assembled
from ednas_nni.study import Study, parse

_log = logging.getLogger("ednas.report")


def completed(head: JournalHead) -> tuple[JournalHead, DataRecord]:
    """The head with all that it lacks and that can still be learnt, and what is known of its data."""
    if head.data_set is not None and head.tasks is not None and head.members is not None:
        return head, head.data_set
    given = head.study.get("data")
    name = str(given.get("name", "?") if isinstance(given, dict) else given or "unknown data")
    data = head.data_set or DataRecord(name=name)
    tasks, members = head.tasks, head.members
    try:
        study = parse(head.study)
    except EdnasError:  # no study at all, or one that only an older version accepts
        names = head.study.get("tasks")
        study, tasks = None, tasks or tuple(TaskRecord(name=str(n)) for n in names or ())
    if study is not None:
        data = head.data_set or _data(study) or data
        tasks = head.tasks or _tasks(study)
        members = head.members if head.members is not None else _members(study, head)
    return head.model_copy(update={"data_set": data, "tasks": tasks, "members": members}), data


def _data(study: Study) -> DataRecord | None:
    """Nothing is read or rendered."""
    with suppress(Exception):  # any fault of a plug-in
        return DataRecord.model_validate(Assembled(study).source.info)
    return None


def _tasks(study: Study) -> tuple[TaskRecord, ...]:
    """Bound to the data as they are now; where these are gone, to any data with depth in metres."""
    from ednas_nni.tasks.base import TASKS  # imports torch

    with suppress(Exception):
        return tuple(map(TaskRecord.model_validate, Assembled(study).tasks.values()))
    info = DataInfo(name="any", size=(1, 1), classes=("a", "b"), counts=dict.fromkeys(SPLITS, 1), fingerprint="any")
    records: list[TaskRecord] = []
    for name in study.tasks:
        try:
            records.append(TaskRecord.model_validate(TASKS.load(name).for_data(info)))
        except Exception:  # the task itself is gone
            records.append(TaskRecord(name=name))
    return tuple(records)


def _members(study: Study, head: JournalHead) -> dict[str, str]:
    """Name -> architecture id of the members that the study starts with."""
    if not study.start or head.domains is None:
        return {}
    try:
        domains, samples = head.search_space(), Assembled(study).starts
        return {n: domains.architecture_id(domains.complete(s)) for n, s in zip(study.start, samples, strict=True)}
    except Exception as error:  # the space is a plugin that may have changed since
        _log.warning("the members named under `start` cannot be marked: %s", error)
        return {}
