"""Tasks by name: a study's words become tasks bound to a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ednas_nni.data import DataSource
from ednas_nni.errors import StudyError, did_you_mean
from ednas_nni.study.options import check_options
from ednas_nni.tasks.base import TASKS, Task


def bind_task(name: str, source: DataSource, protocol: str, options: Mapping[str, Any]) -> Task:
    """A task bound to a data set under an evaluation protocol, with the task's own options.

    Raises:
        PluginError: The name is unknown.
        StudyError: The task has another name, an option is unknown, the data set lacks the labels that the task is made
            of, or the task is not measured in the protocol.
    """
    task = TASKS.load(name)
    if task.name != name:
        raise StudyError(
            f"tasks: {name!r} calls itself {task.name!r}, and networks and metrics know it by that. Register it by an "
            f"entry point of that name (docs/adding_a_task.md) and write `tasks: [{task.name}]`."
        )
    lacking = [label for label in task.requires if label not in source.info.targets]
    if lacking:
        raise StudyError(
            f"tasks: {name!r} needs the labels {', '.join(lacking)}, but data set {source.info.name!r} has only "
            f"{', '.join(source.info.targets)}.{did_you_mean(name, source.info.targets)}"
        )
    if protocol not in task.protocols:
        raise StudyError(
            f"evaluator.protocol is {protocol!r}, in which the task {name!r} is not measured; it has "
            f"{' and '.join(map(repr, task.protocols))}."
        )
    check_options(task.for_data, dict(options), f"evaluator.task_options.{name}", ("info", "protocol"))
    return task.for_data(source.info, protocol=protocol, **options)
