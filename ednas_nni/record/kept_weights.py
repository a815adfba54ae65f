"""Weights of searched networks, in the folder `weights` beside the journal: which are kept, and where."""

from __future__ import annotations

import re
from pathlib import Path

from ednas_nni.record.journal import History

WEIGHTS = "weights"
SUFFIX = ".safetensors"
_KEY = re.compile("[0-9a-f]{10}(-[0-9]{1,10})?")  # it becomes part of a path


def weights_path(journal_folder: Path, key: str) -> Path:
    """Where the weights of a training lie, if they are kept."""
    return journal_folder / WEIGHTS / f"{key}{SUFFIX}"


def weights_file(history: History, architecture: str) -> Path | None:
    """The file of the weights that stand for an architecture: of the best training that finished it, else its trial's.

    None where the journal has none, or the file is gone.
    """
    finished = [r for r in history.finishing if r.architecture == architecture and r.quality is not None]
    best_first = sorted(finished, key=lambda record: -(record.quality or 0.0))
    for key in [*(record.key for record in best_first), architecture]:
        path = weights_path(history.path.parent, key)
        if key in history.weights and _KEY.fullmatch(key) and path.is_file():
            return path
    return None
