"""Data sets written in a layout."""

from __future__ import annotations

from pathlib import Path

from ednas_nni.data import DataSource
from ednas_nni.data.layouts.base import FolderSource


def written(layout: type[FolderSource], source: DataSource, folder: Path, **options: object) -> Path:
    """The folder, after `source` was written into it."""
    layout.write(source, folder, **options)
    return folder
