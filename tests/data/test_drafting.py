"""What `ednas data init` makes of folders as users have them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from data_sets.manifest import Manifest
from data_sets.manifest_table import read_table
from ednas_nni.cli import main
from ednas_nni.data import DATASETS, drafting, names
from ednas_nni.errors import DataError
from scenes.rooms import Rooms
from tests.data_sets.written import written

RNG = np.random.default_rng(0)
SHAPE = (16, 32)


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 255, (*SHAPE, 3), np.uint8)).save(path)


def classes(path: Path, count: int = 3) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = RNG.integers(0, count, SHAPE, np.uint8)
    values[0, 0] = 255
    Image.fromarray(values).save(path)


def constant(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", SHAPE[::-1], value).save(path)


def millimetres(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(800, 4000, SHAPE, np.uint16)).save(path)


def normals(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    v = RNG.normal(size=(*SHAPE, 3))
    v[..., 2] = np.abs(v[..., 2]) + 0.2
    v /= np.linalg.norm(v, axis=-1, keepdims=True)
    Image.fromarray(np.rint(v * 127.5 + 127.5).astype(np.uint8)).save(path)


def test_folders_by_kind(tmp_path: Path) -> None:
    """rgb/SCENE/N.jpg beside semantic/, depth/ and normals/, some labels missing, one label without an image."""
    for scene in ("attic", "bath", "cellar", "den", "entry"):
        for number in range(3):
            image(tmp_path / f"rgb/{scene}/{number:03d}.jpg")
            classes(tmp_path / f"semantic/{scene}/{number:03d}.png")
            if number:
                millimetres(tmp_path / f"depth/{scene}/{number:03d}.png")
            normals(tmp_path / f"normals/{scene}/{number:03d}.png")
    millimetres(tmp_path / "depth/attic/099.png")
    (tmp_path / "notes.txt").write_text("not a picture")
    found = drafting.draft(tmp_path)
    assert len(found.rows) == 15
    assert found.rows[1] == {
        "image": "rgb/attic/001.jpg", "seg": "semantic/attic/001.png", "depth": "depth/attic/001.png",
        "depth_kind": "metric", "depth_scale": "?", "normals": "normals/attic/001.png", "group": "attic",
    }  # fmt: skip
    assert "depth" not in found.rows[0]
    assert found.texts == {"classes.txt": "0: class 0\n1: class 1\n2: class 2\n"}
    assert found.notes[0] == "3 classes; give them names in classes.txt"
    assert dict(found.left_out) == {"depth without an image, such as depth/attic/099.png": 1}
    assert any("0.001 (millimetres" in ask and "median 2." in ask for ask in found.asks)
    text = drafting.write(found, tmp_path)[0].read_text()
    assert text.startswith("image,seg,depth,depth_kind,depth_scale,normals,group\n")
    with pytest.raises(DataError, match=r"manifest.csv:3: depth_scale is '\?' in 10 lines, to be filled"):
        assert Manifest(tmp_path, SHAPE, cache=tmp_path / "cache").info
    assert drafting.fill(found, ["depth_scale=0.001"])
    drafting.write(found, tmp_path, force=True)
    source = Manifest(tmp_path, SHAPE, cache=tmp_path / "cache")
    assert sum(source.info.counts.values()) == 15
    split = source.split("train")
    assert 0.8 <= split.depth[split.depth > 0].min() <= split.depth.max() < 4
    assert np.asarray(split.normals).any(-1).all()
    groups = [{r.group for r in records} for records in source.records.values()]
    assert all(not one & other for i, one in enumerate(groups) for other in groups[i + 1 :])


def test_open_cells_are_filled_and_what_was_written_by_hand_stays(tmp_path: Path) -> None:
    for number in range(6):
        image(tmp_path / f"rgb/{number:03d}.jpg")
        classes(tmp_path / f"seg/{number:03d}.png")
        millimetres(tmp_path / f"depth/{number:03d}.png")
    path, names = drafting.write(drafting.draft(tmp_path), tmp_path)
    names.write_text("0: wall\n1: floor\n2: sofa\n")
    lines = path.read_text().splitlines()
    at = lines[0].split(",").index("depth_scale")
    cells = lines[3].split(",")
    by_hand = [*lines[:3], ",".join([*cells[:at], "0.01", *cells[at + 1 :]]), *lines[4:]]
    path.write_text("\n".join(by_hand) + "\n")
    with pytest.raises(DataError, match=rf"`ednas data init {tmp_path} --fill depth_scale=CELL` fills"):
        assert Manifest(tmp_path, SHAPE, cache=tmp_path / "cache").info
    assert main(["data", "init", str(tmp_path), "--fill", "depth_scale=0.001"]) == 0
    assert path.read_text() == "\n".join(by_hand).replace("?", "0.001") + "\n"
    assert names.read_text().startswith("0: wall")
    with pytest.raises(DataError, match=r"no cell of depth_scale is `\?`"):
        drafting.fill_in(tmp_path, ["depth_scale=1"])
    path.write_text("a,b\n1\n")
    with pytest.raises(DataError, match="is no CSV that could be filled in"):
        drafting.fill_in(tmp_path, ["depth_scale=1"])


def test_a_heading_with_spaces_and_columns_in_any_order_are_filled_as_they_are_read(tmp_path: Path) -> None:
    image(tmp_path / "a.png")
    millimetres(tmp_path / "d.png")
    path = tmp_path / "manifest.csv"
    path.write_text("group, image, depth_scale, depth\nattic, a.png, ?, d.png\n", encoding="utf-8")
    with pytest.raises(DataError, match="--fill depth_scale=CELL"):
        read_table(path)
    drafting.fill_in(tmp_path, ["depth_scale=0.001"])
    assert path.read_text(encoding="utf-8") == "group,image,depth_scale,depth\nattic,a.png,0.001,d.png\n"
    assert read_table(path).rows[0].details == {"depth_scale": 0.001}


def test_labels_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    """Empty and half files, also a grey mask stored in colours; the others are drafted as if these were not there."""
    for n in range(6):
        image(tmp_path / f"rgb/{n}.png")
        classes(tmp_path / f"seg/{n}.png")
        millimetres(tmp_path / f"depth/{n}.png")
    whole = drafting.draft(tmp_path)
    for n, name in enumerate(("seg/1.png", "seg/2.png", "depth/3.png", "depth/4.png")):
        stored = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(stored[: len(stored) // 2] if n % 2 else b"")
    Image.fromarray(RNG.integers(0, 255, (*SHAPE, 3), np.uint8)).save(tmp_path / "seg/5.png")
    half = (tmp_path / "seg/5.png").read_bytes()
    (tmp_path / "seg/5.png").write_bytes(half[: len(half) // 2])
    drafted = drafting.draft(tmp_path)
    lacking = {(n, name) for n, row in enumerate(drafted.rows) for name in ("seg", "depth") if name not in row}
    assert lacking == {(1, "seg"), (2, "seg"), (5, "seg"), (3, "depth"), (4, "depth")}
    said = [(number, line) for line, number in drafted.left_out.items() if "cannot be read as a picture" in line]
    assert sum(number for number, _ in said) == 5 and any("such as seg/1.png" in line for _, line in said)
    assert (drafted.texts, drafted.asks[0]) == (whole.texts, whole.asks[0])
    for path in (tmp_path / "depth").iterdir():
        path.write_bytes(b"")
    assert not any("depth" in row for row in drafting.draft(tmp_path).rows)


def test_class_maps_in_jpeg_are_told(tmp_path: Path) -> None:
    image(tmp_path / "images/a.jpg")
    drawn = np.zeros(SHAPE, np.uint8)
    drawn[4:12, 7:23] = 255
    (tmp_path / "masks").mkdir()
    Image.fromarray(drawn).save(tmp_path / "masks/a.jpg")
    assert any("1 files of seg are JPEG, such as a.jpg, which blurs" in note for note in drafting.draft(tmp_path).notes)
    Image.fromarray(drawn).save(tmp_path / "masks/a.png")
    (tmp_path / "masks/a.jpg").unlink()
    assert not any("JPEG" in note for note in drafting.draft(tmp_path).notes)


def test_black_and_white_of_sixteen_bits_are_two_classes(tmp_path: Path) -> None:
    image(tmp_path / "images/a.jpg")
    (tmp_path / "masks").mkdir()
    drawn = np.zeros(SHAPE, np.uint16)
    drawn[4:12] = 65535
    Image.fromarray(drawn).save(tmp_path / "masks/a.png")
    assert drafting.draft(tmp_path).texts == {"classes.txt": "0: class 0\n65535: class 65535\n"}


def test_files_side_by_side_are_told_by_content(tmp_path: Path) -> None:
    """No folder or word tells anything: frame_001_a.jpg, _b.png ... are looked at."""
    for number in range(6):
        stem = tmp_path / f"walk{number // 2}_{number:03d}"
        image(stem.with_name(stem.name + ".jpg"))
        millimetres(stem.with_name(stem.name + ".png"))
    found = drafting.draft(tmp_path)
    assert [row["depth"] for row in found.rows] == [f"walk{n // 2}_{n:03d}.png" for n in range(6)]
    assert any("every place is a group" in guess for guess in found.guesses)  # three walks are too few groups


def test_names_with_a_prefix_make_groups(tmp_path: Path) -> None:
    for walk in "abcde":
        for number in range(2):
            image(tmp_path / f"{walk}_{number}_rgb.png")
            np.save(tmp_path / f"{walk}_{number}_depth.npy", np.full(SHAPE, 2.5, np.float32))
    found = drafting.draft(tmp_path)
    assert {row["group"] for row in found.rows} == set("abcde")
    assert all("depth_scale" not in row for row in found.rows)
    assert "metres" in found.guesses[0]


def check_groups(names: list[str], there: list[set[str]], folder: Path) -> None:
    """Each set of pictures is one group: together they show one scene."""
    for name in names:
        image(folder / "images" / name)
        classes(folder / "seg" / Path(name).with_suffix(".png").name)
    rows = {Path(row["image"]).name: row["group"] for row in drafting.draft(folder).rows}
    groups = [{rows[name] for name in scene} for scene in there]
    assert all(len(one) == 1 for one in groups) and len(set.union(*groups)) == len(there)


@pytest.mark.parametrize("pattern", ["scene{}_{:04d}.png", "seq_{:02d}_{:06d}.png", "{:02d}_{:06d}.png"])
def test_numbered_scenes_are_groups(pattern: str, tmp_path: Path) -> None:
    scenes = [{pattern.format(scene, frame) for frame in range(4)} for scene in range(1, 11)]
    check_groups(sorted(set.union(*scenes)), scenes, tmp_path)


def test_augmented_copies_of_roboflow_are_one_group(tmp_path: Path) -> None:
    """The broken variant keeps the hash: every copy would be a place of its own."""
    copies = [{f"IMG_{n:04d}_jpg.rf.{n:x}{c}ab{c}.jpg" for c in "abc"} for n in range(8)]
    check_groups(sorted(set.union(*copies)), copies, tmp_path / "rf")
    with pytest.raises(AssertionError):
        kept = [{name.replace(".rf.", ".fr.") for name in names_of} for names_of in copies]
        check_groups(sorted(set.union(*kept)), kept, tmp_path / "fr")


@pytest.mark.parametrize("above", ["disparity_net/mine", "inverse_rendering"])
def test_folders_above_the_data_say_nothing_of_depth(above: str, tmp_path: Path) -> None:
    for number in range(6):
        image(tmp_path / above / "rgb" / f"{number}.png")
        (tmp_path / above / "depth").mkdir(exist_ok=True)
        np.save(tmp_path / above / "depth" / f"{number}.npy", np.full(SHAPE, 2.5 + number, np.float32))
    assert drafting.draft(tmp_path / above).rows[0].get("depth_kind") in (None, "metric")


def test_official_splits_and_disparity(tmp_path: Path) -> None:
    for split, count in (("train", 8), ("val", 2)):
        for number in range(count):
            image(tmp_path / split / "image" / f"{number}.png")
            millimetres(tmp_path / split / "disparity" / f"{number}.png")
    found = drafting.draft(tmp_path)
    assert [row.get("split") for row in found.rows] == [None] * 8 + ["test"] * 2
    assert found.rows[0]["depth_kind"] == "disparity"
    assert found.rows[0]["depth_scale"] == "?"
    assert any(ask.startswith("0.00390625 (x 256, as KITTI and CityScapes): median ") for ask in found.asks)
    assert [row["image"] for row in found.rows[:2]] == ["train/image/0.png", "train/image/1.png"]


def test_a_user_with_three_splits(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        for number in range(5):
            image(tmp_path / split / f"{number}_img.png")
            classes(tmp_path / split / f"{number}_mask.png")
    rows = drafting.draft(tmp_path).rows
    told = {Path(row["image"]).parts[0]: row.get("split") for row in rows}
    assert told == {"train": None, "val": "select", "test": "test"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: None, "holds no images"),
        (lambda d: image(d / "a.png"), "holds 1 images, but no file that belongs to one of them"),
        (lambda d: (image(d / "rgb/a.png"), image(d / "color/a.jpg")), "both look like the image 'a'"),
        (
            lambda d: (image(d / "rgb/a.png"), classes(d / "seg/a.png"), classes(d / "masks/a.png")),
            "both look like the seg",
        ),
        (
            lambda d: (millimetres(d / "rgb/a.png"), classes(d / "seg/a.png")),
            r"holds no images .* can be used\nleft out: 1 files named as image, but of one value per pixel \(uint16\)",
        ),
        (
            lambda d: (image(d / "rgb/a.png"), constant(d / "seg/a.png", 0)),
            "left out: 1 files named as seg: all pixels that have a class hold 0, and a task needs two classes",
        ),
        (
            lambda d: (image(d / "rgb/a.png"), constant(d / "seg/a.png", 255)),
            "left out: 1 files named as seg: all pixels that have a class hold 255, and",
        ),
        (
            lambda d: (image(d / "rgb/a.png"), np.save(d / "a_seg.npy", np.full(SHAPE, -1))),
            "left out: 1 files named as seg: no pixel has a class, and",
        ),
        (
            lambda d: (image(d / "rgb/a.png"), np.save(d / "a_seg.npy", np.full(SHAPE, 0.5))),
            "looks like a class map by its name, but holds 0.5",
        ),
        (
            lambda d: (image(d / "rgb/a.png"), np.save(d / "a_seg.npy", RNG.permutation(512).reshape(SHAPE))),
            "more than 255 values",
        ),
    ],
)
def test_folders_that_cannot_be_drafted(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    make(tmp_path)
    with pytest.raises(DataError, match=message):
        drafting.draft(tmp_path)
    assert not (tmp_path / "manifest.csv").exists()


def test_what_was_written_is_not_replaced(tmp_path: Path) -> None:
    image(tmp_path / "rgb/a.png")
    classes(tmp_path / "seg/a.png")
    found = drafting.draft(tmp_path)
    drafting.write(found, tmp_path)
    with pytest.raises(DataError, match=r"manifest.csv: exists already"):
        drafting.write(found, tmp_path)
    drafting.write(found, tmp_path, force=True)


def test_a_drafted_manifest_is_the_written_one(rooms: Rooms, tmp_path: Path) -> None:
    """The writer's manifest taken away and drafted again matches every label; only the scale cannot be known."""
    folder = written(Manifest, rooms, tmp_path / "own")
    (folder / "manifest.csv").unlink()
    found = drafting.draft(folder)
    assert len(found.rows) == sum(rooms.info.counts.values())
    for row in found.rows:
        assert {Path(row[name]).name for name in ("image", "seg", "depth", "normals")} == {Path(row["image"]).name}
    assert {row["depth_scale"] for row in found.rows} == {"?"}


