"""The audit of the test split: who opened that of which data, when.

One JSON line per opening in `<cache>/openings/<data>-<fingerprint>.jsonl`. A report can say how often the test
split had been opened before its numbers were taken. The journal belongs to the fingerprint, not to the identity: labels
that are repaired do not make a split that was looked at a fresh one.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import sys
from datetime import datetime, timezone
from pathlib import Path

from ednas_nni.data.cache import cache_root
from ednas_nni.data.info import DataInfo
from ednas_nni.errors import DataError


def audit_path(info: DataInfo, cache: str | os.PathLike[str] | None = None) -> Path:
    """Return the journal of one data set; it exists after the first opening."""
    return cache_root(cache) / "openings" / f"{info.name}-{info.fingerprint}.jsonl"


def note(info: DataInfo, opened_by: str, cache: str | os.PathLike[str] | None = None) -> None:
    """Append one opening; lines of processes that open at the same time do not mix."""
    line = {
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "data": info.name,
        "fingerprint": info.fingerprint,
        "identity": info.identity,
        "opened_by": opened_by,
        "pid": os.getpid(),
        "command": shlex.join(sys.argv)[:500],
        "experiment": os.environ.get("NNI_EXP_ID"),
        "trial": os.environ.get("NNI_TRIAL_JOB_ID"),
    }
    path = audit_path(info, cache)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            handle.write(json.dumps(line) + "\n")
    except OSError as error:
        raise DataError(
            f"cannot journal the opening of the test split in {path}: {error}; point EDNAS_CACHE (or the data's "
            "'cache' argument) to a folder that can be written"
        ) from error
