"""Spoilt labels: how many, where, and that nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from ednas_nni.data.info import LabelFacts
from ednas_nni.errors import DataError
from scenes.degrade import TINY_EDGE_PER_M, Degradations
from scenes.rooms import Rooms
from scenes.rooms.source import render as room
from scenes.streets import Streets
from scenes.streets.source import as_labelled
from scenes.streets.source import render as street

SIZE = (40, 80)
SEEDS = range(20)
Arrays = dict[str, np.ndarray]


def arrays(picture) -> Arrays:
    return {name: getattr(picture, name) for name in ("image", "segmentation", "depth", "normals")}


@pytest.fixture(scope="module")
def rooms_() -> list[Arrays]:
    return [arrays(room(seed, SIZE, shadows=False)) for seed in SEEDS]


@pytest.fixture(scope="module")
def streets_() -> list[Arrays]:
    return [arrays(as_labelled(street(seed, SIZE, shadows=False), 19, "inverse")) for seed in SEEDS]


def spoilt(clean: list[Arrays], split: str = "train", **options: object) -> list[Arrays]:
    degradations = Degradations(**options)
    return [degradations.apply(one, split, seed, LabelFacts()) for seed, one in zip(SEEDS, clean, strict=True)]


def edges(depth: np.ndarray) -> np.ndarray:
    """Pixels beside an edge, by a plain double loop."""
    found = np.zeros(depth.shape, bool)
    for i, j in np.ndindex(depth.shape):
        around = depth[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
        found[i, j] = around.max() - around.min() > TINY_EDGE_PER_M
    return found & (depth > 0)


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_holes_take_their_share_and_nothing_else(rooms_, streets_, share: float) -> None:
    for clean in (rooms_, streets_):
        shares = []
        for before, after in zip(clean, spoilt(clean, holes=share), strict=True):
            hole = (before["depth"] > 0) & (after["depth"] == 0)
            shares.append(hole.sum() / (before["depth"] > 0).sum())
            np.testing.assert_array_equal(after["depth"][~hole], before["depth"][~hole])
            np.testing.assert_array_equal(after["normals"][~hole], before["normals"][~hole])
            assert not after["normals"][hole].any()
            for name in ("image", "segmentation"):
                np.testing.assert_array_equal(after[name], before[name])
        assert np.mean(shares) == pytest.approx(share, rel=0.2)
        assert min(shares) > 0.4 * share and max(shares) < 1.6 * share


def test_holes_prefer_edges_and_dark_pixels(streets_) -> None:
    rates = {"edge": [0, 0], "dark": [0, 0], "any": [0, 0]}
    for before, after in zip(streets_, spoilt(streets_, holes=0.15), strict=True):
        valid = before["depth"] > 0
        groups = {"edge": edges(before["depth"]), "dark": valid & (before["image"].mean(-1) < 45), "any": valid}
        for name, group in groups.items():
            rates[name][0] += (after["depth"][group] == 0).sum()
            rates[name][1] += group.sum()
    share = {name: holes / count for name, (holes, count) in rates.items()}
    assert share["edge"] > 1.2 * share["any"] and share["dark"] > 1.2 * share["any"], share


def test_tiny_values_take_their_share_of_the_edges(streets_) -> None:
    hits, candidates = 0, 0
    for before, after in zip(streets_, spoilt(streets_, tiny=0.3), strict=True):
        changed = before["depth"] != after["depth"]
        edge = edges(before["depth"])
        assert not changed[~edge].any()
        assert (after["depth"][changed] < before["depth"][changed]).all()
        np.testing.assert_array_equal(after["depth"] > 0, before["depth"] > 0)
        hits, candidates = hits + changed.sum(), candidates + edge.sum()
    assert hits / candidates == pytest.approx(0.3, rel=0.1)


def test_missing_labels_take_their_share(streets_) -> None:
    degradations = Degradations(missing=0.3)
    small = {name: values[:8, :8] for name, values in streets_[0].items()}
    small["depth"], small["normals"] = np.ones((8, 8), np.float32), np.ones((8, 8, 3), np.float32)
    lacks = np.zeros((400, 3), bool)
    for seed in range(400):
        after = degradations.apply(small, "train", seed, LabelFacts())
        lacks[seed] = [(after["segmentation"] == 255).all(), not after["depth"].any(), not after["normals"].any()]
        np.testing.assert_array_equal(after["image"], small["image"])
    assert lacks.mean(0) == pytest.approx([0.3] * 3, abs=0.07)
    # Drawn per label: images that lack two of them are as rare as chance makes them.
    assert (lacks[:, 0] & lacks[:, 1]).mean() == pytest.approx(0.09, abs=0.05)


def test_scored_splits_stay_perfect_unless_asked(rooms_) -> None:
    for split in ("search", "select", "test"):
        for before, after in zip(rooms_[:3], spoilt(rooms_, split, holes=0.3, missing=0.9)[:3], strict=True):
            for name, values in before.items():
                np.testing.assert_array_equal(after[name], values)
        changed = spoilt(rooms_, split, holes=0.3, degraded="all")
        assert (changed[0]["depth"] == 0).any()


def test_faults_do_not_disturb_each_other(streets_) -> None:
    alone, together = spoilt(streets_, tiny=0.3), spoilt(streets_, tiny=0.3, missing=0.5)
    lacking = spoilt(streets_, missing=0.5)
    for one, both, missing in zip(alone, together, lacking, strict=True):
        np.testing.assert_array_equal(both["segmentation"], missing["segmentation"])
        if both["depth"].any():
            np.testing.assert_array_equal(both["depth"], one["depth"])


def test_equal_seed_equal_faults(rooms_) -> None:
    first, again = (spoilt(rooms_, holes=0.2, missing=0.2) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


def test_perfect_labels_keep_their_fingerprint(tmp_path) -> None:
    """Caches and published figures of rooms from before these options stay valid."""
    assert Rooms(cache=tmp_path).info.fingerprint == "f74423d33bdf4d45"
    assert Rooms(degraded="all", cache=tmp_path).info.fingerprint == "f74423d33bdf4d45"
    prints = {
        Streets(cache=tmp_path, **options).info.fingerprint
        for options in ({}, {"holes": 0.1}, {"tiny": 0.1}, {"missing": 0.1}, {"tiny": 0.1, "degraded": "all"})
    }
    assert len(prints) == 5


def test_the_cache_holds_what_the_options_ask(tmp_path) -> None:
    source = Streets(
        size=(16, 32), train=6, search=2, select=1, test=1, holes=0.3, missing=0.5, shadows=False, cache=tmp_path
    )
    source.prepare(progress=False)
    train, search = source.split("train"), source.split("search")
    assert any((one == 255).all() for one in train.segmentation) or any(not one.any() for one in train.depth)
    clean = as_labelled(street(int(source.seeds["search"][0]), (16, 32), shadows=False), 19, "inverse")
    np.testing.assert_array_equal(search.depth[0], clean.depth)
    np.testing.assert_array_equal(search.segmentation[0], clean.segmentation)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"holes": 1.5}, r"holes is 1\.5; it must be a share from 0 to 0\.9"),
        ({"tiny": -0.1}, r"tiny is -0\.1"),
        ({"missing": True}, r"missing is True"),
        ({"missing": "half"}, r"missing is 'half'"),
        ({"degraded": "al"}, r"degraded is 'al'; allowed are train .* all"),
    ],
)
def test_wrong_shares_are_refused(options: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Degradations(**options)
