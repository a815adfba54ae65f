"""Pictures for people: the contact sheet and the palettes."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from data_sets.kinds.depth import DepthScale, depth_scale
from data_sets.kinds.segmentation import ClassDrawing
from ednas_nni.data import palette
from ednas_nni.data.class_names import CITYSCAPES7, CITYSCAPES19, NYU13
from ednas_nni.data.contact_sheet import contact_sheet
from ednas_nni.data.palette import font
from ednas_nni.errors import DataError
from scenes.rooms import Rooms
from scenes.streets import Streets


def test_sheet_shows_the_arrays(rooms: Rooms) -> None:
    sheet = np.asarray(contact_sheet(rooms, "train", 2))
    split = rooms.split("train")
    assert sheet.ndim == 3 and sheet.shape[2] == 3
    # 32 x 64 pixels are drawn 4 x 4 times as large; sample the middle of each.
    top, left, step = 18 + 34, 18, 256 + 6
    cells = [sheet[top + 2 : top + 128 : 4, left + c * step + 2 : left + c * step + 256 : 4] for c in range(4)]
    np.testing.assert_array_equal(cells[0], split.image[0])
    np.testing.assert_array_equal(cells[1], palette.color_classes(np.asarray(split.segmentation[0]), NYU13))
    np.testing.assert_array_equal(cells[3], palette.color_normals(np.asarray(split.normals[0])))


def test_sheet_respects_the_closed_split(rooms: Rooms) -> None:
    with pytest.raises(DataError, match="opened_by"):
        contact_sheet(rooms, "test")


def test_class_colors_are_far_apart() -> None:
    for names in (NYU13, CITYSCAPES19, CITYSCAPES7, tuple(f"class {n}" for n in range(19))):
        colors = palette.class_colors(names)[: len(names)].astype(float)
        gap = np.linalg.norm(colors[:, None] - colors[None], axis=-1) + 1e3 * np.eye(len(names))
        assert gap.min() > 25
    assert (palette.class_colors(NYU13)[255] == 0).all()


def test_invalid_is_black() -> None:
    depth = np.array([[0.0, 1.0, 5.0, 99.0]], np.float32)
    colored = palette.color_depth(depth, 1, 5)
    assert (colored[0, 0] == 0).all() and colored[0, 1].sum() > colored[0, 2].sum() > 0
    np.testing.assert_array_equal(colored[0, 2], colored[0, 3])
    assert (palette.color_normals(np.zeros((1, 1, 3))) == 0).all()
    np.testing.assert_array_equal(palette.color_normals(np.array([[[0, 0, 1.0]]]))[0, 0], (128, 128, 255))


def test_known_classes_keep_their_colors() -> None:
    streets = palette.class_colors(CITYSCAPES19)
    np.testing.assert_array_equal(streets[CITYSCAPES19.index("road")], (128, 64, 128))
    np.testing.assert_array_equal(streets[CITYSCAPES19.index("wall")], (102, 102, 156))
    np.testing.assert_array_equal(palette.class_colors(NYU13)[NYU13.index("wall")], (168, 178, 192))


def test_inverse_depth_is_light_where_it_is_large() -> None:
    colored = palette.color_depth(np.array([0.0, 0.5, 0.05, 0.005], np.float32), 0.5, 0.005, logarithmic=True)
    brightness = colored.astype(int).sum(-1)
    assert brightness[0] == 0 and brightness[1] > brightness[2] > brightness[3] > 0
    # Equal ratios are equally far apart: the middle is the middle of the ramp.
    middle = palette.color_depth(np.array([[0.5]], np.float32), 0.0, 1.0)[0, 0]
    assert np.abs(colored[2].astype(int) - middle).max() <= 1


@pytest.mark.parametrize(
    ("scale", "ticks"),
    [
        (DepthScale(0.5, 0.005, True), [0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005]),
        (DepthScale(2, 50, True), [2, 5, 10, 20, 50]),
        (DepthScale(1.0, 4.0, False), [1, 1.5, 2, 2.5, 3, 3.5, 4]),
    ],
)
def test_ticks_are_round_and_run_from_near_to_far(scale: DepthScale, ticks: list[float]) -> None:
    assert scale.ticks() == pytest.approx(ticks)


@pytest.mark.parametrize("kind", ["metric", "inverse"])
@pytest.mark.parametrize("depth", [1.0, 2.0, 0.25, 5.0, 1234.5])
def test_one_and_the_same_depth_has_a_ruler_too(depth: float, kind: str) -> None:
    scale = depth_scale(np.full((4, 8), depth), kind)
    ends = sorted((scale.near, scale.far))
    assert ends[0] <= depth <= ends[1] and ends[0] < ends[1]
    assert len(scale.ticks()) >= 2


@pytest.mark.parametrize(
    "classes", [NYU13, CITYSCAPES19, CITYSCAPES7, tuple(f"long class name {n}" for n in range(40))]
)
@pytest.mark.parametrize("width", [280, 518])
def test_the_legend_is_as_high_as_its_lowest_name(classes: tuple[str, ...], width: int) -> None:
    drawing = ClassDrawing(classes)
    sheet = Image.new("RGB", (2 * width, 2000), "white")
    drawing.legend(sheet, 0, 0, width)
    rows = np.flatnonzero((np.asarray(sheet) != 255).any((1, 2)))
    assert rows.max() < drawing.legend_height(width) <= rows.max() + 40


@pytest.mark.parametrize(
    "classes", [NYU13, CITYSCAPES19, CITYSCAPES7, tuple(f"long class name {n}" for n in range(40))]
)
def test_names_in_the_legend_do_not_touch(classes: tuple[str, ...]) -> None:
    width, taken = 518, set()
    for name, (x, row) in zip(classes, ClassDrawing(classes).places(width), strict=True):
        end = x + 17 + round(font(12).getlength(name))
        assert end <= width
        pixels = {(row, column) for column in range(x, end + 4)}
        assert not pixels & taken
        taken |= pixels


def test_sheet_of_streets_with_missing_labels(tmp_path) -> None:
    source = Streets(size=(16, 32), train=4, search=1, select=1, test=1, missing=0.6, shadows=False, cache=tmp_path)
    source.prepare(progress=False)
    sheet, split = np.asarray(contact_sheet(source, "train", 4)), source.split("train")
    top, left, step = 18 + 34, 18, 256 + 6
    lacking = 0
    for row in range(4):
        cell = sheet[top + row * (128 + 6) :][:128, left + step :][:, :256]
        if (split.segmentation[row] == 255).all():
            lacking += 1
            # The words are the only thing that is not black.
            assert 0.005 < (cell.sum(-1) > 0).mean() < 0.2
        else:
            assert (cell.sum(-1) > 0).mean() > 0.9
    assert lacking


def test_a_large_image_fits_its_cell(tmp_path) -> None:
    source = Rooms(size=(20, 600), train=1, search=1, select=1, test=1, shadows=False, cache=tmp_path)
    source.prepare(progress=False)
    assert contact_sheet(source, "train", 1).width == 2 * 18 + 4 * 256 + 3 * 6
