"""Where the server of an experiment listens. Standard library only: the client loads this."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

LONGEST = 100  # bytes of a Unix socket's path; Linux allows 107


def folder() -> Path:
    """The user's own folder for sockets, not necessarily there yet."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and Path(runtime).is_dir() and private(Path(runtime)):
        return Path(runtime) / "ednas"
    return Path(tempfile.gettempdir()) / f"ednas-{os.getuid()}"


def socket_path(experiment: str) -> Path | None:
    """Where the server of an experiment listens; None where the path would be too long for a socket.

    Args:
        experiment: NNI's id of the experiment, letters and digits.
    """
    if not experiment.isalnum():
        return None
    path = folder() / f"{experiment}.sock"
    return path if len(os.fsencode(path)) <= LONGEST else None


def make_folder() -> Path:
    """Make the folder for this user alone.

    Raises:
        OSError: It cannot be made, or belongs to somebody else.
    """
    path = folder()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not private(path):
        raise PermissionError(f"{path} is not this user's alone")
    return path


def private(path: Path) -> bool:
    """Whether a folder is this user's, no link, and closed to everybody else."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077
