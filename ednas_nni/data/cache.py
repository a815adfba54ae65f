"""A checked cache of arrays: made once, by one process, visible only when complete, verified before it is used.

A folder of the cache holds plain `.npy` files and `manifest.json` with the recipe and each file's size and
SHA-256. It is made under another name and renamed at the end, so that a folder which exists is complete; a lock
file keeps a second process from making it at the same time. No pickles are ever written or read.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ednas_nni.errors import DataError
from ednas_nni.record.whole_file import file_digest
from ednas_nni.study.plain_data import absolute

MANIFEST, LOCK = "manifest.json", ".lock"
_FORMAT = 1
_verified: set[tuple[str, str, int, int]] = set()


def cache_root(folder: str | os.PathLike[str] | None = None) -> Path:
    """Return the cache folder: the argument, else `$EDNAS_CACHE`, else `~/.cache/ednas`; an absolute path."""
    if folder:
        return absolute(os.fspath(folder), DataError, "data.cache")
    return absolute(os.environ.get("EDNAS_CACHE") or "~/.cache/ednas", DataError, "EDNAS_CACHE")


def fingerprint(recipe: Mapping[str, object]) -> str:
    """Return 16 hex digits that name a recipe (SHA-256 of its sorted compact JSON)."""
    text = json.dumps(recipe, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def beside(folder: Path, suffix: str) -> Path:
    """A file that lies beside a cache folder, also before there is one."""
    return folder.with_name(folder.name + suffix)


def ensure(folder: Path, recipe: Mapping[str, object], fill: Callable[[Path], None]) -> bool:
    """Make a cache folder unless it exists, and return whether this call made it.

    `fill` writes the `.npy` files into the folder it is given; the recipe, plain data that determines them, goes into
    the manifest. What a maker writes into the lock file on its way (`beside(folder, LOCK)`) is read to those who wait.
    """
    if folder.exists():
        return False
    try:
        with locked(beside(folder, LOCK)):
            if folder.exists():
                return False
            # Whoever left these held the lock and is gone.
            for left_over in folder.parent.glob(folder.name + ".partial-*"):
                shutil.rmtree(left_over, ignore_errors=True)
            staging = beside(folder, f".partial-{os.getpid()}")
            staging.mkdir()
            try:
                fill(staging)
                _write_manifest(staging, recipe)
                staging.rename(folder)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"cannot write the data cache at {folder}: {error}; free some space or point EDNAS_CACHE (or the data's "
            "'cache' argument) to a folder that can be written"
        ) from error
    return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that the system releases when the process ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            far = f" ({said})" if (said := handle.read().strip()) else ""
            print(f"another process is preparing {path.stem}{far}; waiting for it", file=sys.stderr, flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        handle.truncate(0)
        yield


def _write_manifest(folder: Path, recipe: Mapping[str, object]) -> None:
    files = {p.name: {"bytes": p.stat().st_size, "sha256": file_digest(p)} for p in sorted(folder.glob("*.npy"))}
    text = json.dumps({"format": _FORMAT, "recipe": recipe, "files": files}, indent=1, sort_keys=True)
    with (folder / MANIFEST).open("w", encoding="utf-8") as handle:
        handle.write(text + "\n")
        handle.flush()
        os.fsync(handle.fileno())


def open_arrays(folder: Path, recipe: Mapping[str, object], names: Iterable[str]) -> dict[str, np.ndarray]:
    """Verify and map arrays, read-only, of the cache folder that was made from a recipe; `names` lack `.npy`.

    A file is hashed once per process and again when its size or time of change differs. DataError names every file that
    is missing, truncated or altered.
    """
    names = list(names)
    listed = _read_manifest(folder, recipe)
    broken = [f"{name}.npy ({fault})" for name in names if (fault := _fault(folder, name, listed))]
    if broken:
        raise DataError(f"the data cache at {folder} is damaged: {', '.join(broken)}; {_way_out(folder)}")
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names}


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each array of a cache folder by file name, as it was taken when the folder was made."""
    return {name: str(file["sha256"]) for name, file in _read_manifest(folder).items()}


def _read_manifest(folder: Path, recipe: Mapping[str, object] | None = None) -> dict[str, dict[str, object]]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        stored, listed, version = manifest["recipe"], manifest["files"], manifest["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"the data cache at {folder} is damaged: {MANIFEST} ({error}); {_way_out(folder)}") from error
    # Through JSON, because tuples become lists there.
    if version != _FORMAT or (recipe is not None and stored != json.loads(json.dumps(recipe))):
        raise DataError(f"the data cache at {folder} is damaged: {MANIFEST} names another recipe; {_way_out(folder)}")
    return listed


def _fault(folder: Path, name: str, listed: Mapping[str, Mapping[str, object]]) -> str | None:
    """Return what is wrong with a file, or `None`."""
    path = folder / f"{name}.npy"
    wanted = listed.get(path.name)
    if wanted is None:
        return f"not in {MANIFEST}"
    try:
        status = path.stat()
    except OSError:
        return "missing"
    if status.st_size != wanted["bytes"]:
        return f"{status.st_size} bytes instead of {wanted['bytes']}"
    seen = (str(path.resolve()), str(wanted["sha256"]), status.st_size, status.st_mtime_ns)
    if seen not in _verified:
        if file_digest(path) != wanted["sha256"]:
            return "altered: its SHA-256 differs"
        _verified.add(seen)
    return None


def _way_out(folder: Path) -> str:
    return f"delete the folder (rm -r '{folder}') and run again, it is made anew"
