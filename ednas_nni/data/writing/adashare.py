"""Writes a data set in the layout that :class:`ednas_nni.data.layouts.adashare.AdaShare` reads."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

from ednas_nni.data.class_names import CITYSCAPES_19_TO_2, CITYSCAPES_19_TO_7
from ednas_nni.data.layouts.adashare import LISTS, AdaShare
from ednas_nni.data.split import DataSource
from ednas_nni.data.writing.depths import disparity_png, metres
from ednas_nni.data.writing.rows import empty_folder, need_targets, rows, signed_labels
from ednas_nni.errors import DataError, did_you_mean


def write(source: DataSource, folder: str | os.PathLike[str], dataset: str | None = None) -> Path:
    """Write AdaShare's NYUv2 files (PNG, npy and ``nyu_v2_3task.json``) or CityScapes files (``cityscape.json``).

    Args:
        source: Any data set; its train, search and select splits become ``train``, its test split ``test``.
        folder: A new or empty folder.
        dataset: ``nyuv2`` (needs classes, depth and normals) or ``cityscapes`` (needs 19 classes and depth); ``None`` =
            cityscapes for data without metric depth, else nyuv2.

    Returns:
        The folder.

    Raises:
        DataError: The folder is not empty, or the data set lacks what the layout needs.
    """
    info = source.info
    dataset = dataset or ("nyuv2" if info.depth_kind == "metric" else "cityscapes")
    if dataset not in LISTS:
        raise DataError(f"dataset is {dataset!r}.{did_you_mean(dataset, LISTS)}")
    needed = ("segmentation", "depth", "normals")
    need_targets(info, needed if dataset == "nyuv2" else needed[:2], f"{AdaShare.name} ({dataset})")
    if dataset == "cityscapes" and info.num_classes != 19:
        raise DataError(
            f"data set {info.name!r} has {info.num_classes} classes; the layout {AdaShare.name} (cityscapes) holds "
            "labels with 19, 7 and 2 classes, which are made from 19"
        )
    root = empty_folder(folder)
    lists: dict[str, list[list[str]]] = {"train": [], "test": []}
    before = 0
    for part, entries in lists.items():
        for number, row in rows(source, part, AdaShare.name):
            if dataset == "nyuv2":
                row["depth"] = metres(row["depth"], info)
                row["segmentation"] = np.where(row["segmentation"] == info.ignore_index, 255, row["segmentation"])
                entries.append(_nyuv2(root, f"{before + number:04d}", row))
            else:
                row["depth"] = disparity_png(row["depth"], info).astype(np.float32) / 65535
                row["segmentation"] = signed_labels(row["segmentation"], info.ignore_index)
                entries.append(_cityscapes(root, part, number, row))
        if dataset == "nyuv2":  # its files lie in common folders
            before += len(entries)
    (root / LISTS[dataset]).write_text(json.dumps(lists, indent=1) + "\n", encoding="utf-8")
    return root


def _nyuv2(root: Path, name: str, row: dict[str, np.ndarray]) -> list[str]:
    """Write one image and return its entry of the list."""
    normals = row["normals"].astype(np.float32)
    # Red, green and blue hold x (right), the direction into the scene (-z) and y (up).
    coded = np.rint((np.stack([normals[..., 0], -normals[..., 2], normals[..., 1]], -1) + 1) * 127.5)
    coded = np.where(normals.any(-1, keepdims=True), coded, 255).clip(0, 255).astype(np.uint8)
    entry = [f"img/{name}.png", f"seg/{name}.png", f"normal_mask/{name}.png", f"depth/{name}.npy"]
    for relative in entry:
        (root / relative).parent.mkdir(exist_ok=True)
    pictures = (row["image"], row["segmentation"].astype(np.uint8), coded)
    for relative, values in zip(entry[:3], pictures, strict=True):
        Image.fromarray(values).save(root / relative)
    np.save(root / entry[3], row["depth"], allow_pickle=False)
    return entry


def _cityscapes(root: Path, part: str, number: int, row: dict[str, np.ndarray]) -> list[str]:
    """Write one image and return its entry of the list."""
    fine = row["segmentation"]
    middle = np.where(fine < 0, np.int16(-1), CITYSCAPES_19_TO_7[fine.clip(0)].astype(np.int16))
    coarse = np.where(fine < 0, np.int16(-1), CITYSCAPES_19_TO_2[fine.clip(0)].astype(np.int16))
    arrays = {
        "image": row["image"].astype(np.float32) / 255,
        "depth": row["depth"][..., None],
        "label_2": coarse,
        "label_7": middle,
        "label_19": fine,
    }
    entry = []
    for name, values in arrays.items():
        relative = f"{part}/{name}/{number}.npy"
        (root / relative).parent.mkdir(parents=True, exist_ok=True)
        np.save(root / relative, values, allow_pickle=False)
        entry.append(relative)
    return entry
