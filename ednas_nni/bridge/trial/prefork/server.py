"""The trial server: `python -m ednas_nni.bridge.trial.prefork.server SOCKET MANAGER_PID`, started by the Advisor.

One line of JSON on standard input says what to import; the other end of that pipe stays open as long as the starter
lives. The server listens before it imports, so that early clients just wait. One thread, one loop, no polling.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from ednas_nni.bridge.trial.prefork import child, client, inherited, sources

REQUEST_S = 5.0
BREATH_S = 0.2  # before a client that could not be let in is tried again
LARGEST = 1 << 22
ENOUGH = signal.SIGUSR1
"""Ends a server that has not finished its imports; one that serves ends by the end of its standard input."""
STALE = 75
"""Exit code: loaded code was changed; start me again."""


@dataclass
class _Trial:
    """One client's trial.

    Attributes:
        connection: To the client.
        request: What it asked for.
        outputs: Its standard output and error.
        pid: The child; 0 before it is forked.
        watch: The child's pidfd; -1 before.
    """

    connection: socket.socket
    request: client.Request
    outputs: list[int]
    pid: int = 0
    watch: int = -1


class Server:
    """Accepts trials and forks them.

    Args:
        path: The socket.
        manager: Process id of NNI's manager, 0 if unknown.
    """

    def __init__(self, path: Path, manager: int) -> None:
        self.path = path
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket(socket.AF_UNIX)
        self._trials: dict[socket.socket, _Trial] = {}
        self._retired = ""  # why nothing new is started
        self._code = 0
        self._starter_gone = False
        path.unlink(missing_ok=True)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._inode = path.stat().st_ino
        self._listener.listen(64)
        self._manager = os.pidfd_open(manager) if manager else -1
        self._loaded: dict[str, sources.Stamp] = {}

    def load(self, study: dict[str, object]) -> None:
        """Import what the study's trials will need."""
        begun = time.monotonic()
        from ednas_nni.bridge.trial.prefork.preload import preload

        preload(study)
        self._loaded = sources.snapshot()
        gc.collect()
        gc.freeze()  # the children's collector must not write to pages that they share
        gc.disable()
        _log(f"ready after {time.monotonic() - begun:.1f} s, {len(sys.modules)} modules, {_threads()} thread(s)")

    def run(self) -> int:
        """Serve until the starter, or the manager, and all trials are gone.

        Returns:
            Exit code.
        """
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, _end)
        signal.signal(ENOUGH, signal.SIG_IGN)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(0, selectors.EVENT_READ, self._starter)
        if self._manager >= 0:
            self._selector.register(self._manager, selectors.EVENT_READ, self._orphaned)
        try:
            while not (self._trials == {} and (self._starter_gone or self._retired)):
                for key, _ in self._selector.select():
                    if self._selector.get_map().get(key.fd) is key:  # an earlier event may have dropped it
                        key.data()
        finally:
            self._close()
        return self._code

    # ---- events

    def _accept(self) -> None:
        try:
            connection, _address = self._listener.accept()
        except OSError as error:  # no descriptor to be had: it waits in the queue, and the others must not suffer
            _log(f"a client cannot be let in yet: {error}")
            time.sleep(BREATH_S)
            return
        if _peer(connection) != os.getuid():
            connection.close()
            return
        try:
            trial = _read(connection)
        except (OSError, ValueError, KeyError, EOFError, struct.error) as error:
            _log(f"a request was not understood: {error!r}")
            connection.close()
            return
        reason = self._refusal(trial.request)
        if not self._say(trial, {"no": reason} if reason else {"ready": True}) or reason:
            _discard(trial)
            return
        self._trials[connection] = trial
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._heard(trial))

    def _refusal(self, request: client.Request) -> str:
        """Why a trial must not be forked from here, "" if it may."""
        if not self._retired:
            file = sources.changed(self._loaded)
            if file:
                self._retired, self._code = f"{file} was changed since the trial server loaded it", STALE
                _log(f"{self._retired}; a new server follows")
        if self._retired:
            return self._retired
        if request["prefix"] != sys.prefix or tuple(request["version"]) != tuple(sys.version_info[:3]):
            return f"the trial's Python is another one ({request['prefix']}) than the search's ({sys.prefix})"
        if set_by_command := inherited.difference(request["inherited"]):
            return set_by_command
        if _threads() != 1:
            return f"the trial server has {_threads()} threads, which a fork would lose"
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():
            return "the trial server has touched a GPU, which does not survive a fork"
        return ""

    def _heard(self, trial: _Trial) -> None:
        """The client's go, a signal to forward, or its end."""
        connection = trial.connection
        try:
            said = connection.recv(1)
        except OSError:
            said = b""
        if said == client.GO and not trial.pid:
            self._fork(trial)
        elif said and trial.pid:
            _kill(trial.pid, said[0])
        else:  # its end, or a signal before its go
            self._selector.unregister(connection)
            if trial.pid:  # NNI killed the client: the trial must not go on
                _kill(trial.pid, signal.SIGKILL)
            else:
                self._forget(trial)

    def _fork(self, trial: _Trial) -> None:
        server = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:  # no process or memory to be had: the others must not suffer
            self._give_up(trial, error)
            return
        if pid == 0:
            from ednas_nni.bridge.trial import run as work

            child.become(trial.request, trial.outputs, server, work.here)
        try:
            watch = os.pidfd_open(pid)
        except OSError as error:  # no descriptor to be had: nobody would hear of its end
            _kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            self._give_up(trial, error)
            return
        for output in trial.outputs:
            os.close(output)
        trial.outputs, trial.pid, trial.watch = [], pid, watch
        self._selector.register(trial.watch, selectors.EVENT_READ, lambda: self._ended(trial))
        _log(f"trial {trial.request['environment'].get('NNI_TRIAL_JOB_ID')} is process {pid}")
        self._say(trial, {"pid": pid})

    def _give_up(self, trial: _Trial, error: OSError) -> None:
        _log(f"trial {trial.request['environment'].get('NNI_TRIAL_JOB_ID')} cannot be forked: {error}")
        self._selector.unregister(trial.connection)
        self._forget(trial)

    def _ended(self, trial: _Trial) -> None:
        self._selector.unregister(trial.watch)
        os.close(trial.watch)
        _kill(trial.pid, signal.SIGKILL)  # what it may have left behind in its session
        _, status = os.waitpid(trial.pid, 0)
        _log(f"process {trial.pid} ended with status {status}")
        self._say(trial, {"status": status})
        if trial.connection in self._selector.get_map():
            self._selector.unregister(trial.connection)
        self._forget(trial)

    def _starter(self) -> None:
        if os.read(0, 1):
            return
        _log("the Advisor is gone; running trials may end, nothing new is started")
        self._selector.unregister(0)
        self._starter_gone, self._retired = True, self._retired or "the Advisor has ended"

    def _orphaned(self) -> None:
        """Trials keep their results beside their logs; the next start of the experiment ends those that still run."""
        _log("NNI's manager is gone; running trials may end, nothing new is started")
        self._selector.unregister(self._manager)
        self._retired = self._retired or "NNI's manager has ended"

    # ---- ends

    def _forget(self, trial: _Trial) -> None:
        self._trials.pop(trial.connection, None)
        _discard(trial)

    def _say(self, trial: _Trial, answer: client.Answer) -> bool:
        try:
            trial.connection.sendall(json.dumps(answer).encode() + b"\n")
        except OSError:
            return False
        return True

    def _close(self) -> None:
        for trial in list(self._trials.values()):
            if trial.pid:
                _kill(trial.pid, signal.SIGKILL)
        with suppress(OSError):
            if self.path.stat().st_ino == self._inode:  # a newer server may listen there by now
                self.path.unlink()
        _log("end")


