"""Weights of searched networks: each trial leaves its own, the search keeps those of the front.

A trial cannot know whether its network will be on the front, and the search has no network in memory. So the trial
writes the file after its result is out (0.2 to 3 M parameters: milliseconds), and whenever a trial has ended, the
search journals the digest of files that belong to the front and removes the others. Nothing here may cost a result:
what cannot be written or removed, on a full disk for example, is said and left.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.errors import JournalError
from ednas_nni.record.events import WeightsEvent
from ednas_nni.record.front import front_of
from ednas_nni.record.journal import Journal
from ednas_nni.record.kept_weights import SUFFIX, WEIGHTS, weights_path
from ednas_nni.record.whole_file import file_digest

if TYPE_CHECKING:
    from torch import nn

_log = logging.getLogger("nni.ednas.weights")


def write_weights(folder: Path, key: str, network: nn.Module) -> None:
    """Write a network's weights into the journal's folder; where that fails, why is printed."""
    from ednas_nni.nn.checkpoint import write_tensors  # torch

    try:
        write_tensors(weights_path(folder, key), network.state_dict(), {"architecture": key})
    except Exception as error:  # the result is reported and stands
        print(f"ednas: the weights of {key} are not kept: {error}", file=sys.stderr, flush=True)


class FrontWeights:
    """The folder of weights beside a journal, kept as the study's `keep_weights` says.

    Args:
        journal: Of the search; gets an event for each file that is kept or removed.
        keep: "front", "all" or "none".
    """

    def __init__(self, journal: Journal, keep: str) -> None:
        self.journal = journal
        self.keep = keep

    def write(self, key: str, network: nn.Module) -> None:
        """Write the weights of a network that was trained in this process; `settle` decides whether they stay."""
        if self.keep != "none":
            write_weights(self.journal.path.parent, key, network)

    def settle(self) -> None:
        """Journal what has come onto the front, remove what has left it; called when a trial has ended."""
        folder = self.journal.path.parent / WEIGHTS
        if self.keep == "none" or not folder.is_dir():
            return
        history = self.journal.history()
        wanted = set(history.results) if self.keep == "all" else {record.architecture for record in front_of(history)}
        wanted |= {record.key for record in history.finishing if record.status == "trained"}
        running = {record.key for record in history.all_trials if record.status == "running"}
        try:
            files = {path.name.removesuffix(SUFFIX): path for path in folder.glob(f"*{SUFFIX}")}
            for key, path in files.items():
                if key in wanted and key not in history.weights:
                    self.journal.append(WeightsEvent(architecture=key, digest=file_digest(path)))
                elif key not in wanted and key not in running:
                    path.unlink(missing_ok=True)
            for key in [key for key in history.weights if key not in wanted or key not in files]:
                self.journal.append(WeightsEvent(architecture=key))
        except (OSError, JournalError) as error:
            _log.warning("weights of the front are not settled: %s", error)
