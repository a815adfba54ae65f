"""Writes a data set in the layout that :class:`ednas_nni.data.layouts.mtan.Mtan` reads."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ednas_nni.data.layouts.mtan import Mtan
from ednas_nni.data.split import DataSource
from ednas_nni.data.writing.depths import disparity_png, metres
from ednas_nni.data.writing.rows import empty_folder, need_targets, rows, signed_labels
from ednas_nni.errors import DataError, did_you_mean


def write(source: DataSource, folder: str | os.PathLike[str], dataset: str | None = None) -> Path:
    """Write ``{train,val}/{image,label,depth[,normal]}/{0,1...}.npy``.

    Args:
        source: Any data set; its train, search and select splits become ``train``, its test split ``val``.
        folder: A new or empty folder.
        dataset: ``nyuv2`` (metres, normals) or ``cityscapes`` (disparity / 65535, no normals); ``None`` = cityscapes
            for data without metric depth, else nyuv2.

    Returns:
        The folder.

    Raises:
        DataError: The folder is not empty, or the data set lacks what the layout needs.
    """
    info = source.info
    dataset = dataset or ("nyuv2" if info.depth_kind == "metric" else "cityscapes")
    if dataset not in ("nyuv2", "cityscapes"):
        raise DataError(f"dataset is {dataset!r}.{did_you_mean(dataset, ('nyuv2', 'cityscapes'))}")
    need_targets(info, ("segmentation",), Mtan.name)
    root = empty_folder(folder)
    for part, place in (("train", root / "train"), ("test", root / "val")):
        for number, row in rows(source, part, Mtan.name):
            arrays = {
                "image": row["image"].astype(np.float32) / 255,
                "label": signed_labels(row["segmentation"], info.ignore_index),
            }
            if "depth" in row:
                if dataset == "nyuv2":
                    depth = metres(row["depth"], info)
                else:
                    depth = disparity_png(row["depth"], info).astype(np.float32) / 65535
                arrays["depth"] = depth[..., None]
            if "normals" in row and dataset == "nyuv2":
                arrays["normal"] = row["normals"].astype(np.float32)
            for name, values in arrays.items():
                (place / name).mkdir(parents=True, exist_ok=True)
                np.save(place / name / f"{number}.npy", values, allow_pickle=False)
    return root
