"""Folders as COCO, CVAT, LabelMe and Pascal VOC leave them become class maps; areas equal those of pycocotools."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from data_sets.annotations import formats, shapes
from data_sets.annotations.formats import coco, cvat, labelme, read_annotations
from data_sets.manifest import Manifest
from ednas_nni.data import drafting
from ednas_nni.data.class_table import ClassTable
from ednas_nni.errors import DataError
from tests.data_sets import annotated
from tests.data_sets.annotated import SIZE, drawn

NAMES = [f"IMG_{1000 + number}.jpg" for number in range(6)]
IMAGES = {name: drawn(number) for number, name in enumerate(NAMES)}
HERE = Path("a.json")
AREAS = st.lists(st.tuples(st.floats(-9, 40), st.floats(-9, 40)), min_size=3, max_size=9)


def expected(name: str) -> np.ndarray:
    """Class names by pixel, painted without a line of the readers: pixel centres tested one by one."""
    rows, columns = np.mgrid[0.5 : SIZE[0], 0.5 : SIZE[1]]
    found = np.full(SIZE, "background", object)
    for label, corners in IMAGES[name]:
        inside = np.zeros(SIZE, bool)
        for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
            if y0 != y1:
                crossed = (y0 <= rows) != (y1 <= rows)
                inside ^= crossed & (columns >= x0 + (rows - y0) * (x1 - x0) / (y1 - y0))
        found[inside] = label
    return found


def write_masks(how: str, root: Path) -> None:
    """The same as pictures."""
    classes = list(annotated.COLOURS)
    maps = {name: np.vectorize(classes.index)(expected(name)) for name in NAMES}
    annotated.masks(root, maps, how)


def runs(pixels: list[int]) -> list[int]:
    changes = np.flatnonzero(np.diff([0, *pixels, -1]))
    return np.diff([0, *changes]).tolist()


def run_lengths(drawn: annotated.Drawn, at: int) -> object:
    """Uncompressed, by columns."""
    rows, columns, area = shapes.filled(shapes.polygon(drawn[at][1]), SIZE)
    whole = np.zeros(SIZE, int)
    whole[rows, columns] = area
    return {"size": list(SIZE), "counts": runs(whole.T.ravel().tolist())}


def compressed(drawn: annotated.Drawn, at: int) -> object:
    from pycocotools import mask

    rle = mask.frPyObjects(run_lengths(drawn, at), *SIZE)
    return {"size": list(SIZE), "counts": rle["counts"].decode()}


FOLDERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "coco": ("images", lambda root: annotated.coco(root / "annotations/instances_default.json", IMAGES)),
    "coco run lengths": ("images", lambda root: annotated.coco(root / "stuff.json", IMAGES, run_lengths)),
    "coco compressed": ("images", lambda root: annotated.coco(root / "stuff.json", IMAGES, compressed)),
    "roboflow": ("train", lambda root: annotated.coco(root / "train/_annotations.coco.json", IMAGES)),
    "cvat": ("images", lambda root: annotated.cvat(root / "annotations.xml", IMAGES)),
    "cvat in folders": (
        "photos/sub",
        lambda root: annotated.cvat(root / "annotations.xml", {f"sub/{n}": shapes for n, shapes in IMAGES.items()}),
    ),
    "labelme": ("images", lambda root: annotated.labelme(root / "images", IMAGES)),
    "voc palette": ("JPEGImages", partial(write_masks, "palette")),
    "cvat colours": ("images", partial(write_masks, "colours")),
}


def drafted(root: Path) -> drafting.Draft:
    found = drafting.draft(root)
    drafting.write(found, root, force=True)
    return found


def read(root: Path, **options: Any) -> dict[str, np.ndarray]:
    """Class names by pixel of each image of a drafted folder."""
    source = Manifest(root, SIZE, cache=root / "cache", **options)
    classes = np.array([*source.facts.classes, *["ignore"] * (256 - len(source.facts.classes))], object)
    records = [record for records in source.listed().values() for record in records]
    return {Path(record.key).name: classes[source.read(record)["segmentation"]] for record in records}


@pytest.mark.parametrize("layout", FOLDERS)
def test_a_folder_of_a_tool(layout: str, tmp_path: Path) -> None:
    if layout == "coco compressed":
        pytest.importorskip("pycocotools")
    images, write = FOLDERS[layout]
    annotated.photos(tmp_path / images, NAMES)
    write(tmp_path)
    found = drafted(tmp_path)
    assert len(found.rows) == len(NAMES) and not found.left_out
    read_back = read(tmp_path)
    for name in NAMES:
        np.testing.assert_array_equal(read_back[name], expected(name))


# ---- Areas


def area_of(corners: list[tuple[float, float]]) -> np.ndarray:
    canvas = np.zeros((32, 32), np.uint8)
    shapes.Shape("a", [shapes.polygon(corners)]).paint(canvas, 1)
    return canvas


def check_area(corners: list[tuple[float, float]], area: np.ndarray) -> None:
    """Equal to pycocotools' but for pixels whose centres lie within a pixel of the outline."""
    mask = pytest.importorskip("pycocotools.mask")
    flat = [float(value) for corner in corners for value in corner]
    wanted = mask.decode(mask.merge(mask.frPyObjects([flat], 32, 32)))
    for row, column in np.argwhere(area != wanted):
        centre = np.array([column + 0.5, row + 0.5])
        near = [
            distance(centre, np.array(a), np.array(b)) for a, b in zip(corners, [*corners[1:], corners[0]], strict=True)
        ]
        assert min(near) <= 1, (row, column)


