"""Facts about the data behind a report, read from the data set's plugin where it is still installed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class DataFacts:
    """What a report says about the data.

    Attributes:
        name: Name of the data set.
        classes: Class names; empty where they are unknown.
        counts: Images of each split; None where unknown.
        depth_unit: Unit of lengths.
    """

    name: str
    classes: tuple[str, ...] = ()
    counts: Mapping[str, int] | None = None
    depth_unit: str = "m"


def data_facts(study: Mapping[str, Any]) -> DataFacts:
    """Ask the data set; nothing is read or rendered. A plugin that is gone leaves the facts empty."""
    given = study.get("data")
    name = str(given.get("name", "?") if isinstance(given, Mapping) else given or "unknown data")
    try:
        from ednas_nni.search.assembled import Assembled  # loads plugins
        from ednas_nni.study import parse

        info = Assembled(parse(dict(study))).source.info
        return DataFacts(str(info.name), tuple(map(str, info.classes)), dict(info.counts), str(info.depth_unit))
    except Exception:  # any fault of a plugin: the report does not depend on it
        return DataFacts(name)
