"""Writes a data set as the raw files of NYUv2, which :class:`ednas_nni.data.layouts.nyuv2.NYUv2` reads."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ednas_nni.data.class_names import NYU13, NYU_40_TO_13
from ednas_nni.data.layouts.nyuv2_files import LABELED, LABELS, MAPPING_13, MAPPING_40, SPLITS, needed
from ednas_nni.data.split import DataSource
from ednas_nni.data.writing.depths import metres
from ednas_nni.data.writing.rows import empty_folder, need_targets, rows
from ednas_nni.errors import DataError

_PER_SCENE = 4


def write(source: DataSource, folder: str | os.PathLike[str]) -> Path:
    """Write ``nyu_depth_v2_labeled.mat``, ``splits.mat``, ``classMapping40.mat`` and ``class13Mapping.mat``.

    Arrays have their axes reversed, image numbers count from 1, and the 894 raw labels are made up: label i belongs to
    class i modulo 40. Four images after each other are a scene. Normals are not part of the layout.

    Args:
        source: A data set with the 13 classes of NYUv2 or 40 classes, and depth that can be told in metres; its train,
            search and select splits become the training images, its test split the test images.
        folder: A new or empty folder.

    Returns:
        The folder.

    Raises:
        DataError: The folder is not empty, or the data set lacks what the layout needs.
    """
    h5py, savemat = needed("h5py"), needed("scipy.io").savemat
    info = source.info
    need_targets(info, ("segmentation", "depth"), "nyuv2")
    if info.num_classes not in (13, 40):
        raise DataError(
            f"data set {info.name!r} has {info.num_classes} classes; the layout nyuv2 holds 40, or 13 of them"
        )
    # Of each class the first of the 40 that belongs to it.
    fine = np.arange(40) if info.num_classes == 40 else np.array([int(np.argmax(c == NYU_40_TO_13)) for c in range(13)])
    to_raw = np.zeros(256, np.uint16)
    to_raw[: info.num_classes] = fine + 1
    counts = {"train": sum(info.counts[name] for name in ("train", "search", "select")), "test": info.counts["test"]}
    total, (height, width) = sum(counts.values()), info.size
    root = empty_folder(folder)
    with h5py.File(root / LABELED, "w") as file:
        images = file.create_dataset("images", (total, 3, width, height), np.uint8, chunks=(1, 3, width, height))
        labels = file.create_dataset("labels", (total, width, height), np.uint16, chunks=(1, width, height))
        depths = [
            file.create_dataset(name, (total, width, height), np.float32, chunks=(1, width, height))
            for name in ("depths", "rawDepths")
        ]
        place = 0
        for part in counts:
            for number, row in rows(source, part, "nyuv2"):
                stored = np.where(row["segmentation"] == info.ignore_index, 255, row["segmentation"])
                # A second raw label of the same class on every other image, as the real file has many.
                raw = to_raw[stored]
                labels[place] = np.where((raw > 0) & (number % 2 == 1), raw + 40, raw).T
                images[place] = row["image"].transpose(2, 1, 0)
                for dataset in depths:
                    dataset[place] = metres(row["depth"], info).T
                place += 1
        names = [f"scene_{index // _PER_SCENE:04d}" for index in range(total)]
        group = file.create_group("#refs#")
        scenes = file.create_dataset("scenes", (1, total), h5py.ref_dtype)
        for index, name in enumerate(names):
            codes = np.array([[ord(letter)] for letter in name], np.uint16)
            scenes[0, index] = group.create_dataset(f"s{index}", data=codes).ref
    train = np.arange(counts["train"])[:, None] + 1
    savemat(root / SPLITS, {"trainNdxs": train, "testNdxs": np.arange(counts["test"])[:, None] + counts["train"] + 1})
    savemat(root / MAPPING_40, {"mapClass": (np.arange(LABELS) % 40 + 1)[None].astype(np.uint8)})
    struct = {"labels": (NYU_40_TO_13 + 1)[None], "names": np.array([[name.capitalize() for name in NYU13]], object)}
    savemat(root / MAPPING_13, {"classMapping13": struct})
    return root
