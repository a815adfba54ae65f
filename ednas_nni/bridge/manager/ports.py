"""Which port a manager gets, and whose turn it is to start one."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ednas_nni.bridge.manager.places import HOME, OTHER_HOME
from ednas_nni.errors import ExperimentError
from ednas_nni.record.locks import locked_within

FIRST_PORT = 8080
PORTS = 100
LOCK = ".ednas-start.lock"
LOCK_S = 300.0  # others may start before this one, each within `launch.START_S` at worst


def port_is_free(port: int) -> bool:
    """Whether a server may listen on a port of this machine: IPv4 and IPv6, as `localhost` may mean both."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, ""), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except OSError:
            if family == socket.AF_INET:
                return False
            with suppress(OSError), socket.create_connection((address, port), timeout=0.5):
                return False  # else the machine does without IPv6
    return True


def free_port(first: int = FIRST_PORT, pair: bool = False) -> int:
    """The first free port of a hundred; with `pair` the one above must be free too (for remote training services)."""
    for port in range(first, first + PORTS):
        if port_is_free(port) and (not pair or port_is_free(port + 1)):
            return port
    raise ExperimentError(
        f"No free port from {first} to {first + PORTS - 1}. End other experiments: `nnictl stop --all`."
    )


@contextmanager
def one_at_a_time(seconds: float = LOCK_S) -> Iterator[None]:
    """Hold the lock of starts of this user; it ends with the process, whatever ends that.

    ExperimentError: another start holds it for so long, or its folder cannot be written.
    """
    path = Path(HOME).expanduser() / LOCK
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ExperimentError(f"{path.parent}: cannot be written ({error.strerror}). {OTHER_HOME}") from None
    try:
        if not locked_within(handle, seconds):
            holder = os.pread(handle, 20, 0).decode(errors="replace")
            raise ExperimentError(
                f"another search has been starting for {seconds:.0f} s (process {holder}, {path}). Wait for it or "
                f"end it: kill {holder}"
            )
        os.truncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)
