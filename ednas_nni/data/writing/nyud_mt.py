"""Writes a data set in the layout that :class:`ednas_nni.data.layouts.nyud_mt.NYUDMT` reads."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

from ednas_nni.data.layouts.nyud_mt import NYUDMT
from ednas_nni.data.split import DataSource
from ednas_nni.data.writing.depths import metres
from ednas_nni.data.writing.rows import empty_folder, need_targets, rows


def write(source: DataSource, folder: str | os.PathLike[str], quality: int = 95) -> Path:
    """Write ``images/*.jpg, segmentation/*.png, depth/*.npy, normals/*.npy`` and ``gt_sets/{train,val}.txt``.

    Args:
        source: Any data set with classes; train, search and select become ``train.txt``, test becomes ``val.txt``.
        folder: A new or empty folder.
        quality: JPEG quality of the images, 1..95; they lose a little.

    Returns:
        The folder.

    Raises:
        DataError: The folder is not empty, or the data set lacks what the layout needs.
    """
    info = source.info
    need_targets(info, ("segmentation",), NYUDMT.name)
    root = empty_folder(folder)
    for sub in ("images", "segmentation", "gt_sets", *(name for name in ("depth", "normals") if name in info.targets)):
        (root / sub).mkdir()
    before = 0
    for part, listed in (("train", "train.txt"), ("test", "val.txt")):
        names = []
        for number, row in rows(source, part, NYUDMT.name):
            name = f"{before + number:04d}"
            names.append(name)
            Image.fromarray(row["image"]).save(root / "images" / f"{name}.jpg", quality=quality, subsampling=0)
            labels = row["segmentation"].astype(np.int16)
            coded = np.where(labels == info.ignore_index, 0, labels + 1).astype(np.uint8)
            Image.fromarray(coded).save(root / "segmentation" / f"{name}.png")
            if "depth" in row:
                np.save(root / "depth" / f"{name}.npy", metres(row["depth"], info), allow_pickle=False)
            if "normals" in row:
                np.save(root / "normals" / f"{name}.npy", row["normals"].astype(np.float32), allow_pickle=False)
        (root / "gt_sets" / listed).write_text("\n".join(names) + "\n", encoding="utf-8")
        before += len(names)
    return root
