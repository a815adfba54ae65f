"""Every registered data set keeps the contract, and the suite rejects each one that breaks a rule of it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from ednas_nni.data import DATASETS, Split
from ednas_nni.errors import PluginError, StudyError
from ednas_nni.testing.data_sets import check_data_set
from ednas_nni.testing.noise import Noise
from scenes.rooms import Rooms
from scenes.streets import Streets

SIZE = (32, 64)
COUNTS = {"train": 12, "search": 3, "select": 3, "test": 2}
RENDERED = {"rooms", "streets"}


@pytest.mark.parametrize("name", DATASETS.names())
def test_every_registered_data_set(name: str, rooms: Rooms, tmp_path: Path) -> None:
    make, cache = DATASETS.load(name), str(tmp_path / "cache")
    if name in RENDERED:
        check_data_set(make, {**COUNTS, "holes": 0.1, "cache": cache}, SIZE)
        return
    source = rooms
    if name == "cityscapes":
        source = Streets(size=SIZE, train=20, search=3, select=3, test=4, cache=tmp_path / "streets")
    reading = make.write(source, tmp_path / "written")
    check_data_set(make, {"folder": str(tmp_path / "written"), "cache": cache, **reading}, SIZE)


def test_the_random_pixels_of_other_tests() -> None:
    check_data_set(Noise, {}, SIZE)


class Changed(Noise):
    """Noise with something wrong."""

    def split(self, name: str, opened_by: str | None = None) -> Split:
        split = super().split(name, opened_by)
        return dataclasses.replace(split, arrays=self.spoilt(name, dict(split.arrays)))

    def spoilt(self, name: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return arrays


class OtherSize(Noise):
    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__((size[0] // 2, size[1]))


class OneFingerprint(Noise):
    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__(size)
        self.info = dataclasses.replace(self.info, fingerprint="noise")


class OtherEveryTime(Changed):
    rng = np.random.default_rng(0)

    def spoilt(self, name, arrays):
        return {**arrays, "image": self.rng.integers(0, 255, arrays["image"].shape).astype(np.uint8)}


class FloatImages(Changed):
    def spoilt(self, name, arrays):
        return {**arrays, "image": arrays["image"] / 255}


class NegativeDepth(Changed):
    def spoilt(self, name, arrays):
        return {**arrays, "depth": -arrays["depth"]}


class Millimetres(Changed):
    def spoilt(self, name, arrays):
        return {**arrays, "depth": arrays["depth"] * 1000}


class FarDepth(Noise):
    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__(size)
        self.info = dataclasses.replace(self.info, depth_max=0.5)


class ForeignClasses(Changed):
    def spoilt(self, name, arrays):
        return {**arrays, "segmentation": arrays["segmentation"] + np.uint8(7)}


class NoLabels(Changed):
    def spoilt(self, name, arrays):
        return {**arrays, "normals": np.zeros_like(arrays["normals"])}


class Leaking(Changed):
    def spoilt(self, name, arrays):
        if name != "test":
            return arrays
        return {array: values[: len(arrays["image"])] for array, values in super().split("train").arrays.items()}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (OtherSize, "info.size is (16, 64), but it was asked for (32, 64)"),
        (OneFingerprint, "the fingerprint does not depend on the size"),
        (OtherEveryTime, "gives other images when it is called again"),
        (FloatImages, "they must be uint8 (N, H, W, 3)"),
        (NegativeDepth, "no training image has a single valid pixel of depth"),
        (Millimetres, "depth: the median depth is"),
        (FarDepth, "depth holds values that should be invalid"),
        (ForeignClasses, "holds the class id(s) 7, 8, 9"),
        (NoLabels, "no training image has a single valid pixel of normals"),
        (Leaking, "the same picture is in train and in test"),
    ],
)
def test_a_data_set_that_breaks_a_rule(make: type[Noise], words: str) -> None:
    with pytest.raises(PluginError, match=re.escape(words)):
        check_data_set(make, {}, SIZE)


def test_an_open_test_split_is_rejected() -> None:
    class Open(Noise):
        def split(self, name: str, opened_by: str | None = None) -> Split:
            return super().split(name, opened_by or "anybody")

    with pytest.raises(PluginError, match=r"split\('test'\) opens, without saying who opens it"):
        check_data_set(Open, {}, SIZE)


def test_options_are_plain_data() -> None:
    with pytest.raises(PluginError, match="not plain data"):
        check_data_set(Noise, {"train": np.int64(3)}, SIZE)
    with pytest.raises(StudyError, match="unknown option 'trian'"):
        check_data_set(Noise, {"trian": 3}, SIZE)
