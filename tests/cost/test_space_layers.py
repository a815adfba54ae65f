"""What a space may run is kept on disk, and made again where it is damaged or of something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch import nn

from ednas_nni import plugins
from ednas_nni.cost import cost_table

SIZE = (64, 128)
TASKS = {"segmentation": 13, "depth": 1, "normals": 3}


@pytest.fixture(scope="module")
def nano():
    space = plugins.load("search_spaces", "nano")(tasks=TASKS)
    return space, cost_table(space, ["peak_memory"], SIZE)


def samples(domains, count: int) -> list[dict]:
    rng = np.random.default_rng(0)
    return [domains.random(rng) for _ in range(count)]


def test_a_kept_space_gives_the_same_costs(nano, tmp_path: Path, monkeypatch) -> None:
    from ednas_nni.cost import reading

    space, table = nano
    devices = ["edge_tpu", "peak_memory"]
    first = cost_table(space, devices, SIZE, folder=tmp_path)
    assert len(list(tmp_path.glob("*/*.npz"))) == 1
    monkeypatch.setattr(reading, "trace_image", lambda *_, **__: pytest.fail("traced again"))
    second = cost_table(space, devices, SIZE, folder=tmp_path)
    found = samples(table.domains, 50)
    assert (first(found) == second(found)).all()
    assert second.fixed == first.fixed
    assert not list(tmp_path.glob("*/*.part"))


@pytest.mark.parametrize("spoil", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:-300] + bytes(300)])
def test_a_damaged_file_is_made_again(nano, tmp_path: Path, spoil) -> None:
    space, table = nano
    first = cost_table(space, ["macs"], SIZE, folder=tmp_path)
    (kept,) = tmp_path.glob("*/*.npz")
    whole = kept.read_bytes()
    kept.write_bytes(spoil(whole))
    again = cost_table(space, ["macs"], SIZE, folder=tmp_path)
    found = samples(table.domains, 20)
    assert (again(found) == first(found)).all()
    assert kept.stat().st_size > len(whole) // 2


def test_changed_numbers_are_not_believed(nano, tmp_path: Path) -> None:
    """Another record in a file that can be read: the digest tells."""
    from ednas_nni.cost import space_layers
    from ednas_nni.cost.reading import read_space

    space, table = nano
    path = tmp_path / "x.npz"
    space_layers.store(path, read_space(space, SIZE))
    assert space_layers.load(path, table.domains) is not None
    with np.load(path) as arrays:
        content = dict(arrays)
    content["records"] = content["records"] * 0
    np.savez_compressed(path, **content)
    assert space_layers.load(path, table.domains) is None


def test_other_sizes_and_spaces_have_other_files(nano, tmp_path: Path) -> None:
    space, _ = nano
    cost_table(space, ["macs"], SIZE, folder=tmp_path)
    cost_table(space, ["macs"], (64, 64), folder=tmp_path)
    cost_table(plugins.load("search_spaces", "nano")(tasks={"depth": 1}), ["macs"], SIZE, folder=tmp_path)
    assert len(list(tmp_path.glob("*/*.npz"))) == 3
    cost_table(space, ["params"], SIZE, folder=tmp_path)
    assert len(list(tmp_path.glob("*/*.npz"))) == 3


def test_a_space_changed_after_its_construction_has_another_file(tmp_path: Path) -> None:
    space = plugins.load("search_spaces", "nano")(tasks={"depth": 1})
    before = cost_table(space, (), SIZE, folder=tmp_path)
    space.heads["depth"].predict = nn.Conv2d(space.heads["depth"].predict.in_channels, 1, 3, padding=1)
    after = cost_table(space, (), SIZE, folder=tmp_path)
    sample = before.domains.random(np.random.default_rng(0))
    assert (after([sample]) > before([sample])).all()