def distance(point: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
    along = other - one
    share = np.clip(np.dot(point - one, along) / max(np.dot(along, along), 1e-12), 0, 1)
    return float(np.linalg.norm(one + share * along - point))


INSIDE = st.lists(st.tuples(st.floats(0, 32), st.floats(0, 32)), min_size=3, max_size=7)


@given(INSIDE.filter(lambda corners: convex(corners)))
def test_areas_are_those_of_pycocotools(corners: list[tuple[float, float]]) -> None:
    check_area(corners, area_of(corners))


def convex(corners: list[tuple[float, float]]) -> bool:
    """No corner turns back: what a self-crossing outline holds is a matter of taste."""
    turns = []
    for n in range(len(corners)):
        (ax, ay), (bx, by), (cx, cy) = (corners[(n + i) % len(corners)] for i in range(3))
        turns.append((bx - ax) * (cy - by) - (by - ay) * (cx - bx))
    return min(turns) > 1e-6 or max(turns) < -1e-6


def test_an_area_that_is_off_is_rejected() -> None:
    """The broken variant: corners taken two pixels too far to the left."""
    corners = [(4.0, 4.0), (20.0, 5.0), (18.0, 25.0)]
    check_area(corners, area_of(corners))
    with pytest.raises(AssertionError):
        check_area(corners, area_of([(x - 2, y) for x, y in corners]))


@given(AREAS, st.floats(-9, 40), st.booleans())
def test_two_areas_with_a_common_edge_leave_no_pixel_out_and_share_none(
    corners: list[tuple[float, float]], cut: float, across: bool
) -> None:
    """A polygon is the exclusive or of the parts into which a line through two of its corners cuts it."""
    at = len(corners) // 2
    parts = area_of(corners[: at + 1]).astype(int) + area_of([corners[0], *corners[at:]])
    np.testing.assert_array_equal(parts % 2, area_of(corners))


@pytest.mark.parametrize("corner", [(-3, -2), (0, 0), (30, 29), (40, 40)])
def test_masks_are_cut_at_the_border(corner: tuple[int, int]) -> None:
    bits = np.random.default_rng(0).integers(0, 2, (5, 6)).astype(bool)
    canvas, whole = np.zeros((32, 32), np.uint8), np.zeros((64, 64), np.uint8)
    shapes.Shape("a", mask=bits, corner=corner).paint(canvas, 1)
    whole[corner[0] + 10 : corner[0] + 15, corner[1] + 10 : corner[1] + 16] = bits
    np.testing.assert_array_equal(canvas, whole[10:42, 10:42])


def test_all_shapes_of_labelme_and_cvat() -> None:
    """A rectangle, a circle, a turned ellipse and masks; lines and points have no area."""
    table = ClassTable({"": "ignore", "r": "r", "c": "c", "m": "m"})
    bits = np.array([[0, 1], [1, 1]], bool)
    document = {"imagePath": "a.jpg", "imageHeight": 20, "imageWidth": 30, "imageData": None, "shapes": [
        {"label": "r", "points": [[9, 8], [2, 3]], "shape_type": "rectangle"},
        {"label": "c", "points": [[20, 10], [20, 14]], "shape_type": "circle", "group_id": 3},
        {"label": "m", "points": [[27, 17], [28, 18]], "shape_type": "mask", "mask": annotated.png(bits)},
        {"label": "r", "points": [[1, 1]], "shape_type": "point"}]}  # fmt: skip
    opened = labelme(document)
    one = opened.of(Path("x/a.png"), HERE)
    labels = one.labels((20, 30), table, HERE)
    assert (labels[3:8, 2:9] == 0).all() and (labels == 0).sum() == 35
    assert abs((labels == 1).sum() - np.pi * 16) < 3 and labels[10, 20] == 1
    np.testing.assert_array_equal(labels[17:19, 27:29] == 2, bits)
    assert one.passed == {"point": 1}
    text = (
        '<annotations><image id="0" name="b.jpg" width="30" height="20">'
        '<ellipse label="c" cx="15" cy="10" rx="8" ry="2" rotation="90"/>'
        '<box label="r" xtl="2" ytl="2" xbr="8" ybr="4" rotation="90" z_order="1"/>'
        '<mask label="m" rle="1, 3" left="27" top="17" width="2" height="2" z_order="2"/>'
        '<polyline label="r" points="1,1;2,2"/></image></annotations>'
    )
    other = cvat(formats.ElementTree.fromstring(text)).of(Path("b.jpg"), HERE)
    labels = other.labels((20, 30), table, HERE)
    assert (labels == 1).any(1).sum() == 16 and (labels == 1).any(0).sum() == 4  # upright now
    assert (labels[:6, 4:6] == 0).all() and (labels == 0).sum() == 12
    np.testing.assert_array_equal(labels[17:19, 27:29] == 2, bits)
    assert other.passed == {"polyline": 1}


def test_slips_of_the_tool_are_passed_over() -> None:
    """Polygons without three corners, and boxes without a polygon."""
    areas = [
        {"image_id": 1, "category_id": 7, "segmentation": one}
        for one in ([[]], [[1, 2, 3, 4]], [], [[0, 0, 4, 0, 4, 4]])
    ]
    document = {"images": [{"id": 1, "file_name": "a.jpg", "width": 8, "height": 8}], "annotations": areas,
                "categories": [{"id": 7, "name": "dog"}]}  # fmt: skip
    one = coco(document).of(Path("a.jpg"), HERE)
    assert len(one.shapes) == 1 and one.passed == {"box": 3}


def test_crowds_lie_below_all_others_and_are_no_class() -> None:
    square = [[0.0, 0, 4, 0, 4, 4, 0, 4]]
    document = {"images": [{"id": 1, "file_name": "a.jpg", "width": 8, "height": 8}],
                "categories": [{"id": 7, "name": "dog"}],
                "annotations": [{"image_id": 1, "category_id": 7, "iscrowd": 0, "segmentation": square},
                                {"image_id": 1, "category_id": 7, "iscrowd": 1,
                                 "segmentation": {"size": [8, 8], "counts": [0, 48, 16]}}]}  # fmt: skip
    labels = coco(document).of(Path("a.jpg"), HERE).labels((8, 8), ClassTable({"": "rest", "dog": "dog"}), HERE)
    assert (labels[:4, :4] == 1).all() and (labels[:4, 4:6] == 255).all() and (labels[:, 6:] == 0).all()


# ---- Whose they are


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("on_stored", [False, True])
def test_photos_that_are_turned_by_exif(orientation: int, on_stored: bool, tmp_path: Path) -> None:
    """Shapes lie on the upright picture, as tools show it; on the stored one where the file's size says so."""
    annotated.photos(tmp_path / "images", NAMES, orientation)
    annotated.coco(tmp_path / "a.json", IMAGES)
    if on_stored and orientation >= 5:
        content = json.loads((tmp_path / "a.json").read_text())
        height, width = SIZE
        for image in content["images"]:
            image |= {"height": width, "width": height}
        for area in content["annotations"]:
            corners = np.array(area["segmentation"]).reshape(-1, 2)
            x, y = corners.T  # 6: the upright picture is the stored one, turned by 90 degrees clockwise
            stored = np.stack([y, width - x] if orientation == 6 else [height - y, x], 1)
            area["segmentation"] = [stored.ravel().tolist()]
        (tmp_path / "a.json").write_text(json.dumps(content))
    drafted(tmp_path)
    np.testing.assert_array_equal(read(tmp_path)[NAMES[1]], expected(NAMES[1]))


def test_names_that_differ_from_the_files(tmp_path: Path) -> None:
    """Another ending, capitals, Windows, Unicode, a picture that is gone, one on which nothing is drawn."""
    annotated.photos(tmp_path / "images", ["A.JPG", "b.png", "sub/c.jpg", "küche.jpg", "leer.jpg", "other.jpg"])
    named = ["a.jpg", "b.jpg", "C:\\x\\sub\\c.jpg", "ku\u0308che.jpg", "gone.jpg"]
    annotated.coco(tmp_path / "a.json", {**{name: drawn(0) for name in named}, "leer.jpg": []})
    found = drafted(tmp_path)
    assert [row["image"] for row in found.rows] == [
        "images/A.JPG",
        "images/b.png",
        "images/küche.jpg",
        "images/sub/c.jpg",
    ]
    left = " ".join(found.left_out)
    assert "images on which nothing is drawn in a.json" in left and "leer.jpg" in left
    assert "images that a.json names, but that are not there, such as gone.jpg" in left
    assert found.left_out["images without any label, such as images/leer.jpg"] == 2


def test_two_files_of_coco_and_their_splits(tmp_path: Path) -> None:
    """COCO's own names: train2017/1.jpg and val2017/1.jpg are two pictures."""
    for split in ("train", "val"):
        annotated.photos(tmp_path / f"{split}2017", NAMES)
        annotated.coco(tmp_path / f"annotations/instances_{split}2017.json", IMAGES)
    (tmp_path / "annotations/captions_train2017.json").write_text('{"images": [], "annotations": [{"caption": "a"}]}')
    rows = drafted(tmp_path).rows
    assert {(row["image"].split("/")[0], row["seg"], row.get("split")) for row in rows} == {
        ("train2017", "annotations/instances_train2017.json", None),
        ("val2017", "annotations/instances_val2017.json", "test"),
    }


def test_two_files_that_mean_one_picture(tmp_path: Path) -> None:
    annotated.photos(tmp_path / "images", NAMES)
    for name in ("a.json", "b.json"):
        annotated.coco(tmp_path / name, IMAGES)
    with pytest.raises(DataError, match=r"IMG_1000.jpg: may be meant in a.json .* and b.json"):
        drafting.draft(tmp_path)


def test_an_entry_is_that_of_the_nearest_picture(tmp_path: Path) -> None:
    """Pictures of the same name elsewhere have no labels, not those of another walk."""
    annotated.photos(tmp_path / "walk1", NAMES)
    annotated.photos(tmp_path / "walk2", NAMES[:3])
    annotated.labelme(tmp_path / "walk1", IMAGES)
    rows = [row for row in drafting.draft(tmp_path).rows if "seg" in row]
    assert {row["image"]: row["seg"] for row in rows} == {
        f"walk1/{name}": f"walk1/{Path(name).stem}.json" for name in NAMES
    }
    first = tmp_path / "walk1" / "IMG_1000.json"
    first.rename(tmp_path / "IMG_1000.json")  # which of the two it means, nobody knows
    with pytest.raises(DataError, match=r"IMG_1000.jpg may mean .* tell them apart by folders"):
        drafting.draft(tmp_path)


def test_masks_go_before_annotations_and_depth_is_matched_by_name(tmp_path: Path) -> None:
    annotated.photos(tmp_path / "images", NAMES)
    annotated.cvat(tmp_path / "annotations.xml", IMAGES)
    for folder, dtype in (("masks", np.uint8), ("depth", np.float32)):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "IMG_1000.npy", np.ones(SIZE, dtype))
    first, second, *_ = drafting.draft(tmp_path).rows
    assert (first["seg"], first["depth"]) == ("masks/IMG_1000.npy", "depth/IMG_1000.npy")
    assert second["seg"] == "annotations.xml" and "depth" not in second


