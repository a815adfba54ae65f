"""Writes a data set as raw CityScapes folders, which :class:`ednas_nni.data.layouts.cityscapes.CityScapes` reads."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

from ednas_nni.data.class_names import CITYSCAPES_TRAIN_IDS
from ednas_nni.data.info import DataInfo
from ednas_nni.data.layouts.cityscapes import CAMERA, DISPARITY, IMAGES, LABELS, TEST, TRAIN
from ednas_nni.data.split import DataSource
from ednas_nni.data.writing.depths import BASELINE_M, FOCAL_PX, WIDTH_PX, metres
from ednas_nni.data.writing.rows import empty_folder, need_targets, rows
from ednas_nni.errors import DataError, did_you_mean

_CITIES = {
    TRAIN: ("aachen", "bochum", "bremen", "cologne", "hamburg", "jena", "ulm", "zurich"),
    TEST: ("frankfurt", "lindau", "munster"),
}
_KINDS = {"labelIds": np.array(CITYSCAPES_TRAIN_IDS, np.uint8), "labelTrainIds": np.arange(19, dtype=np.uint8)}
_NONE = {"labelIds": 0, "labelTrainIds": 255}


def write(source: DataSource, folder: str | os.PathLike[str], labels: str = "labelIds") -> Path:
    """Write ``leftImg8bit``, ``gtFine``, ``disparity`` and ``camera`` at the source's size.

    Disparity is what the usual camera pair would see at the source's width; each image has a camera file that says so.
    Images are dealt out to cities in turn.

    Args:
        source: A data set with 19 classes and depth; its train, search and select splits become ``train``, its test
            split ``val``.
        folder: A new or empty folder.
        labels: ``labelIds`` or ``labelTrainIds``.

    Returns:
        The folder.

    Raises:
        DataError: The folder is not empty, or the data set lacks what the layout needs.
    """
    info = source.info
    if labels not in _KINDS:
        raise DataError(f"labels is {labels!r}.{did_you_mean(labels, _KINDS)}")
    need_targets(info, ("segmentation", "depth"), "cityscapes")
    if info.num_classes != 19:
        raise DataError(f"data set {info.name!r} has {info.num_classes} classes; the layout cityscapes holds 19")
    root = empty_folder(folder)
    to_stored = np.full(256, _NONE[labels], np.uint8)
    to_stored[:19] = _KINDS[labels]
    focal = FOCAL_PX * info.size[1] / WIDTH_PX
    camera, product = {"extrinsic": {"baseline": BASELINE_M}, "intrinsic": {"fx": focal}}, BASELINE_M * focal
    for part, cities in (("train", _CITIES[TRAIN]), ("test", _CITIES[TEST])):
        split = TRAIN if part == "train" else TEST
        for number, row in rows(source, part, "cityscapes"):
            city = cities[number % len(cities)]
            stem = f"{city}_{number // len(cities):06d}_000019"
            stored = np.where(row["segmentation"] == info.ignore_index, 255, row["segmentation"])
            pictures = {
                IMAGES: (f"{stem}_{IMAGES}.png", row["image"]),
                LABELS: (f"{stem}_{LABELS}_{labels}.png", to_stored[stored]),
                DISPARITY: (f"{stem}_{DISPARITY}.png", _disparity(row["depth"], info, product)),
            }
            for top, (name, values) in pictures.items():
                path = root / top / split / city / name
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(values).save(path)
            path = root / CAMERA / split / city / f"{stem}_{CAMERA}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(camera) + "\n", encoding="utf-8")
    return root


def _disparity(depth: np.ndarray, info: DataInfo, product: float) -> np.ndarray:
    """Depth as the codes of CityScapes: 256 d + 1 with d in pixels at the image's own width, 0 = invalid.

    A depth that the camera pair sees at less than half a code, or so near that its code does not fit 16 bits, is
    invalid.
    """
    if info.depth_kind == "disparity":
        pixels = depth.astype(np.float64)
    elif info.depth_kind == "inverse" and info.depth_unit == "1/m":
        pixels = depth.astype(np.float64) * product
    else:
        far = metres(depth, info).astype(np.float64)
        pixels = np.divide(product, far, out=np.zeros(far.shape), where=far > 0)
    code = np.rint(pixels * 256 + 1)
    return np.where((depth > 0) & (code > 1) & (code <= 65535), code, 0).astype(np.uint16)
