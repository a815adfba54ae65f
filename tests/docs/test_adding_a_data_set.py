"""docs/adding_a_data_set.md: its data set keeps the contract."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ednas_nni.data import DATASETS
from ednas_nni.data.layouts.base import FolderSource
from ednas_nni.errors import DataError, PluginError, StudyError

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "adding_a_data_set.md").read_text(encoding="utf-8")
SOURCE = (ROOT / "examples" / "small" / "drone.py").read_text(encoding="utf-8")
ENTRY, SUITE = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The page's code as a module, as workers import it."""
    module = types.ModuleType("page_of_data_sets")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(SOURCE + SUITE, "adding_a_data_set.md", "exec"), module.__dict__)
    return module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six flights of three pictures, one mask missing."""
    rng = np.random.default_rng(0)
    for flight in "abcdef":
        for number in range(3):
            for top, values in (
                ("frames", rng.integers(0, 255, (32, 64, 3))),
                ("masks", rng.integers(0, 3, (32, 64))),
            ):
                path = tmp_path / "drone" / top / flight / f"{number:04d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                if top == "frames" or (flight, number) != ("a", 0):
                    Image.fromarray(values.astype(np.uint8)).save(path)
    return tmp_path / "drone"


def test_a_test_split_that_nobody_names_is_one_line(page, folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(page.Drone, "shares", FolderSource.shares)
    with pytest.raises(DataError, match=r"drone.* has no split 'test'\. Name its images in `listed`"):
        _ = page.Drone(folder, (32, 64)).records


def test_its_data_set_keeps_the_contract(page, folder: Path, tmp_path: Path, monkeypatch) -> None:
    # A worker is another interpreter, which can import modules, not pages.
    (tmp_path / "page_of_data_sets.py").write_text(SOURCE + SUITE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    page.test_contract(folder, tmp_path / "cache")
    drone = page.Drone(folder, (32, 64), cache=tmp_path / "cache")
    assert sum(drone.info.counts.values()) == 18
    groups = [{record.group for record in records} for records in drone.records.values()]
    assert sum(map(len, groups)) == 6
    assert page.Drone(folder, (32, 64), least=3).info.fingerprint != drone.info.fingerprint


def test_its_options_are_checked(page, folder: Path) -> None:
    with pytest.raises(StudyError, match=r"unknown option 'leats'. Did you mean 'least'"):
        page.check_data_set(page.Drone, {"folder": str(folder), "leats": 2})
    with pytest.raises(StudyError, match=r"data.seed = 'one'"):
        page.check_data_set(page.Drone, {"folder": str(folder), "seed": "one"})


def test_a_set_that_breaks_a_rule_is_noticed(page, folder: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "page_of_data_sets.py").write_text(SOURCE + SUITE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    copy = folder / "frames" / "f" / "0000.png"
    for path in folder.glob("frames/*/*.png"):
        path.write_bytes(copy.read_bytes())
    with pytest.raises(PluginError, match="the same picture is in"):
        page.test_contract(folder, tmp_path / "cache")


def test_the_line_is_an_entry_point() -> None:
    (group, (line,)) = next(iter(eval(ENTRY.partition("=")[2]).items()))
    assert group == "ednas_nni.datasets" and DATASETS.name == "datasets"
    assert line.startswith("drone = ")
