"""A wrong CityScapes, NYUv2 or manifest folder gives one clear message that names the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_sets.cityscapes import CityScapes
from data_sets.manifest import Manifest
from data_sets.nyuv2 import NYUv2
from ednas_nni.errors import DataError
from scenes.rooms import Rooms
from scenes.streets import Streets

SIZE = (32, 64)
READERS = {"cityscapes": CityScapes, "nyuv2": NYUv2, "manifest": Manifest}


@pytest.fixture(scope="module")
def written(rooms: Rooms, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("written")
    streets = Streets(size=SIZE, train=8, search=1, select=1, test=2, cache=root / "cache")
    CityScapes.write(streets, root / "cityscapes")
    NYUv2.write(rooms, root / "nyuv2")
    Manifest.write(rooms, root / "manifest")
    return root


def read_all(source) -> None:
    for records in source.records.values():
        for record in records:
            source.read(record)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def first(root: Path, pattern: str) -> Path:
    return sorted(root.glob(pattern))[0]


def picture(path: Path, values: np.ndarray) -> None:
    Image.fromarray(values).save(path)


def camera(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({"extrinsic": {"baseline": 0.2}, "intrinsic": {"fx": 70.0}, **changes}))


def mat(path: Path, **values: object) -> None:
    from scipy.io import savemat

    savemat(path, values)


def h5(path: Path, change: Callable[[object], object]) -> None:
    import h5py

    with h5py.File(path, "r+") as file:
        change(file)


def edit(path: Path, old: str, new: str, times: int = -1) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, times))


def label_too_large(file) -> None:
    file["labels"][3, 4, 5] = 895


CITY = [
    (lambda d: shutil.rmtree(d / "leftImg8bit/val"), r"leftImg8bit/val: this folder is missing. Allowed: train"),
    (lambda d: shutil.rmtree(d / "gtFine"), r"gtFine: this folder is missing"),
    (lambda d: first(d, "gtFine/train/*/*.png").unlink(), r"labelIds.png: there is no such file, and 0 others"),
    (lambda d: shutil.rmtree(d / "disparity"), r"disparity.png: there is no such file, and \d+ others"),
    (lambda d: first(d, "camera/val/*/*.json").unlink(), r"camera.json: there is no such file"),
    (
        lambda d: truncate(first(d, "camera/train/*/*.json")),
        r"camera.json: cannot be read as a camera .*Unpack it again",
    ),
    (
        lambda d: camera(first(d, "camera/train/*/*.json"), intrinsic={}),
        r"extrinsic.baseline and intrinsic.fx are needed",
    ),
    (lambda d: camera(first(d, "camera/train/*/*.json"), intrinsic={"fx": -1}), r"is -0.2 m px; it must be above 0"),
    (lambda d: truncate(first(d, "leftImg8bit/train/*/*.png")), r"leftImg8bit.png: cannot be read as a picture"),
    (
        lambda d: picture(first(d, "disparity/train/*/*.png"), np.zeros((32, 64), np.uint8)),
        r"disparity.png: has 8 bits per pixel; CityScapes' disparity has 16",
    ),
    (
        lambda d: picture(first(d, "gtFine/train/*/*.png"), np.full((32, 64), 200, np.uint8)),
        r"labelIds.png: holds 200, but label ids end at 33. If these files hold train ids",
    ),
    (
        lambda d: picture(first(d, "gtFine/train/*/*.png"), np.zeros((32, 40), np.uint8)),
        r"segmentation is 32 x 40, but the image .* is 32 x 64",
    ),
    (
        lambda d: [p.rename(p.with_name(p.name.replace("leftImg8bit", "left"))) for p in d.glob("leftImg8bit/val/*/*")],
        r"leftImg8bit/val: no city folder there holds pictures named \*_leftImg8bit.png",
    ),
]

NYU = [
    (lambda d: (d / "nyu_depth_v2_labeled.mat").unlink(), r"nyu_depth_v2_labeled.mat: there is no such file"),
    (lambda d: truncate(d / "nyu_depth_v2_labeled.mat"), r"labeled.mat: cannot be read as HDF5 .*download it again"),
    (lambda d: h5(d / "nyu_depth_v2_labeled.mat", lambda f: f.__delitem__("labels")), r"lacks the arrays labels"),
    (
        lambda d: h5(d / "nyu_depth_v2_labeled.mat", label_too_large),
        r"has the label 895, but NYUv2 has labels up to 894",
    ),
    (lambda d: (d / "splits.mat").unlink(), r"splits.mat: there is no such file. It is part of"),
    (lambda d: truncate(d / "splits.mat"), r"splits.mat: cannot be read as a MATLAB file"),
    (lambda d: mat(d / "splits.mat", trainNdxs=[[1]]), r"splits.mat: lacks testNdxs"),
    (
        lambda d: mat(d / "splits.mat", trainNdxs=[[0], [2]], testNdxs=[[3]]),
        r"trainNdxs holds 0..2, but .* images 1..32",
    ),
    (lambda d: mat(d / "splits.mat", trainNdxs=[[1], [2]], testNdxs=[[2]]), r"image 2 is in trainNdxs and in testNdxs"),
    (
        lambda d: (d / "classMapping40.mat").unlink(),
        r"classMapping40.mat: there is no such file. The raw labels are 894",
    ),
    (lambda d: mat(d / "classMapping40.mat", mapClass=[[1, 2]]), r"mapClass must hold 894 numbers from 1 to 40"),
    (lambda d: mat(d / "class13Mapping.mat", other=[[1]]), r"has no struct classMapping13"),
]

TABLE = "manifest.csv"
NO_LABELS = "image\n" + "".join(f"image/train_0000{number}.png\n" for number in range(9))
OWN = [
    (lambda d: (d / TABLE).unlink(), r"manifest.csv: there is no such manifest. `ednas data init FOLDER` drafts one"),
    (
        lambda d: edit(d / TABLE, "image,seg", "image,segg"),
        r"manifest.csv:1: unknown column 'segg'. Did you mean 'seg'",
    ),
    (lambda d: edit(d / TABLE, "image,seg", "rgb,seg"), r"unknown column 'rgb'. Did you mean 'image'"),
    (lambda d: edit(d / TABLE, ",", ";"), r"manifest.csv:1: the columns are not separated by commas"),
    (
        lambda d: edit(d / TABLE, "image/train_00003.png", "image/nope.png"),
        r":5: image = 'image/nope.png': there is no file",
    ),
    (
        lambda d: edit(d / TABLE, "seg/train_00003.png", "../x.png"),
        r":5: seg = '../x.png': leads out of the manifest's",
    ),
    (
        lambda d: edit(d / TABLE, "metric", "metrical", 1),
        r":2: depth_kind = 'metrical': unknown. Did you mean 'metric'",
    ),
    (lambda d: edit(d / TABLE, "metric", "inverse", 1), r"depth_kind is 'inverse' \(line 2\) and 'metric' \(line 3\)"),
    (
        lambda d: edit(d / TABLE, ",test", ",validation"),
        r"split = 'validation': unknown. An official validation or test set",
    ),
    (lambda d: edit(d / TABLE, ",train\n", ",train,7\n", 1), r"manifest.csv:2: has 8 cells, the heading 7"),
    (
        lambda d: edit(d / TABLE, "image/train_00003.png", "image/train_00002.png"),
        r":5: image .*train_00002.png stands in line 4 already",
    ),
    (lambda d: (d / TABLE).write_text("image\n"), r"manifest.csv: lists no image"),
    (lambda d: (d / TABLE).write_text(NO_LABELS), r"manifest.csv: names no label"),
    (lambda d: (d / TABLE).write_bytes(b"\xff\xfe\x00"), r"is not a text file in UTF-8"),
    (lambda d: edit(d / TABLE, "0.0001", "-1", 1), r":2: depth_scale = '-1': must be a number above 0"),
    (
        lambda d: (d / "classes.txt").unlink(),
        r"classes.txt: is missing, so the classes of the column seg have no names",
    ),
    (lambda d: (d / "classes.txt").write_text("a\nb\na\n"), r"classes.txt: the line 'a' repeats a value or a name"),
    (lambda d: (d / "classes.txt").write_text("1: a\nb\n"), r"classes.txt: the line 'b' has no value, others have one"),
    (
        lambda d: (d / "classes.txt").write_text("a\nb\n"),
        r"seg/train_0000\d.png: holds the values [0-9, ]+, but the classes are 0, 1",
    ),
    (lambda d: truncate(d / "depth/train_00002.png"), r"depth/train_00002.png: cannot be read as a picture"),
    (
        lambda d: picture(
            d / "seg/train_00002.png", np.eye(32, 64, dtype=np.uint8)[..., None] * np.arange(3, dtype=np.uint8)
        ),
        r"seg/train_00002.png: is a colour picture; one value per pixel is needed",
    ),
    (
        lambda d: picture(d / "image/train_00002.png", np.zeros((32, 64), np.uint16)),
        r"image/train_00002.png: holds values of mode 'I;16', not 8-bit colours. Is it a depth map",
    ),
    (
        lambda d: picture(d / "normals/train_00002.png", np.zeros((32, 64), np.uint8)),
        r"normals/train_00002.png: is not a colour picture of 8 bits",
    ),
    (
        lambda d: picture(d / "depth/train_00002.png", np.ones((32, 30), np.uint16)),
        r"depth is 32 x 30, but the image .* is 32 x 64",
    ),
]

CASES = [("cityscapes", *case) for case in CITY] + [("nyuv2", *case) for case in NYU] + [("manifest", *c) for c in OWN]


@pytest.mark.parametrize(("layout", "spoil", "message"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_a_wrong_folder_is_named(written: Path, tmp_path: Path, layout: str, spoil, message: str) -> None:
    folder = Path(shutil.copytree(written / layout, tmp_path / layout))
    spoil(folder)
    options = {"keep_border": True} if layout == "nyuv2" else {}
    with pytest.raises(DataError, match=message) as caught:
        read_all(READERS[layout](folder, SIZE, cache=tmp_path / "cache", **options))
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("layout", READERS)
def test_nothing_is_wrong_with_what_the_writers_write(written: Path, tmp_path: Path, layout: str) -> None:
    options = {"keep_border": True} if layout == "nyuv2" else {}
    read_all(READERS[layout](written / layout, SIZE, cache=tmp_path, **options))


@pytest.mark.parametrize(
    ("layout", "options", "message"),
    [
        ("cityscapes", {"classes": 18}, "classes is 18; allowed are 19"),
        ("cityscapes", {"depth": "metre"}, "depth is 'metre'. Did you mean 'metric'"),
        ("cityscapes", {"depth_max": 80}, "depth_max is 80; it is a positive number of metres, and only for"),
        ("cityscapes", {"targets": ["normals"]}, "CityScapes has segmentation and depth"),
        ("nyuv2", {"classes": 14}, "classes is 14; allowed are 13 and 40"),
        ("nyuv2", {"depth": "inpaint"}, "depth is 'inpaint'. Did you mean 'inpainted'"),
        ("manifest", {"depth_max": 0}, "depth_max is 0; it must be above 0"),
        ("manifest", {"normal_axes": ["x", "y", "x"]}, "normal_axes is"),
        ("manifest", {"depth_unit": "1/m"}, "depth_unit is '1/m', but depth of the kind 'metric' is in m"),
        ("manifest", {"size": (64, 64)}, "aspect ratio differs"),
    ],
)
def test_wrong_options(written: Path, tmp_path: Path, layout: str, options: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        source = READERS[layout](**{"folder": written / layout, "size": SIZE, "cache": tmp_path, **options})
        assert source.info
        source.read(source.records["train"][0])


def test_labels_may_be_allowed_to_be_missing(written: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(written / "cityscapes", tmp_path / "cityscapes"))
    first(folder, "camera/train/*/*.json").unlink()
    source = CityScapes(folder, SIZE, allow_missing=True, cache=tmp_path / "cache")
    lacking = [r for records in source.records.values() for r in records if "depth" not in r.files]
    assert len(lacking) == 1
    assert not source.read(lacking[0])["depth"].any()
    assert (source.read(lacking[0])["segmentation"] != 255).any()