def test_what_is_drawn_anew_counts(tmp_path: Path) -> None:
    """The same manifest, another export over the old file: other arrays, another identity, and back again."""
    annotated.photos(tmp_path / "images", NAMES)
    annotated.coco(tmp_path / "a.json", IMAGES)
    drafted(tmp_path)
    first, before = (tmp_path / "a.json").read_text(), read(tmp_path)
    source = partial(Manifest, tmp_path, SIZE, cache=tmp_path / "cache")
    contents = source().contents["a.json"]
    annotated.coco(tmp_path / "a.json", {**IMAGES, NAMES[0]: drawn(5)})
    assert source().contents["a.json"] != contents and (read(tmp_path)[NAMES[0]] != before[NAMES[0]]).any()
    (tmp_path / "a.json").write_text(first)
    assert source().contents["a.json"] == contents and (read(tmp_path)[NAMES[0]] == before[NAMES[0]]).all()


@pytest.mark.parametrize(
    ("classes", "wanted"),
    [
        ('"": land\n"car" "tree": thing\n"street": ignore\n', {"land", "thing", "ignore"}),
        ("car\ntree\nstreet\n", {"car", "tree", "street", "ignore"}),  # no shape, no class
        ('"car": car\n*: rest\n', {"car", "rest", "ignore"}),
    ],
)
def test_classes_of_shapes(classes: str, wanted: set[str], tmp_path: Path) -> None:
    annotated.photos(tmp_path / "images", NAMES)
    annotated.cvat(tmp_path / "annotations.xml", IMAGES)
    drafted(tmp_path)
    (tmp_path / "classes.txt").write_text(classes)
    assert set(read(tmp_path)[NAMES[0]].ravel()) == wanted


