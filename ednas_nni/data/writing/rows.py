"""What all writers share: an empty folder to write to, and the images of a source one by one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ednas_nni.data.info import DataInfo
from ednas_nni.data.split import DataSource
from ednas_nni.errors import DataError
from ednas_nni.study import plain_data

_PARTS = {"train": ("train", "search", "select"), "test": ("test",)}


def empty_folder(folder: str | os.PathLike[str]) -> Path:
    """Return a folder that is empty, making it when it does not exist.

    Raises:
        DataError: It holds something, or cannot be made.
    """
    path = plain_data.resolved(folder, DataError, "folder")
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise DataError(f"{path}: holds files already; name an empty or a new folder")
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error}") from None
    return path


def need_targets(info: DataInfo, targets: Sequence[str], layout: str) -> None:
    """Refuse a data set that lacks labels the layout cannot do without.

    Raises:
        DataError: Labels are missing; they are named.
    """
    lacking = [name for name in targets if name not in info.targets]
    if lacking:
        raise DataError(f"data set {info.name!r} has no {', '.join(lacking)}; the layout {layout} needs them")


def rows(source: DataSource, part: str, layout: str) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """Yield the images of the official training or test set of a layout.

    Args:
        source: Any data set.
        part: ``train`` (train, search and select after each other) or ``test``.
        layout: Name of the layout, for the journal of test openings.

    Yields:
        Number from 0, and the arrays of one image.
    """
    number = 0
    for name in _PARTS[part]:
        split = source.split(name, opened_by=f"writing {layout}" if name == "test" else None)
        for row in range(len(split)):
            yield number, {key: np.asarray(values[row]) for key, values in split.arrays.items()}
            number += 1


def signed_labels(labels: np.ndarray, ignore_index: int) -> np.ndarray:
    """Return int16 labels with -1 = no class."""
    return np.where(labels == ignore_index, np.int16(-1), labels.astype(np.int16))
