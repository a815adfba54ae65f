"""Who reaches NNI's port: this machine alone unless the study says otherwise, and a loud warning where it is open."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ednas_nni.bridge.manager import exposure, launch
from ednas_nni.errors import StudyError
from tests.bridge.experiments import write_experiment

FORMS = [  # how programs of node ask for a port: NNI's express uses the first
    "server.listen(0, () => told())",
    "server.listen(0); server.on('listening', told)",
    "server.listen('0'); server.on('listening', told)",
    "server.listen(0, undefined, 511, () => told())",
    "server.listen(0, null, () => told())",
    "server.listen({port: 0}, () => told())",
    "server.listen({port: 0, backlog: 5}, () => told())",
]
SCRIPT = """
const told = () => console.log(JSON.stringify(server.address())) || server.close();
const server = require('http').createServer();
"""


def _node() -> Path:
    import nni_node

    return Path(nni_node.__path__[0]) / "node"


def _address(form: str, environment: dict[str, str]) -> str:
    """The address on which NNI's own node listens."""
    done = subprocess.run(
        [_node(), "-e", SCRIPT + form], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["address"]


@pytest.mark.parametrize("form", FORMS)
def test_the_preload_binds_to_this_machine(form: str) -> None:
    assert _address(form, launch.environment()) == "127.0.0.1"


def test_without_the_preload_node_listens_everywhere() -> None:
    """The broken variant: what the preload is for."""
    assert _address(FORMS[0], launch.environment(open_port=True)) in ("::", "0.0.0.0")


def test_an_address_that_is_named_is_kept() -> None:
    assert _address("server.listen(0, '0.0.0.0', () => told())", launch.environment()) == "0.0.0.0"


def test_what_the_shell_exports_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_OPTIONS", "--max-old-space-size=512")
    closed = launch.environment()["NODE_OPTIONS"]
    monkeypatch.setenv("NODE_OPTIONS", closed)
    assert launch.environment(open_port=True)["NODE_OPTIONS"] == "--max-old-space-size=512"
    assert launch.environment()["NODE_OPTIONS"] == closed


def test_what_a_program_starts_is_guarded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ednas_nni.experiment` starts NNI from this process."""
    monkeypatch.setenv("NODE_OPTIONS", "--max-old-space-size=512")
    with exposure.guarded(open_port=False):
        assert _address(FORMS[0], dict(os.environ)) == "127.0.0.1"
    assert os.environ["NODE_OPTIONS"] == "--max-old-space-size=512"
    monkeypatch.delenv("NODE_OPTIONS")
    with exposure.guarded(open_port=True):
        assert _address(FORMS[0], dict(os.environ)) in ("::", "0.0.0.0")
    assert "NODE_OPTIONS" not in os.environ


def test_an_experiment_of_a_program_guards_its_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    from ednas_nni.bridge.python.journalled import JournalledExperiment, NasExperiment
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    seen: list[str] = []
    monkeypatch.setattr(NasExperiment, "_start_nni_manager", lambda *_: seen.append(os.environ.get("NODE_OPTIONS", "")))
    monkeypatch.delenv("NODE_OPTIONS", raising=False)
    for allowed in (False, True):
        search = object.__new__(JournalledExperiment)
        search._action, search.assembled = "create", Assembled(parse({"allow_open_port": allowed}))
        search._start_nni_manager(8080, False)
    assert [str(exposure.LOOPBACK) in options for options in seen] == [True, False]


# ---- finding out


@pytest.fixture
def listening(request: pytest.FixtureRequest) -> Iterator[int]:
    """A port that is open on one address, or on all."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.bind((request.param, 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses of this machine; on one without a network, another one of the loopback range stands for them."""
    found = exposure.own_addresses() or ["127.0.0.2"]
    monkeypatch.setattr(exposure, "own_addresses", lambda: found)
    return found


@pytest.mark.parametrize("listening", ["127.0.0.1"], indirect=True)
def test_a_closed_port(listening: int, addresses: list[str]) -> None:
    assert exposure.open_addresses(listening) == []
    assert exposure.warning(listening, [], False) == ""


@pytest.mark.parametrize("listening", ["0.0.0.0"], indirect=True)
def test_an_open_port_of_ipv4(listening: int, addresses: list[str]) -> None:
    assert exposure.open_addresses(listening) == [address for address in addresses if ":" not in address]


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
@pytest.mark.parametrize("listening", ["::"], indirect=True)
def test_an_open_port_of_ipv6(listening: int, addresses: list[str]) -> None:
    """Node's `::` takes both families; one that is open to IPv6 alone must be seen, too."""
    found = exposure.open_addresses(listening)
    assert [address for address in addresses if ":" in address] == [address for address in found if ":" in address]


def test_what_is_said() -> None:
    told = exposure.warning(8080, ["192.0.2.2", "fd00::2"], False)
    for word in ("8080", "192.0.2.2", "fd00::2", "no password", "run code", "Stop it now", "ednas search", "loopback"):
        assert word in told
    allowed = exposure.warning(8080, ["192.0.2.2"], True)
    assert "allow_open_port" in allowed and "firewall" in allowed and "Stop it now" not in allowed


# ---- other machines


@pytest.mark.parametrize(
    "service",
    [{"platform": "remote"}, {"platform": "openpai"}, [{"platform": "local"}, {"platform": "remote"}]],
    ids=["remote", "openpai", "hybrid"],
)
def test_training_elsewhere_needs_the_switch(service: object) -> None:
    with pytest.raises(StudyError) as caught:
        exposure.check_platform({"trainingService": service}, allowed=False)
    for word in ("trainingService.platform", "run code", "no password", "allow_open_port: true", "firewall"):
        assert word in str(caught.value)
    exposure.check_platform({"trainingService": service}, allowed=True)


@pytest.mark.parametrize("service", [{"platform": "local"}, None, [], {}, 3, [{"platform": "local"}]], ids=repr)
def test_training_here_does_not(service: object) -> None:
    exposure.check_platform({"trainingService": service}, allowed=False)


# ---- real NNI


@pytest.mark.nni
@pytest.mark.slow
def test_an_open_port_is_said_loudly(tmp_path: Path, addresses: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The broken variant: nnictl as somebody types it who does not know of `ednas loopback`."""
    import time

    from ednas_nni.bridge.manager.follow import follow
    from ednas_nni.bridge.manager.rest import Manager
    from ednas_nni.cli.display import Lines
    from ednas_nni.record.journal import journal_path, load

    study = {"evaluator": {"name": "stub", "seconds": 0.1}, "strategy": "random", "hardware_aware": "off"}
    path = write_experiment(tmp_path, "open", study)
    port = launch.free_port(18900)
    name = launch.create(path, port, open_port=True)
    journal = journal_path(tmp_path / "experiments", name)
    try:
        assert exposure.open_addresses(port) == addresses, "the port is open, as without the preload"
        with Lines() as lines:
            follow(Manager.at(port), journal, lines, 1)
        end = time.monotonic() + 30
        while not load(journal).notes and time.monotonic() < end:
            time.sleep(0.2)
        shown = Manager.at(port).experiment()["params"]["searchSpace"]
    finally:
        launch.stop(name, port)
    (note,) = [note for note in load(journal).notes if note.kind == "open_port"]
    assert f"port {port} answers on {', '.join(addresses)}" in note.text and "Stop it now" in note.text
    assert shown["WARNING"]["_value"] == [note.text], "in NNI's web UI"
    assert note.text in (journal.parents[1] / "log" / "dispatcher.log").read_text(encoding="utf-8")
    assert f"note: {note.text}" in capsys.readouterr().out, "in the terminal of `ednas search`"
    assert os.environ.get("NODE_OPTIONS", "").count("loopback.js") == 0
