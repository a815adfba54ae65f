"""What is measured on files belongs to what they hold, not to their names, sizes and times."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_sets.manifest import Manifest
from ednas_nni.baselines import lambdas
from ednas_nni.bridge.trial.run import TrialRun
from ednas_nni.data import contents
from ednas_nni.data.layouts import base
from ednas_nni.data.layouts.base import changed_data
from ednas_nni.errors import DataError, TrialError
from ednas_nni.record.head import JournalHead
from ednas_nni.search.assembled import Assembled
from ednas_nni.study import parse
from ednas_nni.tasks.binding import bind_task
from ednas_nni.tasks.quality import prior_for
from tests.data_sets.written import written

SIZE = (32, 64)


@pytest.fixture
def folder(rooms, tmp_path: Path) -> Path:
    return written(Manifest, rooms, tmp_path / "d", depth="npy")


def opened(folder: Path) -> Manifest:
    return Manifest(folder, SIZE, cache=folder.parent / "cache")


def in_place(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Change values, and neither name nor size nor time of change."""
    before = path.stat()
    np.save(path, change(np.load(path)))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def measured(source: Manifest) -> tuple[float, ...]:
    """Two constants that a trial takes from the prior of depth: its error, and the scale."""
    task = bind_task("depth", source, "standard", {})
    prior = prior_for(source, [task], source.root.parent / "priors").tasks["depth"]
    return prior.metrics["abs_error_m"], prior.head_bias[0]


def check_repair(folder: Path) -> None:
    """Labels in millimetres are measured, then repaired in place."""
    labels = sorted((folder / "depth").iterdir())
    for path in labels:
        in_place(path, lambda depth: depth * 1000)
    wrong = opened(folder)
    error, _ = measured(wrong)
    lambdas.write(
        lambdas.path_for(wrong.info, folder.parent / "cache"),
        lambdas.Measurement("manifest", wrong.info.identity, "metric", "m", (3350.0,), (0,)),
    )
    assert lambdas.recorded(wrong.info, folder.parent / "cache") == 3400
    head = JournalHead(data=wrong.info.identity)
    assert changed_data(head.data, opened(folder)) == ""
    for path in labels[:5]:
        in_place(path, lambda depth: depth / 1000)
    told = changed_data(head.data, opened(folder))
    assert all(f"depth/{path.name}" in told for path in labels[:3]) and "and 2 more files" in told, told
    for path in labels[5:]:
        in_place(path, lambda depth: depth / 1000)
    right = opened(folder)
    assert right.info.fingerprint == wrong.info.fingerprint
    assert measured(right)[0] == pytest.approx(error / 1000, rel=1e-3)
    assert lambdas.recorded(right.info, folder.parent / "cache") is None
    assert float(right.split("train").depth.max()) < 20


def test_labels_repaired_in_place_are_measured_anew(folder: Path) -> None:
    check_repair(folder)


def sizes_alone(root: Path, files: list[Path], cache: Path) -> dict[str, str]:
    return {os.path.relpath(path, root): str(path.stat().st_size) for path in files}


def mtimes(path: Path) -> list[int]:
    return [path.stat().st_size, path.stat().st_mtime_ns, 0, 0]


@pytest.mark.parametrize(
    "broken",
    [(base, "contents", sizes_alone), (contents, "_state", mtimes)],
    ids=["sizes", "mtimes"],
)
def test_weaker_rules_keep_what_was_measured_on_other_labels(broken, folder: Path, monkeypatch) -> None:
    """Broken variants: by names and sizes; by the time of change, which a copying program may put back."""
    monkeypatch.setattr(*broken)
    with pytest.raises((AssertionError, DataError)):
        check_repair(folder)


def test_equal_arrays_are_the_same_data_in_whatever_files(folder: Path) -> None:
    """Touched, copied, moved, and written in another format: nothing is measured again."""
    first = opened(folder)
    identity, place = first.info.identity, first.cache_folder
    made = (place / "manifest.json").stat().st_mtime_ns
    os.utime(next((folder / "depth").iterdir()))
    again = opened(folder)
    assert (again.info.identity, again.cache_folder) == (identity, place)
    assert (place / "manifest.json").stat().st_mtime_ns == made
    moved = Manifest(shutil.copytree(folder, folder.parent / "moved"), SIZE, cache=folder.parent / "cache")
    assert (moved.info.identity, moved.cache_folder) == (identity, place)
    for path in (folder / "seg").iterdir():
        np.save(path.with_suffix(".npy"), np.asarray(Image.open(path)))
    table = folder / "manifest.csv"
    table.write_text(re.sub(r"(seg/\w+)\.png", r"\1.npy", table.read_text()))
    other = opened(folder)
    assert other.info.fingerprint != first.info.fingerprint and other.info.identity == identity
    (folder / "classes.txt").write_text("\n".join(f"c{n}" for n in range(13)))
    assert opened(folder).info.identity != identity, "what the labels mean belongs to it"


def test_files_are_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, files = folder.parent / "cache", sorted((folder / "depth").iterdir())
    monkeypatch.setattr(contents, "_SETTLED_NS", 0)
    time.sleep(0.02)
    before = contents.contents(folder, files, cache)
    read = []
    monkeypatch.setattr(contents, "file_digest", lambda path: read.append(path.name) or "new")
    assert contents.contents(folder, files, cache) == before and not read
    in_place(files[0], lambda depth: depth + 1)
    assert contents.contents(folder, files, cache) == {**before, f"depth/{files[0].name}": "new"}
    assert read == [files[0].name]


def test_a_second_change_within_a_tick_is_seen(folder: Path) -> None:
    """Files that have just changed are read again the next time, whatever their times say."""
    path = next((folder / "depth").iterdir())
    contents.contents(folder, [path], folder.parent / "cache")
    (listed,) = (folder.parent / "cache" / "files").iterdir()
    assert listed.read_text() == "{}"


def test_a_file_that_changes_while_it_is_read_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = opened(folder)
    _ = source.cache_folder
    in_place(folder / "depth" / "train_00000.npy", lambda depth: depth + 1)
    with pytest.raises(DataError, match=r"depth/train_00000\.npy changed while the data set was read; run again"):
        source.prepare(progress=False)
    opened(folder).prepare(progress=False)


def test_journals_of_earlier_versions_go_on(folder: Path) -> None:
    source = opened(folder)
    assert changed_data(source.info.fingerprint, source) == ""
    assert "another content" in changed_data("0123456789abcdef", source)


def test_a_trial_rejects_labels_that_changed_since_the_start(folder: Path) -> None:
    data = {"name": "manifest", "folder": str(folder), "cache": str(folder.parent / "cache")}
    study = parse({"data": data, "train_size": list(SIZE), "tasks": ["depth"]})
    head = JournalHead(data=Assembled(study).source.info.identity)
    running = TrialRun(Assembled(study), None, head)
    running.check_data()
    in_place(folder / "depth" / "train_00000.npy", lambda depth: depth + 1)
    running.check_data()  # one process sees one state of the files, as a trial server's children do
    with pytest.raises(TrialError, match=r"another content than when the search began \(depth/train_00000\.npy\)"):
        TrialRun(Assembled(study), None, head).check_data()
