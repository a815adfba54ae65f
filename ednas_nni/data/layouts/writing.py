"""What the writers of layouts share."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

from ednas_nni.data.info import Array
from ednas_nni.errors import DataError
from ednas_nni.study import plain_data


def empty_folder(folder: str | os.PathLike[str]) -> Path:
    """Return a folder that is empty, making it when it does not exist."""
    path = plain_data.resolved(folder, DataError, "folder")
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise DataError(f"{path}: holds files already; name an empty or a new folder")
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error}") from None
    return path


def save(path: Path, values: Array) -> str:
    """Write a picture or, by the ending, `.npy`, with its folder; return "FOLDER/NAME"."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, values, allow_pickle=False)
    else:
        Image.fromarray(values).save(path)
    return f"{path.parent.name}/{path.name}"
