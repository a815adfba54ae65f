"""Hosts of a test's own: each a network namespace with a cable to this machine, one sshd and a home."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import signal
import site
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SSHD = "/usr/sbin/sshd"
SUBNET = "10.213"


def sh(*words: str, check: bool = True) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def forbidden() -> str:
    """Why hosts cannot be made here; "" where they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in (SSHD, "/usr/bin/ssh", "ip", "rsync"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    name = f"ednas{os.getpid()}t"
    try:
        sh("ip", "netns", "add", name)
        sh("ip", "netns", "exec", name, "ip", "link", "set", "lo", "up")
    except RuntimeError as error:
        return f"namespaces are not permitted: {error}"
    finally:
        sh("ip", "netns", "del", name, check=False)
    return ""


@dataclass
class Host:
    """One of them; its sshd gives trials their environment, and folders that this machine does not see (`mounts`)."""

    name: str
    number: int
    home: Path
    key: Path
    scratch: Path
    """For temporary files; a short path, as Unix sockets need one."""

    @property
    def address(self) -> str:
        return f"{SUBNET}.{self.number}.2"

    @property
    def entry(self) -> dict[str, object]:
        """Its place in `machineList`."""
        from ednas_nni.bridge.manager.processes import BIN

        return {"host": self.address, "user": "root", "sshKeyFile": str(self.key), "pythonPath": str(BIN)}

    def run(self, *words: str) -> str:
        return sh("ip", "netns", "exec", self.name, *words)

    def pids(self) -> list[int]:
        return [int(pid) for pid in sh("ip", "netns", "pids", self.name, check=False).split()]

    def cut(self) -> None:
        self.run("ip", "link", "set", "eth0", "down")

    def join(self) -> None:
        self.run("ip", "link", "set", "eth0", "up")

    def kill(self) -> None:
        """As if the power had gone: no process of it says good-bye."""
        sh("ip", "netns", "exec", self.name, "ip", "link", "set", "eth0", "down", check=False)
        for _ in range(3):
            for pid in self.pids():
                with suppress(ProcessLookupError):
                    os.kill(pid, 9)
            time.sleep(0.1)

    def freeze(self, frozen: bool = True) -> None:
        """It hangs: no process of it runs, and its network stays up."""
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    def boot(self, environment: dict[str, str], mounts: Sequence[str] = (), speed: str = "") -> None:
        """Start its sshd.

        Args:
            environment: Of all that is run over SSH.
            mounts: Shell commands before it, in a mount namespace of its own (`ip netns exec` makes one).
            speed: What runs it, such as `taskset -c 0 nice -n 15`.
        """
        config = self.home.parent / f"{self.name}.sshd"
        variables = {"HOME": str(self.home), "TMPDIR": str(self.scratch), **environment}
        pairs = " ".join(f"{name}={value}" for name, value in variables.items())
        config.write_text(
            f"HostKey {self.home.parent}/host_key\nAuthorizedKeysFile {self.home.parent}/key.pub\nUsePAM no\n"
            f"PasswordAuthentication no\nPidFile none\nListenAddress {self.address}\nSetEnv {pairs}\n"
            "Subsystem sftp internal-sftp\nMaxSessions 50\nMaxStartups 100\nStrictModes no\n"
        )
        sshd = f"exec {speed} {shlex.join([SSHD, '-f', str(config), '-E', f'{config}.log'])}"
        self.run("sh", "-ec", "\n".join([*mounts, sshd]))
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection((self.address, 22), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)


def without_ednas(home: Path, root: Path) -> list[str]:
    """A Python at `~/.ednas` such as docs/machines.md asks for, and mounts that hide this one and the repository.

    What is faked: NNI, torch and the other packages are links to those of this environment, not installed anew.
    """
    packages, seen = Path(site.getsitepackages()[0]), home / "packages"
    seen.mkdir()
    sh(sys._base_executable, "-m", "venv", "--without-pip", str(home / ".ednas"))  # type: ignore[attr-defined]
    (place,) = (home / ".ednas" / "lib").glob("python*/site-packages")
    for entry in packages.iterdir():
        if "ednas" not in entry.name and entry.name != "__pycache__":
            (place / entry.name).symlink_to(seen / entry.name)
    prefix = Path(sys.prefix)
    hiding = [root] if prefix.is_relative_to(root) else [root, prefix]
    hidden = [f"mount --bind {shlex.quote(str(packages))} {shlex.quote(str(seen))}"]
    return [*hidden, *(f"mount -t tmpfs none {shlex.quote(str(path))}" for path in hiding)]


def _free_number() -> int:
    """Of a subnet that nobody uses: others may run these tests, too, and the kernel takes a while to forget one."""
    numbers = random.sample(range(10, 250), 100)
    return next(n for n in numbers if not sh("ip", "-o", "addr", "show", "to", f"{SUBNET}.{n}.0/24").strip())


@contextmanager
def hosts(
    folder: Path,
    count: int,
    environments: list[dict[str, str]] | None = None,
    mounts: Callable[[Path], list[str]] = lambda home: [],
    speeds: Sequence[str] = (),
) -> Iterator[list[Host]]:
    """So many hosts, and a program `ssh` in `folder / "bin"` that knows their keys; `mounts` of a home folder."""
    folder.mkdir(parents=True, exist_ok=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    for key in ("key", "host_key"):
        sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key))
    made: list[Host] = []
    scratch = Path(tempfile.mkdtemp(prefix="h", dir="/tmp"))
    try:
        for i in range(count):
            number = _free_number()
            host = Host(f"ednas{os.getpid()}h{number}", number, folder / f"home{i}", folder / "key", scratch / str(i))
            made.append(host)
            host.home.mkdir()
            host.scratch.mkdir()
            cable = f"ed{os.getpid() % 100000}v{number}"
            sh("ip", "netns", "add", host.name)
            sh("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", host.name)
            sh("ip", "addr", "add", f"{SUBNET}.{host.number}.1/24", "dev", cable)
            sh("ip", "link", "set", cable, "up")
            host.run("ip", "addr", "add", f"{host.address}/24", "dev", "eth0")
            for link in ("lo", "eth0"):
                host.run("ip", "link", "set", link, "up")
            host.boot((environments or [{}] * count)[i], mounts(host.home), speeds[i] if speeds else "")
        words = (folder / "host_key.pub").read_text().split()[:2]
        (folder / "known_hosts").write_text("".join(f"{host.address} {' '.join(words)}\n" for host in made))
        (folder / "ssh_config").write_text(
            f"UserKnownHostsFile {folder}/known_hosts\nGlobalKnownHostsFile /dev/null\nIdentityFile {folder}/key\n"
        )
        (folder / "bin").mkdir()
        for program in ("ssh", "scp"):
            path = folder / "bin" / program
            path.write_text(f'#!/bin/sh\nexec /usr/bin/{program} -F {folder}/ssh_config "$@"\n')
            path.chmod(0o755)
        yield made
    finally:
        for host in made:
            host.kill()
            sh("ip", "netns", "del", host.name, check=False)
        shutil.rmtree(scratch, ignore_errors=True)
