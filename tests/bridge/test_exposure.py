"""Who reaches NNI's port: this machine alone unless the study says otherwise, and a loud warning where it is open."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ednas_nni.bridge.manager import exposure, launch
from ednas_nni.errors import StudyError
from tests.bridge.experiments import write_experiment

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
    [{"platform": "openpai"}, [{"platform": "local"}, {"platform": "openpai"}]],
    ids=["openpai", "hybrid"],
)
def test_training_elsewhere_needs_the_switch(service: object) -> None:
    with pytest.raises(StudyError) as caught:
        exposure.check_platform({"trainingService": service}, allowed=False)
    for word in ("trainingService.platform", "run code", "no password", "allow_open_port: true", "firewall"):
        assert word in str(caught.value)
    exposure.check_platform({"trainingService": service}, allowed=True)


def test_machines_reached_by_ssh_do_not_where_the_manager_was_started_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    service = {"trainingService": {"platform": "remote"}}
    exposure.check_platform(service, allowed=False)
    monkeypatch.delenv(exposure.PRELOADS, raising=False)
    with pytest.raises(StudyError, match="`ednas search"):
        exposure.check_platform(service, allowed=False, started=True)
    with pytest.raises(StudyError, match="single service"):
        exposure.check_platform({"trainingService": [{"platform": "remote"}]}, allowed=False)
    with exposure.guarded(None):
        exposure.check_platform(service, allowed=False, started=True)


@pytest.mark.parametrize("service", [{"platform": "local"}, None, [], {}, 3, [{"platform": "local"}]], ids=repr)
def test_training_here_does_not(service: object) -> None:
    exposure.check_platform({"trainingService": service}, allowed=False)


# ---- real NNI


@pytest.mark.nni
@pytest.mark.slow
def test_an_open_port_is_said_loudly(
    tmp_path: Path, addresses: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken variant: nnictl as somebody types it who does not know of `ednas loopback`."""
    import time

    from ednas_nni.bridge.manager.follow import follow
    from ednas_nni.cli.display import Lines
    from ednas_nni.record.journal import journal_path, load

    study = {"evaluator": {"name": "stub", "seconds": 0.1}, "strategy": "random", "hardware_aware": "off"}
    path = write_experiment(tmp_path, "open", study)
    monkeypatch.setattr(exposure, "node_options", lambda environment: "")
    began, running = time.time(), launch.create(path)
    port, journal = running.port, journal_path(tmp_path / "experiments", running.id)
    try:
        assert exposure.open_addresses(port) == addresses, "the port is open, as without the preload"
        follow(running.manager, journal, Lines(), 1, began)
        end = time.monotonic() + 30
        while not load(journal).notes and time.monotonic() < end:
            time.sleep(0.2)
        shown = running.manager.experiment()["params"]["searchSpace"]
    finally:
        running.stop()
    (note,) = [note for note in load(journal).notes if note.kind == "open_port"]
    assert f"port {port} answers on {', '.join(addresses)}" in note.text and "Stop it now" in note.text
    assert shown["WARNING"]["_value"] == [note.text], "in NNI's web UI"
    assert note.text in (journal.parents[1] / "log" / "dispatcher.log").read_text(encoding="utf-8")
    assert f"note: {note.text}" in capsys.readouterr().out, "in the terminal of `ednas search`"
