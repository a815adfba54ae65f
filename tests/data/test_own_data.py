"""Folders as people bring them: what public reports said went wrong in silence, with the right value."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_sets.kinds.depth_units import Largest
from data_sets.kinds.segmentation import is_smooth
from data_sets.manifest import Manifest
from ednas_nni.data import drafting
from ednas_nni.data.info import LabelFacts
from ednas_nni.data.kinds import label_kind
from ednas_nni.data.names import named, place
from ednas_nni.data.survey import one_place, two_types
from ednas_nni.errors import DataError

SHAPE = (16, 32)
RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 255, (*SHAPE, 3), np.uint8)
METRES = np.linspace(2, 6, SHAPE[0] * SHAPE[1]).reshape(SHAPE[1], SHAPE[0]).T  # grows to the right, by small steps
CLASSES = np.repeat(np.arange(4, dtype=np.uint8), 8)[None].repeat(16, 0)


def folder(root: Path, files: Mapping[str, np.ndarray]) -> Path:
    for number, (name, values) in enumerate(files.items()):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".npy":
            with path.open("wb") as file:
                np.save(file, values)
        else:
            # No two images alike.
            Image.fromarray(values + np.uint8(number) if values is RGB else values).save(path)
    return root


def whole(factor: float, dtype: type = np.uint16) -> np.ndarray:
    return np.rint(METRES * factor).astype(dtype)


def cells(root: Path, *names: str) -> list[tuple[str, ...]]:
    return [tuple(row.get(name, "") for name in names) for row in drafting.draft(root).rows]


# ---- What files are, and whose


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("images/IMG_1000.jpg", {"seg": "masks/IMG_1000.png", "depth": "depth/IMG_1000.npy"}),
        ("images/1_rgb.png", {"depth": "images/1_depth.png"}),
        ("a/rgb/rgb_00001.jpg", {"depth": "a/depth/depth_00001.png"}),
        ("nyu_depth/rgb/1.png", {"depth": "nyu_depth/depth/1.png"}),
        ("1_colors.png", {"depth": "1_depth.png"}),
        ("JPEGImages/2007_1.jpg", {"seg": "SegmentationClass/2007_1.png"}),
        ("img/a.png", {"depth": "depth_images/a.png", "seg": "label_images/a.png"}),
        ("rgb/0001.png", {"depth": "depth/0001.NPY"}),
        ("x.png", {"depth": "x_depth.npy", "depth_valid": "x_depth_mask.npy", "normals": "x_normal.npy"}),
        ("rgb/x.png", {"depth": "depth/x.png", "depth_valid": "valid_masks/x.png"}),
        (
            "raw/2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000005.png",
            {
                "depth": "data_depth_annotated/train/2011_09_26_drive_0001_sync/proj_depth/groundtruth/image_02/"
                "0000000005.png"
            },
        ),
        ("s/cam_final_preview/frame.0000.tonemap.jpg", {"depth": "s/cam_geometry_preview/frame.0000.depth_meters.png"}),
        ("фото/кухня.jpg", {"depth": "depth/фото/кухня.png"}),
        ("rgb/कि_1.png", {"depth": "depth/कि_1.png"}),
        ("rgb/🍕.png", {"depth": "depth/🍕.png"}),
        (unicodedata.normalize("NFC", "rgb/küche.png"), {"depth": unicodedata.normalize("NFD", "depth/küche.png")}),
    ],
)
def test_a_label_finds_its_image(tmp_path: Path, image: str, labels: dict[str, str]) -> None:
    stored = {"seg": CLASSES, "depth": whole(1000), "normals": np.dstack([METRES * 0] * 2 + [METRES * 0 + 1])}
    stored["depth_valid"] = np.ones(SHAPE, np.uint8)
    folder(tmp_path, {image: RGB, **{name: stored[role] for role, name in labels.items()}})
    assert cells(tmp_path, "image", *labels) == [(image, *labels.values())]


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("rgb/зал_02.png", "depth/гараж_02.png"),
        ("rgb/küche.png", "depth/kuche.png"),
        ("rgb/कि_1.png", "depth/का_1.png"),
        ("rgb/🍕.png", "depth/🍔.png"),
        ("rgb/hall/1.png", "depth/garage/1.png"),
        ("train/rgb/1.png", "val/depth/1.png"),
    ],
)
def test_a_label_of_another_image_is_none(tmp_path: Path, image: str, label: str) -> None:
    folder(tmp_path, {image: RGB, label: whole(1000)})
    with pytest.raises(DataError, match="left out: 1 depth without an image"):
        drafting.draft(tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["rgb/A.png", "rgb/a.jpg"], "both look like the image 'a'"),
        ([unicodedata.normalize(form, "rgb/é.png") for form in ("NFC", "NFD")], "both look like the image 'é'"),
        (["rgb/a.png", "depth/a.png", "depth/a-depth.png"], "both look like the depth 'a'"),
        (["rgb/a.png", "train/depth/a.png", "val/depth/a.png"], "both look like the depth of rgb/a.png"),
    ],
)
def test_two_names_that_become_one(tmp_path: Path, files: list[str], message: str) -> None:
    folder(tmp_path, {name: RGB if "rgb" in name else whole(1000) for name in files})
    with pytest.raises(DataError, match=message):
        drafting.draft(tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a_seg.png": RGB}, "1 files named as seg, but of 3 values per pixel .* turn its colours into numbers"),
        ({"classSegmentation/a.png": RGB}, "1 files named as seg, but of 3 values"),
        ({"instanceSegmentation/a.png": CLASSES}, "1 files that no column takes"),
        ({"seg/a.png": whole(12, np.uint8)}, "values run smoothly as depth does, in 16 or more shades: no class map"),
    ],
)
def test_what_is_left_out_is_said(tmp_path: Path, files: dict[str, np.ndarray], message: str) -> None:
    folder(tmp_path, {"a.jpg": RGB, **files})
    with pytest.raises(DataError, match=f"left out: .*{message}"):
        drafting.draft(tmp_path)


def test_types_that_are_not_read_are_named(tmp_path: Path) -> None:
    folder(tmp_path, {"a.jpg": RGB})
    for suffix in (".hdf5", ".exr", ".mat", ".npz"):
        (tmp_path / f"a_depth{suffix}").touch()
    with pytest.raises(DataError, match=r"4 files of types that are not read \(1 .*: turn them into .npy or pictures"):
        drafting.draft(tmp_path)


def test_names_that_are_no_text(tmp_path: Path) -> None:
    folder(tmp_path, {"rgb/a.png": RGB, "depth/a.png": whole(1000)})
    (tmp_path / "rgb/a.png").rename(os.fsdecode(os.fsencode(tmp_path) + b"/rgb/k\xfcche.png"))
    with pytest.raises(DataError, match=r"1 names hold bytes that are no UTF-8.*rgb/k\\udcfcche.png.*convmv"):
        drafting.draft(tmp_path)


def test_links_to_folders_and_another_place(tmp_path: Path) -> None:
    disk = folder(tmp_path / "disk", {"images/a.png": RGB, "masks/a.png": CLASSES, "masks/b.png": CLASSES})
    data = tmp_path / "data"
    data.mkdir()
    (data / "images").symlink_to(disk / "images")
    (data / "masks").symlink_to(disk / "masks")
    (disk / "images/loop").symlink_to(data)
    drafted = drafting.draft(data)
    assert [row["image"] for row in drafted.rows] == ["images/a.png"]
    drafting.write(drafted, tmp_path / "mine")
    table = (tmp_path / "mine/manifest.csv").read_text().splitlines()
    assert table[1].startswith(f"{data}/images/a.png,{data}/masks/a.png")
    assert not list(data.glob("*.csv"))


def test_a_manifest_of_windows_reads(tmp_path: Path) -> None:
    folder(tmp_path, {"rgb/a.png": RGB, "depth/a.NPY": METRES})
    (tmp_path / "manifest.csv").write_text("image,depth\nrgb\\a.png,depth\\a.NPY\n")
    (record,) = Manifest(tmp_path, SHAPE).listed()["train"]
    assert np.allclose(Manifest(tmp_path, SHAPE).read(record)["depth"], METRES)


# ---- Depth


def drafted_depth(root: Path, values: Mapping[str, np.ndarray]) -> tuple[list[dict[str, str]], str]:
    folder(
        root, {f"rgb/{name.split('.')[0]}.jpg": RGB for name in values} | {f"depth/{n}": v for n, v in values.items()}
    )
    drafted = drafting.draft(root)
    return list(drafted.rows), "\n".join([*drafted.guesses, *drafted.asks])


@pytest.mark.parametrize("factor", [256, 512, 1000, 4000, 5000, 8000, 100])
def test_the_unit_of_whole_numbers_stays_open(tmp_path: Path, factor: int) -> None:
    (row,), text = drafted_depth(tmp_path, {"a.png": whole(factor)})
    assert row["depth_scale"] == "?"
    right = next(line for line in text.splitlines() if line.startswith(f"{1 / factor:.9g} "))
    assert "median 4 m" in right or "median 3.99 m" in right or "median 4.01 m" in right
    drafting.write(drafting.draft(tmp_path), tmp_path)
    with pytest.raises(DataError, match=r"depth_scale is '\?', to be filled: no file tells[^£]*256, as KITTI"):
        Manifest(tmp_path, SHAPE).described()


@pytest.mark.parametrize(
    ("values", "scale", "words"),
    [
        (METRES.astype(np.float32), None, "in metres, because it holds floats"),
        ((METRES * 1000).astype(np.float32), "?", "0.001 (millimetres"),
        ((METRES / 10).astype(np.float32), "?", "10 (1 = 10 m): median 4"),
        (whole(25.5, np.uint8), "?", "0.0392156863 (255 = 10 m): median 4"),
        (np.flipud(np.linspace(1, 9, 512).reshape(SHAPE)), None, "in metres"),
        (np.linspace(1, 9, 512).reshape(SHAPE), None, "from the middle of images to their bottom, as inverse depth"),
    ],
)
def test_other_numbers(tmp_path: Path, values: np.ndarray, scale: str | None, words: str) -> None:
    (row,), text = drafted_depth(tmp_path, {"a.npy": values})
    assert row.get("depth_scale") == scale
    assert words in text


def with_end(values: np.ndarray, end: float) -> np.ndarray:
    values = values.copy()
    values[:2] = end
    return values


@pytest.mark.parametrize(
    ("values", "invalid"),
    [
        (with_end(whole(100), 65535), "65535"),
        (with_end(whole(20, np.uint8), 255), "255"),
        (with_end(METRES.astype(np.float16), 65504), "65504"),
        (with_end(METRES.astype(np.float32), 1e10), "10000000000"),
        (with_end(METRES.astype(np.float32), np.inf), None),
        (with_end(whole(1000), 0), None),
        (whole(1000), None),
        (with_end(METRES.astype(np.float32), 6.5), None),  # a wall
    ],
)
def test_the_end_of_a_type_is_no_distance(tmp_path: Path, values: np.ndarray, invalid: str | None) -> None:
    suffix = "png" if values.dtype.kind == "u" else "npy"
    (row,), text = drafted_depth(tmp_path, {f"a.{suffix}": values})
    assert row.get("depth_invalid") == invalid
    assert ("12 % of its pixels" in text) == (invalid is not None or values[0, 0] in (0, np.inf))
    cell = row.get("depth_invalid", "")
    (tmp_path / "manifest.csv").write_text(
        f"image,depth,depth_scale,depth_invalid\n{row['image']},{row['depth']},1,{cell}\n"
    )
    source = Manifest(tmp_path, SHAPE)
    depth = source.read(source.listed()["train"][0])["depth"]
    assert (depth[:2] == 0).all() == (values[0, 0] in (0, np.inf) or invalid is not None)
    assert (depth[2:] == values[2:]).all()


@pytest.mark.parametrize(
    ("images", "found"),
    [
        ([[1, 2, 3, 80, 80], [2, 5, 80]], (80, 0.375, True)),  # far beyond
        ([[1, 2, 3, 80, 80], [2, 70, 80, 80]], (80, 4 / 9, False)),  # the end of a range
        ([[1, 2, 3, 4, 4], [2, 3, 5, 5], [1, 3, 3]], None),  # walls
        ([[1, 2, 3, 80]], None),  # one picture, one far thing
        ([], None),
    ],
)
def test_a_largest_value_that_is_none(images: list[list[float]], found: tuple | None) -> None:
    largest = Largest()
    for values in images:
        largest.add(np.array(values, np.float32))
    suspect = largest.suspect()
    assert (suspect and (suspect.value, suspect.share, suspect.certain)) == found


def test_files_of_two_types_get_two_factors(tmp_path: Path) -> None:
    rows, text = drafted_depth(tmp_path, {"a.png": whole(25, np.uint8), "b.png": whole(1000), "c.npy": METRES})
    assert [row.get("depth_scale") for row in rows] == ["?", "?", None]
    assert "depth is stored in 3 types: depth of uint8 (1 files, such as depth/a.png)" in text
    with pytest.raises(DataError, match="--fill depth_scale: 2 files are of several types"):
        drafting.fill(drafting.draft(tmp_path), ["depth_scale=0.001"])


def test_classes_of_two_types_are_told(tmp_path: Path) -> None:
    folder(tmp_path, {"rgb/a.png": RGB, "seg/a.png": CLASSES, "rgb/b.png": RGB, "seg/b.png": CLASSES.astype(np.uint16)})
    guesses = drafting.draft(tmp_path).guesses
    assert (
        "seg lies in files of several types: 1 of uint8, such as seg/a.png; 1 of uint16, such as seg/b.png" in guesses
    )


def test_official_folders_prove_a_factor(tmp_path: Path) -> None:
    at = "2011_09_26_drive_0001_sync"
    files: dict[str, np.ndarray] = {f"raw/{at}/image_02/data/{n:010d}.png": RGB for n in (5, 6)}
    files |= {f"data_depth_annotated/val/{at}/proj_depth/groundtruth/image_02/{5:010d}.png": whole(256)}
    folder(tmp_path, files)
    assert cells(tmp_path, "image", "depth_scale") == [(f"raw/{at}/image_02/data/0000000005.png", "0.00390625")]
    (drafted,) = cells(
        folder(tmp_path / "far", {n: v * np.uint16(30) if v.ndim == 2 else v for n, v in files.items()}), "depth_scale"
    )
    assert drafted == ("?",), "no LiDAR sees 180 m"


@pytest.mark.parametrize("named_so", [True, False])
def test_a_mask_beside_depth_is_no_segmentation(tmp_path: Path, named_so: bool) -> None:
    """By its name, or because depth is odd where the mask is 0; objects of two values stay classes."""
    depth, mask = METRES.astype(np.float32), np.ones(SHAPE, np.float32)
    mask[:4] = 0
    odd = np.where(mask > 0, depth, 200).astype(np.float32)
    name = "a_depth_mask.npy" if named_so else "mask/a.npy"
    folder(tmp_path / "one", {"a.png": RGB, "a_depth.npy": depth if named_so else odd, name: mask})
    assert cells(tmp_path / "one", "seg", "depth_valid") == [("", name)]
    drafting.write(drafting.draft(tmp_path / "one"), tmp_path / "one")
    source = Manifest(tmp_path / "one", SHAPE)
    values = source.read(source.listed()["train"][0])["depth"]
    assert source.facts.targets == ("depth",)
    assert ((values > 0) == (mask > 0)).all()
    folder(tmp_path / "two", {"a.png": RGB, "a_depth.npy": depth, "mask/a.npy": mask})
    assert cells(tmp_path / "two", "seg", "depth_valid") == [("mask/a.npy", "")]


def test_a_mask_of_another_shape(tmp_path: Path) -> None:
    folder(tmp_path, {"a.png": RGB, "d.npy": METRES, "m.png": CLASSES[:8]})
    (tmp_path / "manifest.csv").write_text("image,depth,depth_valid\na.png,d.npy,m.png\n")
    source = Manifest(tmp_path, SHAPE)
    with pytest.raises(DataError, match=r"m.png: is \(8, 32\), the label that it says the valid pixels of \(16, 32\)"):
        source.read(source.listed()["train"][0])


# ---- Classes


@pytest.mark.parametrize(
    ("values", "classes", "words"),
    [
        ([0, 255], [0, 255], "255 holds 50.0 % of the pixels and is drafted as a class"),
        ([0, 128, 255], [0, 128, 255], "255 holds 25.0 % of the pixels and is drafted as a class"),
        ([0, 1, 2, 255], [0, 1, 2], "255 holds 25.0 % of the pixels and is left out, as 'no class'"),
        ([0, 1, 65535], [0, 1], "65535 holds 25.0 % of the pixels and is left out, as 'no class'"),
        (
            [0, 1, 2],
            [0, 1, 2],
            "0 holds 50.0 % of the pixels and is drafted as a class; if it means 'not labelled'",
        ),
        ([1, 2, 3], [1, 2, 3], "3 classes"),
    ],
)
def test_values_that_may_be_no_class(tmp_path: Path, values: list[int], classes: list[int], words: str) -> None:
    stored = np.array([*values, *values, *values][:4] if len(values) > 2 else values * 2)
    stored[:] = sorted(stored, key=values.index)
    maps = np.repeat(stored, 8)[None].repeat(16, 0).astype(np.uint16 if max(values) > 255 else np.uint8)
    folder(tmp_path, {"a.jpg": RGB, "a_seg.png": maps})
    drafted = drafting.draft(tmp_path)
    lines = drafted.texts["classes.txt"].splitlines()
    assert [int(line.split(":")[0]) for line in lines if "ignore" not in line] == classes
    assert ("65535: ignore" in lines) == (65535 in values)
    assert any(words in note for note in drafted.notes)


def test_shades_are_no_classes() -> None:
    assert is_smooth(whole(12, np.uint8))
    shuffled = RNG.permutation(40).astype(np.uint8)[np.arange(32)[None].repeat(16, 0)]
    assert not is_smooth(shuffled), "32 classes in a row, in no order"
    assert not is_smooth(CLASSES)


def test_depth_of_8_bits_beside_its_picture(tmp_path: Path) -> None:
    """As tutorials keep NYUv2: 1.jpg, 1.png. Grey pictures alone stay pictures."""
    folder(
        tmp_path / "nyu",
        {f"scene/{n}.{end}": v for n in "12" for end, v in (("jpg", RGB), ("png", whole(25, np.uint8)))},
    )
    assert cells(tmp_path / "nyu", "image", "depth") == [(f"scene/{n}.jpg", f"scene/{n}.png") for n in "12"]
    grey = {f"night/{n}.png": RGB[..., 0] for n in "12"}
    folder(tmp_path / "grey", {**grey, **{f"seg/night/{n}.png": CLASSES for n in "12"}})
    assert cells(tmp_path / "grey", "image") == [("night/1.png",), ("night/2.png",)]


# ---- Groups and splits


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Scene01/fog/frames/Camera_0/rgb_00001", "Scene01/rain/frames/Camera_1/rgb_00001", True),
        ("Scene01/15-deg-left/rgb_1", "Scene01/clone/rgb_1", True),
        ("drive/image_02/data/05", "drive/image_03/data/05", True),
        ("kitchen_01_left", "kitchen_01_right", True),
        ("square_day_3", "square_night_3", True),
        ("square_2024-05-03", "square_20240601", True),
        ("leftImg8bit/a_1", "rightImg8bit/a_1", True),
        ("drive/image_02/data/05", "drive/image_02/data/06", False),
        ("day1/drive_0001_2011_09_26/5", "day1/drive_0002_2011_09_26/5", False),
        ("20240503_101500", "20240503_101501", False),
        ("image_02", "image_03", False),
        ("Scene01/fog/1", "Scene02/fog/1", False),
    ],
)
def test_one_place(one: str, other: str, same: bool) -> None:
    assert (place(Path(f"{one}.jpg")) == place(Path(f"{other}.jpg"))) == same


def test_pictures_of_one_place_share_a_group(tmp_path: Path) -> None:
    files = {f"s/{w}/rgb/{n}.jpg": RGB for w in ("fog", "rain", "clone") for n in range(5)}
    folder(tmp_path, files | {name.replace("rgb", "seg").replace("jpg", "png"): CLASSES for name in files})
    drafted = drafting.draft(tmp_path)
    groups: dict[str, set[str]] = {}
    for row in drafted.rows:
        groups.setdefault(row["group"], set()).add(Path(row["image"]).stem)
    assert sorted(map(sorted, groups.values())) == [[str(n)] for n in range(5)]
    assert any("10 pictures that differ only by weather" in guess for guess in drafted.guesses)


@pytest.mark.parametrize("lists", ["gt_sets", "ImageSets/Segmentation"])
def test_lists_tell_splits(tmp_path: Path, lists: str) -> None:
    files: Mapping[str, np.ndarray] = {f"images/{n:04d}.png": RGB for n in range(6)}
    folder(tmp_path, {**files, **{name.replace("images", "masks"): CLASSES for name in files}})
    (tmp_path / lists).mkdir(parents=True)
    (tmp_path / lists / "train.txt").write_text("".join(f"{n:04d}\n" for n in range(4)))
    (tmp_path / lists / "val.txt").write_text("0004\nimages/0005.png\n")
    assert [split for (split,) in cells(tmp_path, "split")] == [""] * 4 + ["test"] * 2


def test_pictures_of_one_place_in_two_splits(tmp_path: Path) -> None:
    splits = {"1_left": "train", "1_right": "test", "2_left": "search", "3_left": "select"}
    folder(tmp_path, {f"{name}{end}": v for name in splits for end, v in ((".jpg", RGB), (".npy", METRES))})
    lines = [f"{name}.jpg,{name}.npy,{split}" for name, split in splits.items()]
    (tmp_path / "manifest.csv").write_text("\n".join(["image,depth,split", *lines]))
    (line,) = one_place(Manifest(tmp_path, SHAPE))
    assert line.startswith("1 of 3 places lie in several splits")
    assert "1_left.jpg (train) and 1_right.jpg (test)" in line


@pytest.mark.parametrize(("scales", "doubts"), [(("0.04", "0.001"), 0), (("0.001", "0.001"), 1)])
def test_two_types_with_one_factor(tmp_path: Path, scales: tuple[str, str], doubts: int) -> None:
    depth = {"8": whole(25, np.uint8), "16": whole(1000)}
    folder(tmp_path, {f"rgb/{g}{n}.png": RGB for g in "abcd" for n in depth})
    folder(tmp_path, {f"depth/{g}{n}.png": v for g in "abcd" for n, v in depth.items()})
    lines = [f"rgb/{g}{n}.png,depth/{g}{n}.png,{s}" for g in "abcd" for n, s in zip(depth, scales, strict=True)]
    (tmp_path / "manifest.csv").write_text("\n".join(["image,depth,depth_scale", *lines]))
    assert len(two_types(Manifest(tmp_path, SHAPE))) == doubts


def test_check_names_the_end_of_depth() -> None:
    """Sky at 655.35 m, once the unit is right."""
    kind, facts = label_kind("depth"), LabelFacts(targets=("depth",))
    survey = kind.survey(facts)
    survey.add(with_end(METRES, 655.35).astype(np.float32))
    survey.add(with_end(METRES, 655.35).astype(np.float32))
    assert any("12.5 % of the valid pixels of 'train' hold 655.35 m" in line for line in kind.suspicions(survey, facts))
    survey = kind.survey(facts)
    survey.add(METRES)
    assert not any("depth_invalid" in line for line in kind.suspicions(survey, facts))


def test_the_deepest_folder_speaks_first() -> None:
    assert named(Path("depth_set/rgb/x.png")).roles[0] == "image"
    assert named(Path("iPhone/x.png")).key == ("iphone", "x")
