"""Weights of searched networks, in the folder `weights` beside the journal: which are kept, and where."""

from __future__ import annotations

import re
from pathlib import Path

from ednas_nni.record.journal import History

WEIGHTS = "weights"
SUFFIX = ".safetensors"
_ID = re.compile("[0-9a-f]{10}")  # it becomes part of a path


def weights_path(journal_folder: Path, architecture: str) -> Path:
    """Where the weights of an architecture lie, if they are kept."""
    return journal_folder / WEIGHTS / f"{architecture}{SUFFIX}"


def weights_file(history: History, architecture: str) -> Path | None:
    """The file of an architecture's weights; None where the journal has none, or the file is gone."""
    if architecture not in history.weights or not _ID.fullmatch(architecture):
        return None
    path = weights_path(history.path.parent, architecture)
    return path if path.is_file() else None
