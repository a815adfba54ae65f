"""Search spaces of EDNAS, a plugin package of `ednas_nni`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ednas_nni.errors import StudyError
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
    return EdnasSpace(tasks=dict(tasks) if isinstance(tasks, Mapping) else tasks, preset="nano")
