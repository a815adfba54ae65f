"""A label kind and its task: both contracts, and a manifest that names saliency pictures in a column."""

from __future__ import annotations

import csv

import numpy as np
from PIL import Image
from saliency import Saliency, SaliencyTask

from ednas_nni.data import DATASETS, SPLITS, DataInfo
from ednas_nni.testing.data_sets import check_data_set
from ednas_nni.testing.label_kinds import check_label_kind
from ednas_nni.testing.tasks import Labels, check_task

SIZE = (16, 32)


def maps(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 255, (count, *SIZE)).astype(np.uint8)
    values[rng.random(values.shape) < 0.2] = 255
    return values


def test_the_label_kind():
    check_label_kind(Saliency, maps(3))


def test_the_task():
    values = maps(5)
    values[0] = 255
    info = DataInfo(name="x", size=SIZE, counts=dict.fromkeys(SPLITS, 5), fingerprint="x", targets=("saliency",))
    check_task(SaliencyTask, Labels(info, {"saliency": values}))


def test_a_manifest_with_a_column_of_its_own(tmp_path):
    rng = np.random.default_rng(1)
    rows = []
    for number, values in enumerate(maps(12)):
        Image.fromarray(rng.integers(0, 255, (*SIZE, 3), np.uint8)).save(tmp_path / f"{number}.png")
        Image.fromarray(values).save(tmp_path / f"{number}_saliency.png")
        rows.append({"image": f"{number}.png", "saliency": f"{number}_saliency.png" if number % 4 else ""})
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["image", "saliency"])
        writer.writeheader()
        writer.writerows(rows)
    options = {"folder": str(tmp_path), "search": 2, "select": 2, "test": 2, "cache": str(tmp_path / "cache")}
    check_data_set(DATASETS.load("manifest"), options, SIZE)
    assert DATASETS.load("manifest")(size=SIZE, **options).info.targets == ("saliency",)
