"""`ednas predict`: a picture for each picture, from files and folders, and words for what cannot be read."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ednas_nni.cli import main, predict_command
from tests.small_networks import small_network


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    return str(small_network(["depth"]).save(tmp_path_factory.mktemp("n") / "small"))


def test_files_and_folders(folder, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("photos/a.jpg", "photos/a.png", "photos/day/b.PNG", "c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((30, 50), 99, np.uint8)).save(name, "PNG")
    (tmp_path / "photos" / "broken.jpg").write_text("no picture")
    assert main(["predict", folder, "photos", "c.png", "--arrays", "--out", "out"]) == 1
    said = capsys.readouterr()
    assert "broken.jpg: cannot be read" in said.err
    written = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")}
    assert written == {"a.png", "a.png.png", "day/b.png", "c.png"}
    with np.load(tmp_path / "out" / "c.npz") as arrays:
        assert arrays["depth"].shape == (30, 50)


def test_predictions_of_before_are_no_pictures(folder, tmp_path, monkeypatch, capsys) -> None:
    """The same command gives the same files again, where it writes below the folder that it reads."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "day").mkdir()
    for name in ("a.jpg", "day/b.png"):
        Image.fromarray(np.full((30, 50), 99, np.uint8)).save(name)
    for given in (".", str(tmp_path), "."):
        assert main(["predict", folder, given]) == 0
        written = [Path(line) for line in capsys.readouterr().out.splitlines()]
        (out,) = Path("predictions").iterdir()
        assert written == [out / "a.png", out / "day" / "b.png"]
    pairs = predict_command.targets([written[1].parent], Path("predictions"))  # named as pictures, they are some
    assert [picture for picture, _ in pairs] == written[1:]


def check_targets(pairs) -> None:
    """Every picture has a file of its own, and stays as it is."""
    pictures, files = [p.resolve() for p, _ in pairs], [t.resolve() for _, t in pairs]
    assert len(set(files)) == len(pictures) == 9
    assert not set(pictures) & set(files)


def test_no_picture_is_overwritten_and_none_shares_a_file(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = [f"cam{c}/000{n}.jpg" for c in range(1, 5) for n in (1, 2)] + ["frame.png"]
    for path in map(Path, names):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    given = [Path("cam1"), Path("cam2"), Path("cam3"), Path("cam4"), Path("frame.png")]
    check_targets(predict_command.targets(given, Path()))
    assert dict(predict_command.targets(given, Path("out")))[Path("frame.png")] == Path("out/frame.png")
    with pytest.raises(AssertionError):
        check_targets([(p, Path(p.name).with_suffix(".png")) for p, _ in predict_command.targets(given, Path())])


def test_the_way_out_can_be_typed(folder, tmp_path, capsys) -> None:
    with_a_blank = shutil.copytree(folder, tmp_path / "my network")
    assert main(["predict", str(with_a_blank), "photo.jpg", "--format", "onnx"]) == 1
    assert f"`ednas export '{with_a_blank}' --to onnx`" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gone.png"], "gone.png: does not exist"),
        ([".", "--format", "onnx"], "no file of the format 'onnx'"),
        (["."], "holds no picture"),
    ],
)
def test_faults(folder, tmp_path, monkeypatch, capsys, words, message) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["predict", folder, *words]) == 1
    assert message in capsys.readouterr().err
