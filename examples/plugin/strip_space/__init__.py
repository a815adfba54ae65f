"""Networks of strip convolutions as a search space of EDNAS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strip_space.space import StripSpace


def strip(tasks: Mapping[str, int], channels: int = 16) -> StripSpace:
    """The plugin: what `space: strip` in a study constructs.

    Args:
        tasks: Task name to output channels; EDNAS passes it.
        channels: Channels of the stem. Options of a study are the arguments beside `tasks`.
    """
    from strip_space.space import StripSpace  # torch is not loaded by listing plugins

    return StripSpace(tasks=dict(tasks), channels=channels)
