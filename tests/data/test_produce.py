"""The workers that fill the arrays of a data set."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ednas_nni.data import cache
from ednas_nni.data import produce as module
from ednas_nni.data.produce import produce
from ednas_nni.errors import DataError
from scenes.rooms import Rooms

SHAPES = {"image": ("uint8", (2, 3))}


def numbers(recipe: dict) -> Callable[[str, int], dict[str, np.ndarray]]:
    """The task of these tests: image number i is full of i; one of them may be refused, crash or have a wrong size."""

    def one(split: str, index: int) -> dict[str, np.ndarray]:
        if index == recipe.get("refused"):
            raise DataError(f"{split}/{index}.png is truncated; fetch it again")
        if index == recipe.get("crashes"):
            raise ZeroDivisionError("half way")
        width = 4 if index == recipe.get("wide") else 3
        return {"image": np.full((2, width), index, np.uint8)}

    return one


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "numbering.py").write_text(Path(__file__).read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "tasks"))

    def call(counts: dict[str, int], workers: int = 1, **recipe: object) -> Path:
        folder = tmp_path / f"out-{workers}"
        folder.mkdir()
        produce(
            folder, SHAPES, counts, task="numbering:numbers", recipe=recipe, title="numbering", progress=False,
            workers=workers,
        )  # fmt: skip
        return folder

    return call


def test_a_full_disk_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a worker writes: into a sparse file it would die of SIGBUS."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    rooms = Rooms(size=(32, 64), train=2, search=1, select=1, test=1, cache=tmp_path / "cache")
    with pytest.raises(DataError, match=r"cannot write the data cache .* No space left .* free some space"):
        rooms.prepare(progress=False)


@pytest.mark.parametrize("workers", [1, 3])
def test_every_image_is_made_once_and_nothing_else_is_left(run: Callable[..., Path], workers: int) -> None:
    folder = run({"train": 7, "search": 1, "empty": 0}, workers)
    np.testing.assert_array_equal(np.load(folder / "train_image.npy")[:, 1, 2], np.arange(7))
    assert np.load(folder / "search_image.npy").shape == (1, 2, 3)
    assert sorted(p.name for p in folder.iterdir()) == ["empty_image.npy", "search_image.npy", "train_image.npy"]


def test_a_refusal_reaches_the_user_word_by_word(run: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match=r"^train/5\.png is truncated; fetch it again$"):
        run({"train": 9}, 2, refused=5)


def test_a_crash_tells_its_last_words(run: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match=r"numbering failed in a worker process.*ZeroDivisionError: half way"):
        run({"train": 4}, crashes=2)


def test_a_crash_in_this_process_is_told_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scenes.rooms.source.render", lambda *_: 1 / 0)
    rooms = Rooms(size=(32, 64), train=2, search=1, select=1, test=1, cache=tmp_path / "cache")
    with pytest.raises(DataError, match="rendering rooms failed: ZeroDivisionError: division by zero"):
        rooms.prepare(progress=False)


def test_a_wrong_shape_is_refused(run: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match=r"image 1 of split 'train': array 'image' has shape \(2, 4\) instead"):
        run({"train": 4}, wide=1)


def test_number_of_workers_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = {"size": (8, 16), "train": 3, "search": 1, "select": 1, "test": 1}
    one = Rooms(**arguments, cache=tmp_path / "one")
    one.prepare(progress=False)
    monkeypatch.setattr(module, "_WORKERS_FROM", 1)
    monkeypatch.setattr(module, "cores", lambda: 2)
    two = Rooms(**arguments, cache=tmp_path / "two")
    two.prepare(progress=False)
    first, second = (json.loads((r.cache_folder / cache.MANIFEST).read_text())["files"] for r in (one, two))
    assert first == second and len(first) == 16
