"""Data sets and tasks by name: the one place where a study's words become a data source and tasks bound to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ednas_nni import plugins
from ednas_nni.errors import StudyError, did_you_mean
from ednas_nni.study.options import check_options

if TYPE_CHECKING:
    from ednas_nni.data.split import DataSource
    from ednas_nni.tasks.base import Task


def open_source(data: Mapping[str, Any], size: tuple[int, int]) -> DataSource:
    """Build a data set from plain data; nothing is read or rendered yet.

    Args:
        data: {"name": a registered data set, ...its options}.
        size: (height, width) in pixels that batches must have; passed on as the option `size`.

    Raises:
        PluginError: The name is unknown.
        StudyError: An option is unknown or contradicts `size`, or `folder` is a relative path.
    """
    name = data["name"]
    options = {key: value for key, value in data.items() if key != "name"}
    if "size" in options and tuple(options["size"]) != tuple(size):
        raise StudyError(f"data.size is {tuple(options['size'])}, but train_size is {tuple(size)}. Drop data.size.")
    folder = options.get("folder")
    if folder is not None and not str(folder).startswith("~") and not Path(str(folder)).is_absolute():
        here = Path(str(folder)).resolve()
        raise StudyError(
            f"data.folder is {str(folder)!r}; write an absolute path (or one that begins with ~), because searches, "
            f"trials and references are started in different folders. From here it would be {here}."
        )
    options["size"] = tuple(size)
    factory = plugins.load("datasets", name)
    check_options(factory, options, "data")
    source = factory(**options)
    if tuple(source.info.size) != tuple(size):
        raise StudyError(f"train_size is {tuple(size)}, but data set {name!r} has images of {tuple(source.info.size)}.")
    return source


def bind_task(name: str, source: DataSource, protocol: str, options: Mapping[str, Any]) -> Task:
    """A task bound to a data set. Imports torch.

    Args:
        name: A registered task.
        source: The data set.
        protocol: Evaluation protocol.
        options: The task's own options.

    Raises:
        PluginError: The name is unknown.
        StudyError: An option is unknown, or the data set lacks the labels that the task is made of.
    """
    task = plugins.load("tasks", name)
    lacking = [label for label in task.requires if label not in source.info.targets]
    if lacking:
        raise StudyError(
            f"tasks: {name!r} needs the labels {', '.join(lacking)}, but data set {source.info.name!r} has only "
            f"{', '.join(source.info.targets)}.{did_you_mean(name, source.info.targets)}"
        )
    check_options(task.for_data, dict(options), f"evaluator.task_options.{name}", ("info", "protocol"))
    return task.for_data(source.info, protocol=protocol, **options)
