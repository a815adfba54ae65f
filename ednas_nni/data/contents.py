"""What files hold: the SHA-256 of each, read again only where a file may have changed.

The rule, in one place: a digest that was taken before counts as long as the file's size, time of change (mtime), time
of status change (ctime) and inode are what they were then. ctime is set by the system alone, so labels that are
repaired in place under their old name, size and even mtime are read again; a file that was only touched or moved is
read again too, and found to be the same. What changed less than two seconds before it was read is read once more next
time, because a second change within the same tick of the clock would leave no trace.

The list of a folder is kept in the cache (`<cache>/files/`), shared by all sizes and layouts in which it is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from tqdm import tqdm

from ednas_nni.record.whole_file import file_digest, write_whole

_SETTLED_NS = 2_000_000_000


def contents(root: Path, files: Iterable[Path], cache: Path) -> dict[str, str]:
    """Return the SHA-256 of each file by its name relative to `root`; a bar shows when it takes longer than a moment.

    `cache` is the root of the data cache; where it cannot be written, files are read each time.
    """
    place = cache / "files" / f"{hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]}.json"
    listed = _read(place)
    named = {os.path.relpath(path, root): path for path in files}
    states = {name: _state(path) for name, path in named.items()}
    moved = [name for name, state in states.items() if listed.get(name, [None])[1:] != state]
    if not moved:
        return {name: str(listed[name][0]) for name in named}
    settled = time.time_ns() - _SETTLED_NS
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashing leaves the interpreter's lock
        digests = pool.map(file_digest, (named[name] for name in moved))
        bar = tqdm(digests, "looking for changes", len(moved), unit="file", delay=1.0, disable=None, file=sys.stderr)
        fresh = dict(zip(moved, bar, strict=True))
    measured = {name: [fresh[name], *states[name]] for name in moved if states[name][2] < settled}
    with suppress(OSError):
        write_whole(place, json.dumps({**_read(place), **measured}))
    return {name: fresh.get(name) or str(listed[name][0]) for name in named}


def _state(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _read(place: Path) -> dict[str, list[object]]:
    try:
        listed = json.loads(place.read_text(encoding="utf-8"))
        return {str(name): list(entry) for name, entry in listed.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
