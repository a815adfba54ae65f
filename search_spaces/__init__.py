"""Search spaces of EDNAS, a plugin package of `ednas_nni`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ednas_nni.errors import StudyError
from ednas_nni.nn.template import check_tasks
from search_spaces.space import EdnasSpace

__all__ = ["EdnasSpace", "nano"]


def nano(tasks: Mapping[str, int], **options: Any) -> EdnasSpace:
    """The smallest space, for trials of seconds on a processor.

    Args:
        tasks: Task name to output channels.
        **options: None so far.

    Raises:
        StudyError: The tasks are wrong, or an option is given.
    """
    if options:
        raise StudyError(f"The search space nano takes no options, but got {', '.join(sorted(options))}. Remove them.")
    check_tasks(tasks)
    return EdnasSpace(tasks=dict(tasks), preset="nano")