# ---- What is wrong


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.xml", '<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', "has a document type"),
        ("a.xml", "<annotations><image></annotations>", "cannot be read as XML: mismatched tag"),
        ("a.xml", "<annotations><track/></annotations>", 'export it as "CVAT for images 1.1"'),
        ("a.xml", "<annotations><image id='0'/></annotations>", "a.xml: lacks 'name'"),
        ("a.json", '{"images": [{"id": 1}], "categories": [], "annotations": [{"segmentation": [[1]]}]}', "file_name"),
        ("a.json", '{"images": [], "categories": [], "annotations": [{"image_id": 1, "category_id": 9, '
                   '"segmentation": [[1, 2, 3, 4, 5, 6]]}]}', "category_id 9, which `categories` lacks"),
        ("a.json", '{"shapes": [{"points": []}], "imagePath": "a.jpg"}', "shapes.0.label: Field required"),
    ],
)  # fmt: skip
def test_files_that_are_wrong(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        read_annotations(tmp_path / name)


def test_a_file_that_cannot_be_read_is_told_and_left_out(tmp_path: Path) -> None:
    annotated.photos(tmp_path / "images", NAMES)
    annotated.cvat(tmp_path / "annotations.xml", IMAGES)
    (tmp_path / "settings.json").write_text("{ // a comment\n}")
    found = drafted(tmp_path)
    assert len(found.rows) == len(NAMES) and "settings.json: cannot be read as JSON" in next(iter(found.left_out))
    (tmp_path / "annotations.xml").write_text("<annotations><track/></annotations>")
    with pytest.raises(DataError, match=r'(?s)no file that belongs .*left out: 1 .*export it as "CVAT for images 1.1"'):
        drafting.draft(tmp_path)


def test_files_of_others_are_passed_over(tmp_path: Path) -> None:
    for text in ("[]", "{}", '{"images": [], "annotations": [{"bbox": [1, 2, 3, 4]}], "categories": []}'):
        (tmp_path / "a.json").write_text(text)
        assert read_annotations(tmp_path / "a.json") is None
    (tmp_path / "a.xml").write_text("<annotation><object/></annotation>")
    assert read_annotations(tmp_path / "a.xml") is None


@pytest.mark.parametrize(
    ("area", "message"),
    [
        (
            '<mask label="car" rle="1, 3" left="0" top="0" width="9" height="9"/>',
            "run lengths add up to 4, but .* 9 x 9",
        ),
        ('<polygon label="car" points="1,2;3"/>', "setting an array|inhomogeneous"),
        ('<box label="car" xtl="1" ytl="1" xbr="nan" ybr="2"/>', "a polygon has the points"),
        (
            '<polygon label="plane" points="1,2;3,4;5,9"/>',
            "label 'plane', which classes.txt does not name.*\"plane\": NAME",
        ),
    ],
)
def test_shapes_that_are_wrong(area: str, message: str, tmp_path: Path) -> None:
    annotated.photos(tmp_path / "images", NAMES)
    annotated.cvat(tmp_path / "annotations.xml", IMAGES)
    drafted(tmp_path)
    text = (tmp_path / "annotations.xml").read_text()
    (tmp_path / "annotations.xml").write_text(text.replace("</image>", f"{area}</image>"))
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_compressed_run_lengths_name_their_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pycocotools", None)
    annotated.photos(tmp_path / "images", NAMES)
    annotated.coco(tmp_path / "a.json", IMAGES, lambda drawn, at: {"size": list(SIZE), "counts": "PPYo1"})
    with pytest.raises(DataError, match=r'need pycocotools: pip install "ednas-nni\[coco\]"'):
        drafting.draft(tmp_path)


def test_a_photo_is_no_mask(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        Image.fromarray(rng.integers(0, 255, (*SIZE, 3), np.uint8)).save(tmp_path / folder / "a.png")
    with pytest.raises(DataError, match="1 files named as seg, but of 3 values"):
        drafting.draft(tmp_path)
