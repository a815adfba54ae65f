"""Small rendered rooms that all tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import pytest

from ednas_nni.data import produce, worker
from scenes.render.picture import Picture
from scenes.rooms import Rooms
from scenes.rooms.source import render


@pytest.fixture(scope="session")
def pictures() -> list[Picture]:
    return [render(seed, (48, 96)) for seed in range(60)]


@pytest.fixture(scope="session")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Rooms:
    source = Rooms(size=(32, 64), train=20, search=5, select=4, test=3, cache=tmp_path_factory.mktemp("cache"))
    source.prepare(progress=False)
    return source


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays are made in this process: the start of an interpreter takes longer than a few small images."""

    def run(folder: Path, logs: list[Path], *_: object) -> list[int]:
        for log in logs:
            log.touch()
        worker.fill(folder, 0, 1)
        return [0]

    monkeypatch.setattr(produce, "_run", run)