def test_known_layouts_are_recognised(rooms: Rooms, tmp_path: Path) -> None:
    assert drafting.recognise(tmp_path) is None
    for name in ("mtan", "adashare", "nyud_mt", "nyuv2", "manifest"):
        DATASETS.load(name).write(rooms, tmp_path / name)
        assert drafting.recognise(tmp_path / name) == {"name": name, "folder": str(tmp_path / name)}
    (tmp_path / "leftImg8bit").mkdir()
    assert drafting.recognise(tmp_path)["name"] == "cityscapes"
    (tmp_path / "manifest.csv").touch()
    assert drafting.recognise(tmp_path)["name"] == "cityscapes", "a manifest beside the files of a layout goes last"


@given(st.sampled_from(["seg", "depth", "normals"]), st.text("abcxyz0123456789_-. üЯ厨कि🍕", min_size=1, max_size=12))
def test_a_label_has_the_key_of_its_image(role: str, name: str) -> None:
    """Whatever the name, image and label match in folders by kind and as prefix or suffix."""
    for at in (f"{{}}/{name}.png", f"{{}}_{name}.png", f"{name}_{{}}.png"):
        picture, label = names.named(Path(at.format("rgb"))), names.named(Path(at.format(role)))
        assert (picture.roles[0], label.roles[0], picture.key) == ("image", role, label.key)
    one, other = (names.named(Path(f"{folder}/{name}{n}.png")).key for folder, n in (("rgb", 1), (role, 2)))
    assert one != other


def test_recognise_reads_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "train" / "image").mkdir(parents=True)
    np.save(tmp_path / "train/image/0.npy", np.zeros((4, 4, 3)))
    assert drafting.recognise(tmp_path)["name"] == "mtan"
    shutil.rmtree(tmp_path / "train")
    assert drafting.recognise(tmp_path) is None
