"""Small rendered rooms that all tests of this folder share."""

from __future__ import annotations

import pytest

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
