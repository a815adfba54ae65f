"""Single-task baselines, and `delta_t`: how much better one network for all tasks is than one network per task.

`delta_t` is the pure formula with its interval. A study names a member of its space (`reference:`); `making` trains it
on each task alone by the study's own recipe, `record` and `files` keep every seed's metrics with an identity of data,
recipe, protocol and architecture, and `comparison` finds the ones that fit or says what differs.
"""

from __future__ import annotations

from ednas_nni.baselines.comparison import Comparison
from ednas_nni.baselines.record import BaselineRecord

__all__ = ["BaselineRecord", "Comparison"]
