"""Pictures for people: the contact sheet and the palettes."""

from __future__ import annotations

import numpy as np
import pytest

from ednas_nni.data import palette
from ednas_nni.data.contact_sheet import contact_sheet
from ednas_nni.data.rooms import Rooms
from ednas_nni.data.rooms.builder import CLASSES
from ednas_nni.errors import DataError


def test_sheet_shows_the_arrays(rooms: Rooms) -> None:
    sheet = np.asarray(contact_sheet(rooms, "train", 2))
    split = rooms.split("train")
    assert sheet.ndim == 3 and sheet.shape[2] == 3
    # 32 x 64 pixels are drawn 4 x 4 times as large; sample the middle of each.
    top, left, step = 18 + 34, 18, 256 + 6
    cells = [sheet[top + 2 : top + 128 : 4, left + c * step + 2 : left + c * step + 256 : 4] for c in range(4)]
    np.testing.assert_array_equal(cells[0], split.image[0])
    np.testing.assert_array_equal(cells[1], palette.color_classes(np.asarray(split.segmentation[0]), CLASSES))
    np.testing.assert_array_equal(cells[3], palette.color_normals(np.asarray(split.normals[0])))


def test_sheet_respects_the_closed_split(rooms: Rooms) -> None:
    with pytest.raises(DataError, match="opened_by"):
        contact_sheet(rooms, "test")


def test_class_colors_are_far_apart() -> None:
    for names in (CLASSES, tuple(f"class {n}" for n in range(19))):
        colors = palette.class_colors(names)[: len(names)].astype(float)
        gap = np.linalg.norm(colors[:, None] - colors[None], axis=-1) + 1e3 * np.eye(len(names))
        assert gap.min() > 25
    assert (palette.class_colors(CLASSES)[255] == 0).all()


def test_invalid_is_black() -> None:
    depth = np.array([[0.0, 1.0, 5.0, 99.0]], np.float32)
    colored = palette.color_depth(depth, 1, 5)
    assert (colored[0, 0] == 0).all() and colored[0, 1].sum() > colored[0, 2].sum() > 0
    np.testing.assert_array_equal(colored[0, 2], colored[0, 3])
    assert (palette.color_normals(np.zeros((1, 1, 3))) == 0).all()
    np.testing.assert_array_equal(palette.color_normals(np.array([[[0, 0, 1.0]]]))[0, 0], (128, 128, 255))
