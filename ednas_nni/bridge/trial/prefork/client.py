"""Asks the experiment's server to run this trial. Standard library only, so that it starts in a moment.

The exchange, over a Unix socket: the request (environment, folder, arguments, with the standard outputs attached);
`ready`, or `no` and a reason; the client's go; the child's process id; its wait status. Before the go nothing has
started, so the trial can still run in this process. After it, it must not start a second time.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TypedDict

from ednas_nni.bridge.trial import cancelled
from ednas_nni.bridge.trial.phases import process_begun
from ednas_nni.bridge.trial.prefork import inherited, place
from ednas_nni.record.failures import CAUSE, KILLED, TRIAL_SERVER

OFF = "EDNAS_TRIAL_START"
GO = b"\0"  # signals are sent as bytes too; their numbers start at 1
PATIENCE_S = 180.0  # until `ready`: a server listens before it imports
LOST = 70  # exit code: the server died under a running trial
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Request(TypedDict):
    """What a client asks for; its standard output and error are attached to it."""

    environment: dict[str, str]
    folder: str
    arguments: list[str]
    prefix: str
    version: list[int]
    begun: float
    inherited: dict[str, object]


class Answer(TypedDict, total=False):
    """One line of the server: it is ready, or it is not and why; then the child's process id; then its wait status."""

    ready: bool
    no: str
    pid: int
    status: int


Handler = Callable[[int, FrameType | None], None]


class _UnstartedError(Exception):
    """The server did not start the trial."""


def run(arguments: list[str]) -> int | None:
    """Run this trial in a child of the experiment's server.

    Args:
        arguments: Of the trial's command.

    Returns:
        The trial's exit code; None when it has to run in this process.
    """
    environment = os.environ
    if "NNI_PLATFORM" not in environment or environment.get(OFF) == "plain":
        return None
    if sys.platform != "linux":
        return None
    path = place.socket_path(environment.get("NNI_EXP_ID", ""))
    if path is None or not path.exists() or not place.private(path.parent):
        return None
    received: list[int] = []
    try:
        with socket.socket(socket.AF_UNIX) as server:
            before = {number: signal.signal(number, _leave_at_once(number)) for number in SIGNALS}
            try:
                _request(server, str(path), arguments)
                for number in SIGNALS:
                    signal.signal(number, _forward(server, received))
                return _await(server, received)
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)
    except (_UnstartedError, OSError) as reason:
        print(f"ednas: this trial imports everything itself: {reason}", file=sys.stderr, flush=True)
        return None


def _request(server: socket.socket, path: str, arguments: list[str]) -> None:
    """Send the request and wait until the server is ready for it.

    Raises:
        OSError: There is no server, or it is gone.
        _UnstartedError: It does not start the trial.
    """
    server.settimeout(PATIENCE_S)
    server.connect(path)
    request: Request = {
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
        "arguments": arguments,
        "prefix": sys.prefix,
        "version": list(sys.version_info[:3]),
        "begun": process_begun(),
        "inherited": inherited.own(),
    }
    body = json.dumps(request).encode()
    socket.send_fds(server, [struct.pack("!I", len(body))], [1, 2])
    server.sendall(body)
    answer = _line(server)
    if answer is None:
        raise _UnstartedError("the server ended")
    if "no" in answer:
        raise _UnstartedError(answer["no"])


def _await(server: socket.socket, received: list[int]) -> int:
    """Let the trial start, and wait for its end."""
    try:
        server.settimeout(None)
        server.sendall(GO)
        while True:
            answer = _line(server)
            if answer is None:
                break
            if "status" in answer:
                return _leave(answer["status"], received)
    except OSError:
        pass
    if received:
        return _leave(0, received)
    print(f"{CAUSE}{TRIAL_SERVER}: it ended while this trial ran", file=sys.stderr, flush=True)
    return LOST


def _leave(status: int, received: list[int]) -> int:
    """The exit code of a child's wait status.

    NNI takes "ended by a signal" for "cancelled by the user". So this process ends by one only when it was told to; a
    crash or the kernel's out-of-memory killer becomes an exit code, which NNI takes for a failure.
    """
    if received:
        signal.signal(received[0], signal.SIG_DFL)
        os.kill(os.getpid(), received[0])
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        cause = " (out of memory?)" if number == signal.SIGKILL else ""
        by = signal.Signals(number).name
        print(f"{CAUSE}{KILLED}: the trial was ended by {by}{cause}", file=sys.stderr, flush=True)
        return 128 + number
    return os.WEXITSTATUS(status)


def _leave_at_once(number: int) -> Handler:
    """Nothing has started yet: this process ends as the signal would end it, and says whether it was cancelled."""

    def leave(_: int, __: FrameType | None) -> None:
        if number == signal.SIGINT:
            cancelled.announce()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    return leave


def _forward(server: socket.socket, received: list[int]) -> Handler:
    def forward(number: int, _: FrameType | None) -> None:
        received.append(number)
        if number == signal.SIGINT:
            cancelled.announce()
        with suppress(OSError):
            server.sendall(bytes([number]))

    return forward


def _line(server: socket.socket) -> Answer | None:
    """One answer, None at the end of the connection. Byte by byte: what follows belongs to the next call."""
    text = b""
    while not text.endswith(b"\n"):
        piece = server.recv(1)
        if not piece:
            return None
        text += piece
    answer: Answer = json.loads(text)
    return answer
