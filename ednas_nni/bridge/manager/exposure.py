"""Who can reach NNI's port: on which addresses of this machine it answers, and what is said about it.

NNI 3.0 listens on every address, asks for no password and unpickles what it is sent, so whoever reaches the port runs
code as the user who searches (docs/security.md). The preload `loopback.js` closes it.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ednas_nni.bridge.manager.processes import BIN
from ednas_nni.bridge.manager.services import SERVICES
from ednas_nni.errors import StudyError

OPEN_TO = "EDNAS_OPEN_TO"
LOOPBACK = Path(__file__).resolve().with_name("loopback.js")
ANSWER_S = 0.5
RISK = "whoever reaches NNI's port can run code on this machine, as it asks for no password"
PRELOADS = "EDNAS_PRELOADS"
"""Environment variable: scripts that `loopback.js` loads into the manager, where its port is not open."""
SWITCH = "`allow_open_port: true` under tuner.classArgs"


def path_variable(environment: Mapping[str, str] = os.environ) -> str:
    """PATH with this interpreter's folder first, so that `python3` is this environment."""
    rest = [part for part in environment.get("PATH", os.defpath).split(os.pathsep) if part and Path(part) != BIN]
    return os.pathsep.join([str(BIN), *rest])


def node_options(environment: Mapping[str, str] = os.environ) -> str:
    """NODE_OPTIONS that put the preload into NNI's manager; what stands there already is kept."""
    path = str(LOOPBACK).replace("\\", "\\\\").replace('"', '\\"')
    option = f'--require "{path}"' if " " in path or "\\" in path else f"--require {path}"
    present = environment.get("NODE_OPTIONS", "")
    return present if option in present else f"{present} {option}".strip()


def variables(open_to: str | None = None, environment: Mapping[str, str] = os.environ) -> dict[str, str | None]:
    """What NNI's processes need in their environment; None takes a variable out.

    `open_to` are host names, separated by commas, that may call the manager from elsewhere, "" for addresses only; with
    None it listens on this machine.
    """
    changes: dict[str, str | None] = {
        "PATH": path_variable(environment),
        "NODE_OPTIONS": node_options(environment),
        OPEN_TO: open_to,
    }
    for service in SERVICES.loadable().values():
        changes.update(service().environment())
    for name in ("no_proxy", "NO_PROXY"):  # a proxy has no business between NNI's own processes
        present = environment.get(name, "")
        changes[name] = present if "localhost" in present else ",".join(filter(None, [present, "localhost,127.0.0.1"]))
    return changes


@contextmanager
def guarded(open_to: str | None) -> Iterator[None]:
    """What this process starts in the block has `variables`."""
    changes = variables(open_to)
    before = {name: os.environ.get(name) for name in changes}
    _change(changes)
    try:
        yield
    finally:
        _change(before)


def _change(changes: Mapping[str, str | None]) -> None:
    for name, value in changes.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


def open_addresses(port: int) -> list[str]:
    """Addresses of this machine, other than loopback, on which something answers at a port; IPv4 and IPv6.

    Connections to one's own address do not pass most firewalls' rules: an address in this list may still be closed to
    other machines, one that is not in it is closed to all.
    """
    return [address for address in own_addresses() if _answers(address, port)]


def own_addresses() -> list[str]:
    """Addresses of this machine other than loopback; link-local ones with their interface, as in fe80::1%eth0."""
    import psutil

    addresses = []
    for interface in psutil.net_if_addrs().values():
        for entry in interface:
            if entry.family not in (socket.AF_INET, socket.AF_INET6):
                continue
            if not ipaddress.ip_address(entry.address.partition("%")[0]).is_loopback:
                addresses.append(entry.address)
    return addresses


def _answers(address: str, port: int) -> bool:
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.settimeout(ANSWER_S)
            return probe.connect_ex(place) == 0
    except OSError:  # the interface went down meanwhile
        return False


def warning(port: int, addresses: list[str], allowed: bool) -> str:
    """What is said of an open port and the `open_addresses` it answers on; "" where it is closed."""
    if not addresses:
        return ""
    where = f"NNI's port {port} answers on {', '.join(addresses)}: {RISK}"
    if allowed:
        return f"{where}. The study allows it (`allow_open_port`): keep others out by a firewall, see docs/security.md."
    return (
        f'{where}. Stop it now, and start it with `ednas search FILE.yml`, or type `eval "$(ednas loopback)"` before '
        "nnictl: then it listens on this machine only."
    )


def platforms(experiment: Mapping[str, object]) -> list[str]:
    """Platforms of an experiment's training services, in NNI's words; none where they cannot be told."""
    service = experiment.get("trainingService")
    services = service if isinstance(service, list) else [service]
    return [str(one["platform"]) for one in services if isinstance(one, dict) and "platform" in one]


def check_platform(experiment: Mapping[str, object], allowed: bool, started: bool = False) -> None:
    """Reject training services on other machines, by a StudyError, unless the study allows what they need.

    Those that have a plug-in need nothing, where its scripts are in the manager that was `started`.
    """
    single = isinstance(experiment.get("trainingService"), dict)
    mended = SERVICES.names() if single and (not started or PRELOADS in os.environ) else []
    elsewhere = [platform for platform in platforms(experiment) if platform not in ("local", *mended)]
    if elsewhere and not allowed:
        way_out = f"If a firewall lets only them in, write {SWITCH}; see docs/security.md."
        if elsewhere[0] in SERVICES:
            way_out = "`ednas search FILE.yml` starts it without, for a single service (docs/machines.md)."
        raise StudyError(
            f"trainingService.platform = {elsewhere[0]!r}: its machines call back to NNI, which must then listen on "
            f"every address, and {RISK}. {way_out}"
        )
