"""Lambda of the JAReD loss, as measured for a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ednas_nni.data import DataInfo


def recorded(info: DataInfo, cache: Path | None = None) -> float | None:
    """The recorded lambda in the data set's depth unit, None where there is none."""
    return {("rooms", "metric"): 3.0}.get((info.name, info.depth_kind))