def _read(connection: socket.socket) -> _Trial:
    """A client's request."""
    connection.settimeout(REQUEST_S)
    head, outputs, _, _ = socket.recv_fds(connection, 4, 2)
    try:
        (size,) = struct.unpack("!I", head)
        if size > LARGEST or len(outputs) != 2:
            raise ValueError(f"{size} bytes and {len(outputs)} outputs")
        body = b""
        while len(body) < size:
            piece = connection.recv(size - len(body))
            if not piece:
                raise EOFError
            body += piece
        request = json.loads(body)
        for name in ("environment", "folder", "arguments", "prefix", "version", "inherited"):
            request[name]
    except BaseException:
        for output in outputs:
            os.close(output)
        raise
    connection.settimeout(REQUEST_S)
    return _Trial(connection, request, list(outputs))


def _discard(trial: _Trial) -> None:
    for output in trial.outputs:
        os.close(output)
    trial.connection.close()


def _peer(connection: socket.socket) -> int:
    """User id of the process at the other end."""
    return struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]


def _kill(pid: int, number: int) -> None:
    """Signal the session of a child: it was made its leader."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        with suppress(ProcessLookupError):
            os.kill(pid, number)  # it was forked a moment ago and has no session yet


def _threads() -> int:
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


def _log(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} trial server {os.getpid()}: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Serve the experiment that the arguments name."""
    server = Server(Path(sys.argv[1]), int(sys.argv[2]))
    server.load(json.loads(sys.stdin.readline() or "{}"))
    return server.run()


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # taking torch down in order takes a second, in which nothing is left to do
