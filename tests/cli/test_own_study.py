"""`ednas init DIR --data FOLDER`: a study for a folder of photos that checks without a change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ednas_nni.cli import main
from ednas_nni.data import DATASETS, drafting
from ednas_nni.data.shapes import shapes
from ednas_nni.study import read_experiment
from scenes.rooms import Rooms


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Names as cameras give them; some are taller than wide by their EXIF orientation alone."""
    rng = np.random.default_rng(0)
    for folder in ("images", "masks", "depth"):
        (tmp_path / "photos" / folder).mkdir(parents=True)
    for number in range(12):
        name = f"IMG_{1000 + number}"
        Image.fromarray(rng.integers(0, 255, (96, 128, 3), np.uint8)).save(tmp_path / "photos/images" / f"{name}.jpg")
        Image.fromarray(rng.integers(0, 4, (96, 128), np.uint8)).save(tmp_path / "photos/masks" / f"{name}.png")
        depth = rng.integers(900, 4000, (96, 128)).astype(np.uint16)
        Image.fromarray(depth).save(tmp_path / "photos/depth" / f"{name}.png")
    return tmp_path / "photos"


def test_a_study_of_photos_checks(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], quick_tables: None
) -> None:
    monkeypatch.chdir(photos.parent)
    assert main(["init", "mine", "--data", "photos", "--fill", "depth_scale=0.001"]) == 0
    assert not list(photos.glob("*.csv")), "the photos' folder stays as it is"
    _, study = read_experiment("mine/experiments/ednas.yml")
    assert study.tasks == ("segmentation", "depth") and study.train_size == (96, 128) == study.deploy_size
    assert study.data.name == "manifest" and "crop" not in study.data.options
    assert study.space.options == {"resolution": [1, 0.5]}, "three quarters of 96 are no multiple of 16"
    capsys.readouterr()
    assert main(["check", "mine/experiments/ednas.yml"]) == 0
    assert "Ready." in capsys.readouterr().out
    assert main(["init", "mine", "--data", "photos"]) == 1
    assert "is not overwritten" in capsys.readouterr().err


def test_what_is_open_is_said(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(photos.parent)
    assert main(["init", "mine", "--data", "photos"]) == 0
    shown = capsys.readouterr()
    assert "open: " in shown.out and "must be filled" in shown.err
    text = Path("mine/experiments/ednas.yml").read_text()
    assert f"for the photos in {photos}" in text and "rendered" not in text and "separate.yml" not in text
    fill = f"data init {photos.parent / 'mine/data'} --fill"
    assert fill in shown.err and main([*fill.split(), "depth_scale=0.001"]) == 0
    line = capsys.readouterr().out.splitlines()[-1].partition("then: ednas ")[2]
    assert line.endswith("mine/data/manifest.csv --set allow_outside=true")
    assert main([*line.split(), "--set", "size=[96,128]"]) == 0
    assert main(["init", "other", "--data", "mine/data", "--fill", "depth_scale=1"]) == 1
    assert "fills it), so nothing is drafted" in capsys.readouterr().err


def test_a_manifest_whose_files_lie_elsewhere(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `init` drafted into a study's folder serves a second study, and the printed line reads it."""
    monkeypatch.chdir(photos.parent)
    assert main(["init", "mine", "--data", "photos", "--fill", "depth_scale=0.001"]) == 0
    assert main(["init", "other", "--data", "mine/data"]) == 0
    assert "names files outside of it" in capsys.readouterr().out
    studies = [read_experiment(f"{folder}/experiments/ednas.yml")[1] for folder in ("mine", "other")]
    assert studies[0] == studies[1]
    assert main(["data", "init", "mine/data"]) == 0
    assert f"{{name: manifest, folder: {photos.parent / 'mine/data'}, allow_outside: true}}" in capsys.readouterr().out
    manifest = photos / "manifest.csv"
    for cell, needed in (("images/IMG_1000.jpg", {}), ("..\\photos/../away.jpg", {"allow_outside": True}), ("a,b", {})):
        manifest.write_text(f"image,group\n{cell},../a\n")
        entry = drafting.recognise(photos)
        assert entry == {"name": "manifest", "folder": str(photos), **needed}, cell


def test_orientation_and_strangers(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((96, 128, 3), np.uint8)).save(tmp_path / "turned.jpg", exif=exif)
    (tmp_path / "array.npy").write_bytes(b"no picture")
    np.save(tmp_path / "picture.npy", np.zeros((96, 160, 3), np.uint8))
    names = ("turned.jpg", "array.npy", "gone.png", "picture.npy")
    assert shapes([tmp_path / name for name in names]) == [(128, 96), (96, 160)]


@pytest.mark.parametrize("layout", ["mtan", "nyud_mt", "adashare"])
def test_a_study_of_a_known_layout(layout: str, tmp_path: Path) -> None:
    rooms = Rooms(size=(32, 64), train=8, search=2, select=2, test=2, cache=tmp_path / "cache")
    DATASETS.load(layout).write(rooms, tmp_path / "there")
    assert main(["init", str(tmp_path / "mine"), "--data", str(tmp_path / "there")]) == 0
    _, study = read_experiment(tmp_path / "mine/experiments/ednas.yml")
    assert study.data.name == layout and "depth" in study.tasks


def test_a_study_of_depth_beside_colours(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Masks in colours, which are classes and say nothing of where depth is valid."""
    for path in (photos / "masks").iterdir():
        numbers = np.array(Image.open(path))
        Image.fromarray(np.stack([numbers * 60, 255 - numbers * 60, numbers], -1)).save(path)
    monkeypatch.chdir(photos.parent)
    assert main(["init", "mine", "--data", "photos", "--fill", "depth_scale=0.001"]) == 0
    _, study = read_experiment("mine/experiments/ednas.yml")
    assert study.tasks == ("segmentation", "depth")


@pytest.mark.parametrize(("folder", "words"), [("gone", "there is no such folder"), (".", "holds no images")])
def test_messages(
    folder: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "mine", "--data", folder]) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()
