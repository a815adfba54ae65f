"""Splits: disjoint, announced truthfully, and the test split stays closed."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from ednas_nni.data import SPLITS, DataInfo, DataSource, Split
from ednas_nni.errors import DataError
from scenes.rendered import split_seeds
from scenes.rooms import Rooms
from scenes.rooms.source import render


def test_importing_is_light() -> None:
    code = (
        "import sys, ednas_nni.data, scenes.rooms, ednas_nni.data.palette;"
        "print([m for m in ('torch', 'nni', 'PIL', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def share_seeds(pools: dict[str, range]) -> bool:
    return len(set().union(*pools.values())) < sum(map(len, pools.values()))


def test_no_seed_is_shared() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        counts = {name: int(rng.integers(1, 500)) for name in SPLITS}
        pools = {
            f"{seed}/{name}": values
            for seed in rng.choice(1000, 3, replace=False).tolist()
            for name, values in split_seeds(seed, counts).items()
        }
        assert not share_seeds(pools)


def test_that_check_rejects_shared_seeds() -> None:
    seeds = split_seeds(0, dict.fromkeys(SPLITS, 10))
    for shared in (seeds["train"], seeds["train"][9:], range(seeds["train"].start - 3, seeds["train"].start + 1)):
        assert share_seeds({**seeds, "test": shared})


def test_more_images_begin_with_the_same(rooms: Rooms) -> None:
    longer = Rooms(size=(32, 64), train=50)
    assert longer.seeds["train"][:20] == rooms.seeds["train"]


def test_pictures_belong_to_their_seeds(rooms: Rooms) -> None:
    for name in ("train", "select"):
        split = rooms.split(name)
        picture = render(int(rooms.seeds[name][2]), (32, 64))
        np.testing.assert_array_equal(split.image[2], picture.image)
        np.testing.assert_array_equal(split.segmentation[2], picture.segmentation)
        np.testing.assert_array_equal(split.depth[2], picture.depth)
        np.testing.assert_allclose(split.normals[2].astype(np.float32), picture.normals, atol=5e-4)


def test_what_is_announced_is_there(rooms: Rooms) -> None:
    assert isinstance(rooms, DataSource)
    for name in SPLITS:
        split = rooms.split(name, opened_by="a unit test")
        assert len(split) == rooms.info.counts[name]
        assert split.image.shape == (len(split), 32, 64, 3) and split.image.dtype == np.uint8
        assert split.segmentation.shape == (len(split), 32, 64) and split.segmentation.dtype == np.uint8
        assert split.depth.shape == (len(split), 32, 64) and split.depth.dtype == np.float32
        assert split.normals.shape == (len(split), 32, 64, 3) and split.normals.dtype == np.float16
        assert (split.depth > 0).all() and split.segmentation.max() < rooms.info.num_classes
        length = np.linalg.norm(split.normals.astype(np.float64), axis=-1)
        assert np.abs(length - 1).max() < 2e-3


def test_the_test_split_stays_closed(rooms: Rooms) -> None:
    with pytest.raises(DataError, match="opened_by"):
        rooms.split("test")
    with pytest.raises(DataError, match="opened_by"):
        rooms.split("test", opened_by="")
    assert rooms.split("test", opened_by="final evaluation").opened_by == "final evaluation"


def test_wrong_names_and_numbers(rooms: Rooms) -> None:
    with pytest.raises(DataError, match="Did you mean 'train'"):
        rooms.split("trian")
    with pytest.raises(DataError, match="Did you mean 'normals'"):
        rooms.split("train").target("normal")
    for wrong in ({"size": (0, 4)}, {"size": 64}, {"train": 0}, {"test": 2.5}, {"search": True}, {"seed": -1}):
        with pytest.raises(DataError, match=next(iter(wrong))):
            Rooms(**wrong)


def test_a_split_that_disagrees_with_its_info_is_refused(rooms: Rooms) -> None:
    split = rooms.split("train")
    with pytest.raises(DataError, match="depth"):
        Split("train", rooms.info, {**split.arrays, "depth": split.depth[:-1]})
    with pytest.raises(DataError, match="normals"):
        Split("train", rooms.info, {k: v for k, v in split.arrays.items() if k != "normals"})


def test_info_refuses_nonsense(rooms: Rooms) -> None:
    for wrong in ({"depth_kind": "feet"}, {"ignore_index": 3}, {"size": (0, 1)}, {"targets": ("edges",)}):
        with pytest.raises(DataError, match=next(iter(wrong))):
            replace(rooms.info, **wrong)
    assert isinstance(rooms.info, DataInfo)


def test_fingerprint_follows_the_recipe() -> None:
    base = Rooms()
    assert base.info.fingerprint == Rooms(cache="~/elsewhere").info.fingerprint
    others = [Rooms(size=(64, 64)), Rooms(train=601), Rooms(seed=1), Rooms(shadows=False)]
    assert len({r.info.fingerprint for r in [base, *others]}) == 5


def test_lists_from_yaml_do() -> None:
    assert Rooms(size=[64, 128]).info == Rooms(size=(64, 128)).info
    assert pickle.loads(pickle.dumps(Rooms())).info == Rooms().info
