"""The cache: made once, seen only when complete, and never trusted blindly."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from ednas_nni.data import cache
from ednas_nni.errors import DataError
from scenes.rooms import Rooms

RECIPE = {"name": "numbers", "size": [2, 3]}


def fill(folder: Path) -> None:
    np.save(folder / "a.npy", np.arange(1000))
    np.save(folder / "b.npy", np.arange(2000))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "cache" / "numbers-1"
    assert cache.ensure(place, RECIPE, fill)
    return place


def test_arrays_come_back_mapped_and_read_only(folder: Path) -> None:
    arrays = cache.open_arrays(folder, RECIPE, ["a", "b"])
    assert isinstance(arrays["a"], np.memmap)
    np.testing.assert_array_equal(arrays["b"], np.arange(2000))
    with pytest.raises(ValueError, match="read-only"):
        arrays["a"][0] = 1


def test_a_folder_that_exists_is_not_made_again(folder: Path) -> None:
    assert not cache.ensure(folder, RECIPE, lambda _: pytest.fail("must not be called"))


def test_truncated_file_is_named(folder: Path) -> None:
    with (folder / "a.npy").open("r+b") as handle:
        handle.truncate(500)
    with pytest.raises(DataError, match=r"a\.npy \(500 bytes instead of \d+\).*rm -r"):
        cache.open_arrays(folder, RECIPE, ["a", "b"])
    assert list(cache.open_arrays(folder, RECIPE, ["b"])) == ["b"]


def test_altered_file_is_named(folder: Path) -> None:
    cache.open_arrays(folder, RECIPE, ["a"])
    content = bytearray((folder / "a.npy").read_bytes())
    content[-5] ^= 1
    (folder / "a.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npy \(altered"):
        cache.open_arrays(folder, RECIPE, ["a"])


def test_every_damaged_file_is_named(folder: Path) -> None:
    (folder / "a.npy").unlink()
    (folder / "b.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.npy \(missing\), b\.npy \(0 bytes"):
        cache.open_arrays(folder, RECIPE, ["a", "b"])


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": 9, "recipe": {}, "files": {}}'])
def test_damaged_manifest(folder: Path, text: str) -> None:
    (folder / cache.MANIFEST).write_text(text)
    with pytest.raises(DataError, match=r"manifest\.json"):
        cache.open_arrays(folder, RECIPE, ["a"])


def test_manifest_of_another_recipe(folder: Path) -> None:
    with pytest.raises(DataError, match="another recipe"):
        cache.open_arrays(folder, {**RECIPE, "size": [4, 4]}, ["a"])


def test_a_failed_fill_leaves_nothing(tmp_path: Path) -> None:
    def broken(folder: Path) -> None:
        fill(folder)
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError):
        cache.ensure(tmp_path / "x", RECIPE, broken)
    assert [p.name for p in tmp_path.iterdir()] == ["x.lock"]
    assert cache.ensure(tmp_path / "x", RECIPE, fill)


def test_left_overs_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    (tmp_path / "x.partial-99999").mkdir()
    cache.ensure(tmp_path / "x", RECIPE, fill)
    assert not list(tmp_path.glob("*.partial-*"))


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="EDNAS_CACHE"):
        cache.ensure(tmp_path / "file" / "x", RECIPE, fill)


def fills_by_two_threads(place: Path) -> int:
    calls: list[int] = []
    together = threading.Barrier(2)

    def slow(folder: Path) -> None:
        calls.append(1)
        time.sleep(0.2)
        fill(folder)

    def run() -> None:
        together.wait()
        with contextlib.suppress(DataError):
            cache.ensure(place, RECIPE, slow)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(calls)


def test_only_one_makes_it(tmp_path: Path) -> None:
    assert fills_by_two_threads(tmp_path / "x") == 1
    cache.open_arrays(tmp_path / "x", RECIPE, ["a", "b"])


def test_without_the_lock_both_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "locked", lambda path: contextlib.nullcontext())
    # Different names, as two processes would have; otherwise the second could not even begin.
    numbers = iter((1, 2))
    monkeypatch.setattr(cache.os, "getpid", lambda: next(numbers))
    assert fills_by_two_threads(tmp_path / "x") == 2


def test_cache_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDNAS_CACHE", str(tmp_path))
    assert cache.cache_root() == tmp_path
    assert cache.cache_root(tmp_path / "elsewhere") == tmp_path / "elsewhere"
    monkeypatch.delenv("EDNAS_CACHE")
    assert cache.cache_root() == Path.home() / ".cache" / "ednas"


def test_a_relative_cache_would_be_another_one_in_each_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The search, NNI's manager and trials run in different folders: the supernet would be trained three times."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=rf"data.cache = 'mine': write an absolute path.*{tmp_path}/mine"):
        cache.cache_root("mine")
    monkeypatch.setenv("EDNAS_CACHE", "mine")
    with pytest.raises(DataError, match=rf"EDNAS_CACHE = 'mine': write an absolute path.*{tmp_path}/mine"):
        cache.cache_root()


def test_two_processes_share_one_rendering(tmp_path: Path) -> None:
    code = (
        "from scenes.rooms import Rooms; import sys;"
        "r = Rooms(size=(16, 32), train=8, search=2, select=2, test=2, cache=sys.argv[1]);"
        "print(int(r.split('train').image.sum()), 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    pair = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = {process.communicate(timeout=60)[0] for process in pair}
    here = Rooms(size=(16, 32), train=8, search=2, select=2, test=2, cache=tmp_path)
    before = (here.cache_folder / "manifest.json").stat().st_mtime_ns
    assert answers == {f"{int(here.split('train').image.sum())} False\n"}
    assert (here.cache_folder / "manifest.json").stat().st_mtime_ns == before
    assert sorted(p.name for p in tmp_path.iterdir()) == [here.cache_folder.name, f"{here.cache_folder.name}.lock"]


def test_damage_reaches_the_user_of_a_split(tmp_path: Path) -> None:
    source = Rooms(size=(16, 32), train=2, search=1, select=1, test=1, cache=tmp_path)
    source.prepare(progress=False)
    path = source.cache_folder / "train_depth.npy"
    os.truncate(path, path.stat().st_size - 4)
    with pytest.raises(DataError, match=r"train_depth\.npy"):
        source.split("train")
    assert len(source.split("search")) == 1
