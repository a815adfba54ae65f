"""The part of a folder source that runs in worker processes."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ednas_nni.data.layouts.base import FolderSource

TASK = "ednas_nni.data.layouts.decoding:images"
"""What :func:`ednas_nni.data.produce.produce` calls."""


def job(source: FolderSource) -> dict[str, object]:
    """Return the plain data from which a worker builds the source again."""
    kind = type(source)
    return {
        "source": f"{kind.__module__}:{kind.__qualname__}",
        "folder": str(source.folder),
        "arguments": source.arguments(),
        "records": {
            split: [[r.key, r.group, {role: str(path) for role, path in r.files.items()}, r.index] for r in records]
            for split, records in source.records.items()
        },
    }


def images(recipe: Mapping[str, object]) -> Callable[[str, int], Mapping[str, np.ndarray]]:
    """Return the function that reads one image of a split.

    Args:
        recipe: As made by :func:`job`.

    Returns:
        ``one(split, index)``, the arrays of that image.
    """
    from ednas_nni.data.layouts.base import Record

    module, _, name = recipe["source"].partition(":")
    source = getattr(importlib.import_module(module), name)(recipe["folder"], **recipe["arguments"])
    listed = recipe["records"]

    def one(split: str, index: int) -> Mapping[str, np.ndarray]:
        key, group, files, place = listed[split][index]
        record = Record(key, group, {role: Path(path) for role, path in files.items()}, place)
        return source.read(record)

    return one
