"""Search spaces of EDNAS, a plugin package of `ednas_nni`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ednas_nni.errors import StudyError
from ednas_nni.nn.template import check_tasks
from search_spaces.space import EdnasSpace

__all__ = ["EdnasSpace", "edge_tpu", "mobile", "nano"]


def nano(tasks: Mapping[str, int], **options: Any) -> EdnasSpace:
    """The smallest space, for trials of seconds on a processor.

    Args:
        tasks: Task name to output channels.
        **options: None so far.

    Raises:
        StudyError: The tasks are wrong, or an option is given.
    """
    return _preset("nano", tasks, options)


def mobile(tasks: Mapping[str, int], **options: Any) -> EdnasSpace:
    """For phones: IBN with and without squeeze-and-excitation; widths, fusion, heads and sharing are searched.

    Args:
        tasks: As `nano`.
        **options: As `nano`.

    Raises:
        StudyError: As `nano`.
    """
    return _preset("mobile", tasks, options)


def edge_tpu(tasks: Mapping[str, int], **options: Any) -> EdnasSpace:
    """For systolic arrays: IBN and Fused-IBN; widths, fusion, heads and sharing are searched.

    Args:
        tasks: As `nano`.
        **options: As `nano`.

    Raises:
        StudyError: As `nano`.
    """
    return _preset("edge_tpu", tasks, options)


def _preset(name: str, tasks: Mapping[str, int], options: Mapping[str, Any]) -> EdnasSpace:
    if options:
        given = ", ".join(sorted(options))
        raise StudyError(f"The search space {name} takes no options, but got {given}. Remove them.")
    check_tasks(tasks)
    return EdnasSpace(tasks=dict(tasks), preset=name)
