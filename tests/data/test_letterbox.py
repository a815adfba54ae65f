"""Images of another shape than the network's: what it sees, what is scored, and where predictions come back."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ednas_nni.data.info import LabelFacts
from ednas_nni.data.layouts.fitting import FITS, alike, fit, inner_size
from ednas_nni.data.layouts.record import ImageRecord, RawImage
from ednas_nni.networks.prediction import enlarged, fitted

SIDE = st.integers(20, 300)
SIZES = st.sampled_from([(64, 128), (96, 96), (128, 64)])
FACTS = LabelFacts(targets=("segmentation", "depth", "normals"), classes=("a", "b"))


def raw(shape: tuple[int, int]) -> RawImage:
    """Random colours with labels everywhere; depth at twice the resolution."""
    rng = np.random.default_rng(shape[0])
    up = np.zeros((*shape, 3), np.float32)
    up[..., 2] = 1
    labels = {
        "segmentation": np.ones(shape, np.uint8),
        "depth": np.full((2 * shape[0], 2 * shape[1]), 2, np.float32),
        "normals": up,
    }
    return RawImage(rng.integers(0, 255, (*shape, 3), np.uint8), labels)


@given(SIDE, SIDE, SIZES)
def test_only_the_picture_has_labels(height: int, width: int, size: tuple[int, int]) -> None:
    """What a letterbox fills is never scored, and all of the picture is."""
    check_labels((height, width), size, fit(raw((height, width)), ImageRecord("a", "a"), size, FACTS, "letterbox"))


def check_labels(shape: tuple[int, int], size: tuple[int, int], arrays: dict[str, np.ndarray]) -> None:
    inner = size if alike(shape, size) else inner_size(shape, size)
    shown = np.zeros(size, bool)
    shown[: inner[0], : inner[1]] = True
    np.testing.assert_array_equal(arrays["segmentation"], np.where(shown, 1, 255))
    np.testing.assert_array_equal(arrays["depth"], np.where(shown, 2, 0))
    np.testing.assert_array_equal(arrays["normals"][..., 2], shown)
    assert arrays["image"].shape == (*size, 3)


def test_labels_that_go_on_beyond_the_picture_are_rejected() -> None:
    """The broken variant: labels repeat their border, as the picture does."""
    arrays = fit(raw((100, 100)), ImageRecord("a", "a"), (64, 128), FACTS, "resize")
    with pytest.raises(AssertionError):
        check_labels((100, 100), (64, 128), arrays)


@given(SIDE, SIDE, SIZES)
def test_a_network_in_use_sees_what_it_was_trained_on(height: int, width: int, size: tuple[int, int]) -> None:
    image = raw((height, width))
    for how in ("letterbox", "resize"):
        trained = fit(image, ImageRecord("a", "a"), size, FACTS, how)["image"]
        used, _ = fitted(image.image, size, how == "resize")
        assert (trained == used).all() or alike((height, width), size)


@pytest.mark.parametrize("how", FITS)
def test_an_image_of_the_right_shape_is_only_scaled(how: str) -> None:
    image = raw((128, 256))
    plain, other = (fit(image, ImageRecord("a", "a"), (64, 128), FACTS, one) for one in ("", how))
    for name, values in plain.items():
        np.testing.assert_array_equal(values, other[name])


def came_back(shape: tuple[int, int], size: tuple[int, int], stride: int, shown: tuple[float, float]) -> float:
    """Pixels of the photo by which a prediction is off at most, where it says which row and column it saw.

    Half a pixel of the output along the border, where nothing lies beyond, is left out.
    """
    inner = inner_size(shape, size)
    rows, columns = (torch.arange(side // stride) * stride + stride / 2 for side in size)
    where = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))[None]
    got = enlarged(where, shape, None, 255, shown)
    wrong = 0.0
    for axis in (0, 1):
        seen = (np.arange(shape[axis]) + 0.5) * inner[axis] / shape[axis]
        inside = (seen >= stride / 2) & (seen <= size[axis] - stride / 2)
        along = got[..., axis].mean(1 - axis)
        off = np.abs(along - seen)[inside] * shape[axis] / inner[axis]
        wrong = max(wrong, off.max(initial=0))
    return float(wrong)


@given(SIDE, SIDE, SIZES, st.sampled_from([1, 2, 4, 8]))
def test_predictions_come_back_to_where_they_were_seen(
    height: int, width: int, size: tuple[int, int], stride: int
) -> None:
    inner = inner_size((height, width), size)
    assert came_back((height, width), size, stride, (inner[0] / stride, inner[1] / stride)) < 0.05


def test_a_whole_number_of_rows_is_rejected() -> None:
    """The broken variant: 10 of 16 rows for what shows the picture in 9.25."""
    shape, size, stride = (74, 256), (64, 128), 4
    inner = inner_size(shape, size)
    assert came_back(shape, size, stride, (math.ceil(inner[0] / stride), math.ceil(inner[1] / stride))) > 1
