"""Rendered data written in every layout of .npy and PNG files, and read back by the real readers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data_sets.adashare import AdaShare
from data_sets.mtan import Mtan
from data_sets.nyud_mt import NYUDMT
from ednas_nni import plugins
from ednas_nni.data.audit import audit_path
from ednas_nni.data.class_names import CITYSCAPES_19_TO_7
from ednas_nni.data.info import SPLITS
from ednas_nni.data.layouts.base import FolderSource
from ednas_nni.data.source import DataSource
from ednas_nni.errors import DataError
from scenes.rooms import Rooms
from scenes.streets import Streets
from tests.data_sets.written import written

SIZE = (32, 64)
DISPARITY = 0.209313 * 2262.52  # px m, the usual rig of CityScapes at 2048 pixels


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Streets:
    return Streets(size=SIZE, train=6, search=2, select=2, test=2, holes=0.1, cache=tmp_path_factory.mktemp("streets"))


def stacked(source: DataSource, name: str, part: str) -> np.ndarray:
    """Train, search and select after each other, or the test split."""
    splits = ("test",) if part == "test" else ("train", "search", "select")
    return np.concatenate([source.split(split, opened_by="a test").target(name) for split in splits])


def read_back(source: FolderSource, name: str, part: str) -> np.ndarray:
    """The same rows as :func:`stacked`, in the order in which they were written."""
    if part == "test":
        return np.asarray(source.split("test", opened_by="a test").target(name))
    found = {}
    for split in ("train", "search", "select"):
        values = source.split(split).target(name)
        found.update({int(Path(r.key).name): values[row] for row, r in enumerate(source.records[split])})
    return np.stack([found[number] for number in sorted(found)])


def degrees(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Angles between vectors where both are valid; accurate for small angles too."""
    one, other = one.astype(np.float64), other.astype(np.float64)
    valid = one.any(-1) & other.any(-1)
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(one, other), axis=-1), (one * other).sum(-1)))[valid]


@pytest.mark.parametrize(
    ("layout", "options", "loss"),
    [(Mtan, {}, 0), (AdaShare, {"classes": 13}, 0), (NYUDMT, {"classes": 13}, 12)],
)
def test_rooms_come_back(rooms: Rooms, tmp_path: Path, layout, options: dict, loss: int) -> None:
    folder = written(layout, rooms, tmp_path / "written")
    source = layout(folder, SIZE, cache=tmp_path / "cache", **options)
    assert source.info.counts == {"train": 23, "search": 3, "select": 3, "test": 3}
    assert source.info.targets == rooms.info.targets
    for part in ("train", "test"):
        image = np.abs(read_back(source, "image", part).astype(int) - stacked(rooms, "image", part))
        assert image.max() <= (0 if not loss else 255)
        assert image.mean() <= loss
        assert (read_back(source, "segmentation", part) == stacked(rooms, "segmentation", part)).all()
        assert (read_back(source, "depth", part) == stacked(rooms, "depth", part)).all()
        ours, theirs = read_back(source, "normals", part), stacked(rooms, "normals", part)
        assert (ours.any(-1) == theirs.any(-1)).all()
        angle = degrees(ours, theirs)
        if layout is AdaShare:  # half a step of 2/255 in each of three components is at most 0.39 degrees
            assert angle.max() < 0.45
            assert np.median(angle) > 0.01
        else:
            assert angle.max() < 0.05


def test_normals_of_nyud_mt_may_be_pictures(rooms: Rooms, tmp_path: Path) -> None:
    """As ATRC made them; the official lists stay the splits."""
    folder = written(NYUDMT, rooms, tmp_path / "written")
    for path in (folder / "normals").glob("*.npy"):
        Image.fromarray(np.rint(np.load(path) * 127.5 + 127.5).astype(np.uint8)).save(path.with_suffix(".png"))
        path.unlink()
    source = NYUDMT(folder, SIZE, classes=13, cache=tmp_path / "cache")
    assert source.info.counts["test"] == 3
    assert degrees(stacked(source, "normals", "test"), stacked(rooms, "normals", "test")).max() < 0.45


