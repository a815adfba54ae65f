"""`ednas data`: what a user sees of data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from ednas_nni.cli import main

SMALL = ["--set", "size=[32,64]", "--set", "train=12", "--set", "search=3", "--set", "select=3", "--set", "test=2"]


@pytest.fixture(autouse=True)
def here(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDNAS_CACHE", str(tmp_path_factory.getbasetemp() / "data_command"))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["data", *words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_preview_draws(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    code, out, _ = run(capsys, "preview", "rooms", "-n", "2", *SMALL)
    assert (code, out) == (0, "wrote rooms-train.png\n")
    assert Image.open(here / "rooms-train.png").width > 300
    assert run(capsys, "preview", "rooms", "--split", "test", "--out", "a/b.png", "-n", "1", *SMALL)[0] == 0
    assert (here / "a/b.png").exists()


def test_preview_of_test_is_journalled(capsys: pytest.CaptureFixture[str], here: Path, monkeypatch) -> None:
    monkeypatch.setenv("EDNAS_CACHE", str(here / "cache"))
    run(capsys, "preview", "rooms", "--split", "test", "-n", "1", *SMALL)
    (journal,) = (here / "cache/openings").glob("rooms-*.jsonl")
    assert json.loads(journal.read_text())["opened_by"] == "ednas data preview"


def test_write_init_check_and_the_study_line(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """The whole way of a user: files, a draft, the draft checked, and the line it prints opens the same data."""
    code, out, _ = run(capsys, "write", "rooms", "manifest", "mine", *SMALL)
    assert code == 0
    assert "wrote 20 images, 82 files" in out
    code, out, _ = run(capsys, "init", "mine")
    assert "has the layout 'manifest'" in out
    names = (here / "mine/classes.txt").read_text()
    scale = (here / "mine/manifest.csv").read_text().splitlines()[1].split(",")[4]
    code, out, err = run(capsys, "init", "mine", "--force")
    assert code == 0
    assert "open: 0.001 (millimetres, as NYUv2" in out
    assert "cells that are `?` must be filled" in err
    code, out, err = run(capsys, "check", "mine/manifest.csv", "--set", "size=[32,64]")
    assert (code, "Good to use" in out) == (1, False)
    assert "depth_scale is '?' in 20 lines" in err
    code, out, err = run(capsys, "init", "mine", "--force", "--fill", "depth_scale=1")
    assert "open:" not in out
    assert "20 images: 20 with seg, 20 with depth, 20 with normals" in out
    assert "guessed: names tell no scenes" in out
    (here / "mine/classes.txt").write_text(names)
    table = (here / "mine/manifest.csv").read_text()
    code, out, err = run(capsys, "check", "mine/manifest.csv", "--set", "size=[32,64]")
    assert code == 0
    assert "is it stored in millimetres" in err
    assert "look at the warnings first" in out
    (here / "mine/manifest.csv").write_text(table.replace("metric,1,", f"metric,{scale},"))
    code, out, err = run(capsys, "check", "mine/manifest.csv", "--set", "size=[32,64]")
    assert code == 0 and err.startswith("ednas: warning: few images are scored") and err.count("warning") == 1
    line = next(line for line in out.splitlines() if line.startswith("  data: "))
    tasks = next(line for line in out.splitlines() if line.startswith("  tasks: "))
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    source = Assembled(parse({**yaml.safe_load(line), **yaml.safe_load(tasks), "train_size": [32, 64]})).source
    assert source.info.counts["test"] == 2
    assert (here / "manifest-check.png").exists()


@pytest.mark.parametrize("layout", ["mtan", "adashare", "nyud_mt", "nyuv2"])
def test_the_line_that_write_prints_reads_what_it_wrote(capsys, here: Path, layout: str) -> None:
    code, out, _ = run(capsys, "write", "rooms", layout, "copy", *SMALL)
    assert code == 0
    study = yaml.safe_load("\n".join(line.strip() for line in out.splitlines()[2:]))
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    source = Assembled(parse(study)).source
    assert sum(source.info.counts.values()) == 20
    assert source.split("search").image.shape[1:] == (32, 64, 3)
    _, out, _ = run(capsys, "init", "copy")
    assert f"has the layout '{layout}'" in out


def test_the_line_of_cityscapes(capsys, here: Path) -> None:
    _, out, _ = run(capsys, "write", "streets", "cityscapes", "copy", *SMALL)
    study = yaml.safe_load("\n".join(line.strip() for line in out.splitlines()[2:]))
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    assert Assembled(parse(study)).source.split("train").depth.max() > 0


@pytest.mark.parametrize(
    ("size", "train_size", "fit"), [("[48,64]", [96, 128], None), ("[45,80]", [96, 160], "letterbox")]
)
def test_a_manifest_alone_is_read_in_the_shape_of_its_images(capsys, here: Path, size, train_size, fit) -> None:
    run(capsys, "write", "rooms", "manifest", "mine", *SMALL, "--set", f"size={size}")
    code, out, _ = run(capsys, "check", "mine/manifest.csv")
    study = yaml.safe_load(out[out.index("  data: ") :])
    assert (code, study["train_size"], study["data"].get("fit")) == (0, train_size, fit)
    assert run(capsys, "preview", "mine/manifest.csv")[0] == 0
    code, _, err = run(capsys, "check", "mine/manifest.csv", "--set", "size=[64,128]")
    assert code == 1 and "aspect ratio differs" in err


def test_check_finds_what_is_wrong(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """The same picture in two splits is an error; sky-high depth and classes that never occur are warnings."""
    run(capsys, "write", "rooms", "manifest", "mine", *SMALL)
    (here / "mine/image/test_00000.png").write_bytes((here / "mine/image/train_00000.png").read_bytes())
    code, out, err = run(capsys, "check", "mine/manifest.csv", "--set", "size=[32,64]")
    assert code == 1
    assert "error: 1 images are in split 'train' and in 'test', pixel by pixel" in err
    assert "In a study" not in out


def test_labels_are_needed_where_they_are_scored(capsys: pytest.CaptureFixture[str], here: Path, experiment) -> None:
    """An error of both checks, unless no task needs the label."""
    run(capsys, "write", "rooms", "manifest", "mine", *SMALL)
    lines = (here / "mine/manifest.csv").read_text().splitlines()
    depth = lines[0].split(",").index("depth")
    without = [line.split(",") for line in lines]
    for cells in without:
        cells[depth] = "" if cells[-1] in ("search", "test") else cells[depth]
    (here / "mine/manifest.csv").write_text("\n".join(",".join(cells) for cells in without))
    code, out, err = run(capsys, "check", "mine/manifest.csv", "--set", "size=[32,64]")
    assert (code, "Good to use" in out) == (1, False)
    assert "error: no image of split 'search' has depth, where candidates are scored." in err
    assert "error: no image of split 'test' has depth, where final numbers are taken." in err
    data = {"name": "manifest", "folder": str(here / "mine")}
    for tasks, wanted in ((["segmentation", "depth"], 1), (["segmentation"], 0)):
        path = str(experiment({"train_size": [32, 64], "data": data, "tasks": tasks}))
        assert run(capsys, "check", path)[0] == wanted
        assert main(["check", path]) == wanted
        assert ("data: no image of split 'search' has depth" in capsys.readouterr().err) == bool(wanted)


def test_check_of_a_study(capsys: pytest.CaptureFixture[str], here: Path, experiment) -> None:
    counts = {"train": 12, "search": 3, "select": 3, "test": 2}
    path = experiment({"train_size": [32, 64], "data": {"name": "rooms", **counts}})
    code, out, err = run(capsys, "check", str(path))
    assert code == 0 and err.startswith("ednas: warning: few images are scored: 3 in 'search'")
    assert err.count("warning") == 1
    assert "rooms: images of 32 x 64 px" in out
    assert "tasks: [segmentation, depth, normals]" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check", "romms"], "Did you mean 'rooms'"),
        (["check", "rooms", "--set", "trian=3"], "unknown option 'trian'. Did you mean 'train'"),
        (["check", "rooms", "--set", "train"], "--set 'train': write KEY=VALUE"),
        (["check", "cityscapes"], "data set cityscapes (--set OPTION=VALUE): 'folder' must be given as well."),
        (["check", "cityscapes", "--set", "folder=nowhere"], "there is no folder"),
        (["check", "nowhere.csv"], "there is no such manifest"),
        (["check", "."], "is a folder. `ednas data init .` says which data set it is"),
        (["init", "nowhere"], "nowhere: there is no such folder"),
        (["init", "."], "holds no images"),
        (["write", "rooms", "mtam", "x"], "layout 'mtam' is unknown. Did you mean 'mtan'"),
        (["write", "rooms", "mtan", "x", "--with", "colour=1"], "unknown option 'colour'"),
        (["write", "rooms", "cityscapes", "x", *SMALL], "has 13 classes; the layout cityscapes holds 19"),
        (["preview", "rooms", "--split", "testing", *SMALL], "Did you mean 'test'"),
        (["preview", "rooms", "--out", "x.nothing", *SMALL], "Name a picture ending in .png with --out"),
    ],
)
def test_mistakes(capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    code, _, err = run(capsys, *words)
    assert code != 0
    assert message in err
    assert "Traceback" not in err


def test_a_study_needs_an_absolute_folder(capsys: pytest.CaptureFixture[str], here: Path, experiment) -> None:
    (here / "mine").mkdir()
    path = experiment({"train_size": [32, 64], "data": {"name": "mtan", "folder": "mine"}})
    assert main(["check", str(path)]) != 0
    printed = capsys.readouterr()
    assert "data.folder = 'mine': write an absolute path" in printed.out + printed.err
    assert str(here / "mine") in printed.out + printed.err
    assert "Traceback" not in printed.err


def test_missing_labels_are_counted(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    _, out, _ = run(capsys, "check", "rooms", *SMALL, "--set", "missing=0.5")
    row = next(line for line in out.splitlines() if line.split()[:1] == ["train"])
    assert any(int(word) > 0 for word in row.split()[-3:])
    assert np.asarray(Image.open(here / "rooms-check.png")).std() > 10
