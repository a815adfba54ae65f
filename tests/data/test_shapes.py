"""Sizes for pictures of any shape."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ednas_nni.data.layouts.fitting import alike
from ednas_nni.data.shapes import sizes

SIDE = st.integers(64, 4000)


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        ([(480, 640)] * 3, ((96, 128), (480, 640), "")),
        ([(1080, 1920)], ((96, 160), (576, 1024), "letterbox")),
        ([(512, 1024), (1024, 2048)], ((64, 128), (512, 1024), "")),
        ([(640, 480)], ((128, 96), (640, 480), "")),
        ([(480, 640), (480, 640), (375, 1242)], ((96, 128), (480, 640), "letterbox")),
        ([], ((64, 128), (512, 1024), "letterbox")),
        ([(12, 16)], ((64, 64), (32, 32), "letterbox")),
        ([(60, 6000)], ((64, 256), (32, 1024), "letterbox")),
    ],
)
def test_sizes(seen: list[tuple[int, int]], wanted: tuple[object, ...]) -> None:
    assert sizes(seen) == wanted


@given(st.lists(st.tuples(SIDE, SIDE), min_size=1, max_size=4))
def test_images_of_another_shape_are_letterboxed_and_no_others(seen: list[tuple[int, int]]) -> None:
    train, deploy, fit = sizes(seen)
    assert all(side % 32 == 0 and 64 <= side <= 256 for side in train) and max(deploy) <= 1024
    assert (fit == "letterbox") == any(not alike(shape, train) for shape in seen)