@pytest.mark.parametrize("layout", [Mtan, AdaShare])
def test_streets_come_back(streets: Streets, tmp_path: Path, layout) -> None:
    folder = written(layout, streets, tmp_path / "written")
    source = layout(folder, SIZE, classes=19, cache=tmp_path / "cache")
    assert (source.info.depth_kind, source.info.depth_unit) == ("inverse", "1")
    for part in ("train", "test"):
        assert (read_back(source, "segmentation", part) == stacked(streets, "segmentation", part)).all()
        inverse = stacked(streets, "depth", part).astype(np.float64)
        code = (256 * DISPARITY * inverse + 1) * (inverse > 0)
        wanted = np.where((code >= 1.5) & (np.rint(code) <= 65535), code / 65535, 0)
        assert np.abs(read_back(source, "depth", part) - wanted).max() <= 0.51 / 65535
        assert (wanted > 0).mean() > 0.5


def test_coarse_labels_of_adashare(streets: Streets, tmp_path: Path) -> None:
    folder = written(AdaShare, streets, tmp_path / "written")
    fine, middle, coarse = (AdaShare(folder, SIZE, classes=n, cache=tmp_path / "c") for n in (19, 7, 2))
    labels = stacked(fine, "segmentation", "train")
    none = labels == 255
    seven = np.where(none, 255, CITYSCAPES_19_TO_7[np.where(none, 0, labels)])
    assert (stacked(middle, "segmentation", "train") == seven).all()
    assert (stacked(coarse, "segmentation", "train") == np.where(none, 255, seven >= 5)).all()


def test_streets_of_another_kind(tmp_path: Path) -> None:
    """Metric depth is written as disparity on request; what has no relation to metres is refused."""
    metric = Streets(size=SIZE, train=3, search=1, select=1, test=1, depth="metric", cache=tmp_path / "c")
    source = Mtan(written(Mtan, metric, tmp_path / "m", dataset="cityscapes"), SIZE, classes=19, cache=tmp_path / "c")
    metres = stacked(metric, "depth", "train")
    disparity = read_back(source, "depth", "train")
    both = (metres > 0) & (disparity > 0)
    again = DISPARITY / ((disparity[both].astype(np.float64) * 65535 - 1) / 256)
    assert np.abs(again / metres[both] - 1).max() < 0.5 / (256 * DISPARITY / metric.info.depth_max) + 1e-3
    with pytest.raises(DataError, match=r"inverse depth in '1', which cannot be turned into metres"):
        written(Mtan, source, tmp_path / "again", dataset="nyuv2")
    with pytest.raises(DataError, match="has no normals"):
        written(AdaShare, source, tmp_path / "no", dataset="nyuv2")
    with pytest.raises(DataError, match="holds files already"):
        written(Mtan, metric, tmp_path / "m")


def test_registered_sources_are_sources(rooms: Rooms, tmp_path: Path) -> None:
    folder = written(Mtan, rooms, tmp_path / "written")
    source = plugins.load("datasets", "mtan")(folder, SIZE, cache=tmp_path / "cache")
    assert isinstance(source, DataSource)
    assert {plugins.load("datasets", name).name for name in ("mtan", "adashare", "nyud_mt")} <= set(
        plugins.names("datasets")
    )
    for name in SPLITS:
        assert len(source.split(name, opened_by="a test")) == source.info.counts[name]


def openings(source: Any, cache: Path) -> list[str]:
    """Who opened the test split of a data set so far, oldest first."""
    path = audit_path(source.info, cache)
    return [json.loads(line)["opened_by"] for line in path.read_text().splitlines()] if path.exists() else []


def test_openings_are_journalled(rooms: Rooms, tmp_path: Path) -> None:
    folder = written(Mtan, rooms, tmp_path / "written")
    source = Mtan(folder, SIZE, cache=tmp_path / "cache")
    assert openings(source, tmp_path / "cache") == []
    source.split("train", opened_by="nobody needs this")
    with pytest.raises(DataError, match="kept closed"):
        source.split("test")
    assert openings(source, tmp_path / "cache") == []
    source.split("test", opened_by="first")
    source.split("test", opened_by="second")
    assert openings(source, tmp_path / "cache") == ["first", "second"]
    # Writing rooms opened their test split as well, and was noted.
    assert "writing mtan" in openings(rooms, rooms.cache_folder.parent)
