"""A wrong folder gives one clear message that names the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_sets.adashare import AdaShare
from data_sets.mtan import Mtan
from data_sets.nyud_mt import NYUDMT
from ednas_nni.errors import DataError
from scenes.rooms import Rooms

SIZE = (32, 64)
READERS = {"mtan": Mtan, "adashare": AdaShare, "nyud_mt": NYUDMT}
OPTIONS: dict[str, dict] = {"mtan": {}, "adashare": {"classes": 13}, "nyud_mt": {"classes": 13}}


@pytest.fixture(scope="module")
def written(rooms: Rooms, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("written")
    for name, layout in READERS.items():
        layout.write(rooms, root / name)
    return root


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Callable[[str], Path]:
    def copied(name: str) -> Path:
        return Path(shutil.copytree(written / name, tmp_path / name))

    return copied


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def save(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    np.save(path, change(np.load(path)))


def with_value(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(values: np.ndarray) -> np.ndarray:
        values = values.copy()
        values[3, 4] = value
        return values

    return change


def paint(path: Path, value: int) -> None:
    values = np.asarray(Image.open(path)).copy()
    values[3, 4] = value
    Image.fromarray(values).save(path)


def edit_list(root: Path, change: Callable[[dict], object]) -> None:
    path = root / "nyu_v2_3task.json"
    lists = json.loads(path.read_text())
    path.write_text(json.dumps(change(lists)))


def short_entries(lists: dict) -> dict:
    return {**lists, "train": [entry[:3] for entry in lists["train"]]}


def without(key: str) -> Callable[[dict], dict]:
    return lambda lists: {name: value for name, value in lists.items() if name != key}


WRONG = [
    ("mtan", lambda d: shutil.rmtree(d / "val"), r"mtan/val: this folder is missing"),
    (
        "mtan",
        lambda d: shutil.rmtree(d / "train/label"),
        r"train/label: this folder is missing. Allowed: depth, image, normal",
    ),
    ("mtan", lambda d: shutil.rmtree(d / "val/depth"), r"val/depth: this folder is missing"),
    ("mtan", lambda d: (d / "train/depth/7.npy").unlink(), r"train/depth/7.npy: depth of image 'train/7' is missing"),
    ("mtan", lambda d: truncate(d / "train/image/11.npy"), r"train/image/11.npy: cannot be read as .npy"),
    ("mtan", lambda d: (d / "train/image/2.npy").write_bytes(b""), r"train/image/2.npy: cannot be read as .npy"),
    (
        "mtan",
        lambda d: np.save(d / "train/label/3.npy", np.array([{}], object), allow_pickle=True),
        r"train/label/3.npy: cannot be read",
    ),
    (
        "mtan",
        lambda d: save(d / "val/label/1.npy", with_value(13)),
        r"val/label/1.npy: holds the class id\(s\) 13; allowed are 0..12",
    ),
    ("mtan", lambda d: save(d / "val/label/1.npy", lambda v: v + 0.5), r"val/label/1.npy: holds the class id\(s\) "),
    (
        "mtan",
        lambda d: save(d / "train/image/0.npy", lambda v: v * 255),
        r"image/0.npy: values range from .* within \[0, 1\]",
    ),
    (
        "mtan",
        lambda d: save(d / "train/depth/4.npy", lambda v: v[:, :40]),
        r"depth/4.npy: depth is 32 x 40, but the image .*image/4.npy is 32 x 64",
    ),
    ("mtan", lambda d: save(d / "train/normal/4.npy", lambda v: v * 2), r"normal/4.npy: a normal has length 2; "),
    (
        "mtan",
        lambda d: save(d / "train/normal/4.npy", np.negative),
        r"normal/4.npy: \d+% of the normals point away .*normal_axes",
    ),
    ("adashare", lambda d: (d / "nyu_v2_3task.json").unlink(), r"holds none of AdaShare's lists"),
    ("adashare", lambda d: truncate(d / "nyu_v2_3task.json"), r"nyu_v2_3task.json: cannot be read as JSON"),
    ("adashare", lambda d: edit_list(d, without("test")), r"nyu_v2_3task.json: has no list 'test'"),
    ("adashare", lambda d: edit_list(d, without("train")), r"nyu_v2_3task.json: has no list 'train'"),
    ("adashare", lambda d: edit_list(d, lambda v: [v]), r"nyu_v2_3task.json: holds a list; an object"),
    (
        "adashare",
        lambda d: edit_list(d, short_entries),
        r"train holds .*each entry lists 4 files: image, segmentation, normals, depth",
    ),
    (
        "adashare",
        lambda d: edit_list(d, lambda v: {**v, "test": v["train"][:2]}),
        r"image 'img/0000' is listed twice, in '\w+' and 'test'",
    ),
    (
        "adashare",
        lambda d: edit_list(d, lambda v: {**v, "test": [["../a.png"] * 4]}),
        r"names the file '../a.png'; names must be relative",
    ),
    ("adashare", lambda d: truncate(d / "img/0003.png"), r"img/0003.png: cannot be read as a picture"),
    (
        "adashare",
        lambda d: paint(d / "seg/0002.png", 40),
        r"seg/0002.png: holds the class id\(s\) 40; allowed are 0..12",
    ),
    ("adashare", lambda d: (d / "depth/0002.npy").unlink(), r"depth/0002.npy: depth of image 'img/0002' is missing"),
    ("nyud_mt", lambda d: (d / "gt_sets/val.txt").unlink(), r"gt_sets/val.txt: cannot be read"),
    ("nyud_mt", lambda d: (d / "gt_sets/val.txt").write_text(""), r"the test set of 'nyud_mt' is empty"),
    (
        "nyud_mt",
        lambda d: paint(d / "segmentation/0005.png", 14),
        r"segmentation/0005.png: holds the class id\(s\) 14; .*counts from 1",
    ),
    ("nyud_mt", lambda d: truncate(d / "images/0005.jpg"), r"images/0005.jpg: cannot be read as a picture"),
    ("nyud_mt", lambda d: (d / "images/0005.jpg").unlink(), r"images/0005.jpg: image of image '0005' is missing"),
]


@pytest.mark.parametrize(("layout", "spoil", "message"), WRONG)
def test_wrong_folders(folder, tmp_path: Path, layout: str, spoil: Callable[[Path], object], message: str) -> None:
    root = folder(layout)
    spoil(root)
    with pytest.raises(DataError, match=message):
        source = READERS[layout](root, SIZE, cache=tmp_path / "cache", **OPTIONS[layout])
        for records in source.records.values():
            assert source.info.name == layout
            for record in records:
                source.read(record)


def test_a_worker_hands_the_message_on(folder, tmp_path: Path) -> None:
    root = folder("mtan")
    truncate(root / "train/image/11.npy")
    with pytest.raises(DataError, match=r"train/image/11.npy: cannot be read as .npy"):
        Mtan(root, SIZE, cache=tmp_path / "cache").prepare(progress=False)
    assert not [path for path in (tmp_path / "cache").glob("mtan-*") if path.is_dir()]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"size": (32, 60)},
            r"image is 32 x 64, whose aspect ratio differs .* 32 x 60 .*data.fit what to do: letterbox",
        ),
        ({"fit": "pad"}, r"fit is 'pad'; it is letterbox, crop, resize or empty"),
        ({"size": (4, 8)}, r"size is \(4, 8\)"),
        ({"dataset": "nyu"}, r"dataset is 'nyu'. Did you mean 'nyuv2'"),
        ({"normal_axes": ["x", "y", "y"]}, r"normal_axes is \['x', 'y', 'y'\]"),
        ({"classes": 0}, r"classes is 0; it must be a whole number from 1 to 255"),
        ({"folder": "nowhere"}, r"folder is 'nowhere', but there is no folder"),
    ],
)
def test_wrong_options(written: Path, tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        source = Mtan(**{"folder": written / "mtan", "size": SIZE, "cache": tmp_path, **options})
        source.read(source.records["train"][0])


def test_cropping_takes_the_middle(written: Path, tmp_path: Path) -> None:
    whole = Mtan(written / "mtan", SIZE, cache=tmp_path)
    middle = Mtan(written / "mtan", (32, 32), crop=True, cache=tmp_path)
    record = whole.records["train"][0]
    wanted, got = whole.read(record), middle.read(record)
    for name, values in got.items():
        assert (values == wanted[name][:, 16:48]).all(), name


def test_forms_that_mtan_files_take(folder, tmp_path: Path) -> None:
    """Float64 labels, (H, W) depth, NaN and negative depth, bytes as images, a label of half the resolution."""
    root = folder("mtan")
    before = Mtan(root, SIZE, cache=tmp_path / "cache")
    key = {r.key: r for records in before.records.values() for r in records}["train/5"]
    wanted = before.read(key)
    save(root / "train/label/5.npy", lambda v: v.astype(np.float64)[..., None])
    save(root / "train/depth/5.npy", lambda v: with_value(np.nan)(v[..., 0].astype(np.float64)))
    save(root / "train/image/5.npy", lambda v: np.rint(v * 255).astype(np.uint8))
    got = before.read(key)
    assert (got["image"] == wanted["image"]).all()
    assert (got["segmentation"] == wanted["segmentation"]).all()
    assert got["depth"][3, 4] == 0
    assert ((got["depth"] == wanted["depth"]).sum()) == got["depth"].size - 1
    save(root / "train/depth/5.npy", with_value(-1))
    assert before.read(key)["depth"][3, 4] == 0
    save(root / "train/label/5.npy", lambda v: v[::2, ::2])
    assert (before.read(key)["segmentation"] == wanted["segmentation"][::2, ::2].repeat(2, 0).repeat(2, 1)).all()


def test_the_fingerprint_tells_names_and_sizes(folder, tmp_path: Path) -> None:
    root = folder("mtan")
    first = Mtan(root, SIZE, cache=tmp_path / "cache")
    assert Mtan(root, SIZE, cache=tmp_path / "other").info.fingerprint == first.info.fingerprint
    assert Mtan(root, SIZE, seed=1, cache=tmp_path / "cache").info.fingerprint != first.info.fingerprint
    moved = shutil.copytree(root, tmp_path / "moved")
    assert Mtan(moved, SIZE, cache=tmp_path / "cache").info.fingerprint == first.info.fingerprint
    np.save(root / "train/depth/5.npy", np.zeros((32, 64)))
    assert Mtan(root, SIZE, cache=tmp_path / "cache").info.fingerprint != first.info.fingerprint


def test_describing_reads_no_image(folder, tmp_path: Path) -> None:
    root = folder("mtan")
    for path in root.rglob("*.npy"):
        path.write_bytes(b"not an array")
    assert Mtan(root, SIZE, cache=tmp_path / "cache").info.counts["test"] == 3
