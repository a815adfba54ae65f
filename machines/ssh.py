"""One machine of a study as this one reaches it: OpenSSH's own programs, so its keys, agents, known hosts and settings.

Nothing is asked (BatchMode): what does not work without a question would not work in a search either. `host: localhost`
on port 22 under this user's own name is this machine, without SSH, as in `manager.js`.
"""

from __future__ import annotations

import getpass
import json
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ednas_nni.errors import ExperimentError

CONNECT_S, COMMAND_S = 20, 180.0
PYTHON = "python3"


class HostError(ExperimentError):
    """A machine cannot be used, and why."""

    def __init__(self, machine: RemoteMachine, text: str) -> None:
        super().__init__(f"{machine.host}: {text}")


@dataclass(frozen=True)
class RemoteMachine:
    """An entry of `machineList`, fields as in NNI's documentation; `folder` is `pythonPath`, where `python3` lies."""

    host: str
    user: str
    port: int = 22
    key: str | None = None
    folder: str | None = None
    gpus: tuple[int, ...] | None = None
    per_gpu: int = 1

    @classmethod
    def of(cls, entry: Mapping[str, object]) -> RemoteMachine:
        """From the YAML; ExperimentError: it has a password, or no host or user."""
        host, user, port = entry.get("host"), entry.get("user"), entry.get("port", 22)
        if not isinstance(host, str) or not isinstance(user, str) or not isinstance(port, int) or host.startswith("-"):
            raise ExperimentError(
                f"trainingService.machineList: {dict(entry)} needs `host` and `user`, and `port` a number."
            )
        if entry.get("password") is not None:
            raise ExperimentError(
                f"{host}: has a password in the file, which NNI's web UI shows. Remove the line, and let a key in: "
                f"ssh-copy-id -p {port} {user}@{host}"
            )
        key, folder, given = entry.get("sshKeyFile"), entry.get("pythonPath"), entry.get("gpuIndices")
        words = str(given).split(",") if isinstance(given, int | str) else given if isinstance(given, list) else None
        return cls(
            host,
            user,
            port,
            str(Path(str(key)).expanduser()) if key else None,
            str(folder) if folder else None,
            None if words is None else tuple(int(word) for word in words),
            int(str(entry.get("maxTrialNumberPerGpu", 1))),
        )

    @property
    def here(self) -> bool:
        """Whether it is this machine."""
        return self.host == "localhost" and self.port == 22 and self.user == getpass.getuser()

    @property
    def python(self) -> str:
        """Its interpreter, quoted for a shell."""
        return shlex.quote(f"{self.folder.rstrip('/')}/{PYTHON}" if self.folder else PYTHON)

    @property
    def options(self) -> list[str]:
        """Of `ssh`, without the host."""
        key = ["-i", self.key] if self.key else []
        timeout = ["-o", f"ConnectTimeout={CONNECT_S}", "-o", "ServerAliveInterval=15"]
        return ["-o", "BatchMode=yes", *timeout, "-p", str(self.port), "-l", self.user, *key]

    def run(self, command: str, given: str = "", options: Sequence[str] = (), seconds: float = COMMAND_S) -> str:
        """Standard output of a shell command; HostError with the last line of its errors where it fails."""
        words = ["sh", "-c", command] if self.here else ["ssh", *self.options, *options, "--", self.host, command]
        try:
            done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            raise HostError(self, f"no answer within {seconds:.0f} s to: {command[:80]}") from None
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode} of: {command[:80]}"]
            if done.returncode == 255 and not self.here:
                raise HostError(self, f"{lines[-1]} (this must work without a question: {self.typed} true)")
            raise HostError(self, lines[-1])
        return done.stdout

    @property
    def typed(self) -> str:
        """How a user types the connection."""
        return shlex.join(
            ["ssh", "-p", str(self.port), *(["-i", self.key] if self.key else []), f"{self.user}@{self.host}"]
        )

    def verb(self, words: str, given: object = None, options: Sequence[str] = (), seconds: float = COMMAND_S) -> str:
        """Run `machines.host` over there; what is given goes to it as JSON."""
        text = "" if given is None else json.dumps(given)
        return self.run(f"cd / && {self.python} -m machines.host {words}", text, options, seconds)

    def copy(self, source: Path, target: str, what: str) -> None:
        """Copy a file or folder to an absolute path, under another name first; rsync shows its progress.

        HostError: rsync fails, in its own words.
        """
        if self.here and Path(target) == source:
            return
        quoted, parent = shlex.quote(target), shlex.quote(str(Path(target).parent))
        self.run(f"mkdir -p {parent}")
        ending = "/" if source.is_dir() else ""
        coming = target + ".coming" + ending
        self._rsync([f"{source}{ending}", coming if self.here else f"{self.host}:{coming}"], what)
        self.run(f"test -e {quoted} || mv -T {quoted}.coming {quoted}; rm -rf {quoted}.coming")

    def copy_files(self, files: Sequence[Path], what: str) -> None:
        """Copy files to where they lie here; each appears whole. HostError: rsync fails, in its own words."""
        if not self.here:
            names = "".join(f"{file}\0" for file in files)
            self._rsync(["--no-implied-dirs", "--from0", "--files-from=-", "/", f"{self.host}:/"], what, names)

    def _rsync(self, words: Sequence[str], what: str, given: str = "") -> None:
        progress = ["--info=progress2"] if sys.stdout.isatty() else []
        words = ["rsync", "-asL", "--partial", *progress, "--rsh", shlex.join(["ssh", *self.options]), *words]
        print(f"{self.host}: {what}", flush=True)
        try:
            done = subprocess.run(words, stderr=subprocess.PIPE, input=given, text=True, check=False)
        except FileNotFoundError:
            raise HostError(self, "`rsync` is missing on this machine; install it") from None
        if done.returncode:
            raise HostError(self, f"{what}: {(done.stderr.strip().splitlines() or ['rsync failed'])[0]}")
