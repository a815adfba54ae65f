"""Writes a data set as pictures with a manifest, which :class:`ednas_nni.data.layouts.manifest.Manifest` reads."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
from PIL import Image

from ednas_nni.data.info import SPLITS
from ednas_nni.data.layouts.manifest import CLASSES_FILE, FILES
from ednas_nni.data.split import DataSource
from ednas_nni.data.writing.rows import empty_folder

_CODES = 65535


def write(source: DataSource, folder: str | os.PathLike[str], depth: str = "png") -> Path:
    """Write ``manifest.csv``, ``classes.txt`` and folders of pictures.

    Depth becomes 16-bit PNG with a ``depth_scale`` that lets the largest depth fit, or float32 ``.npy``. A label that
    an image lacks entirely is an empty cell. Splits stay as they are.

    Args:
        source: Any data set.
        folder: A new or empty folder.
        depth: ``png`` or ``npy``.

    Returns:
        The folder.

    Raises:
        DataError: The folder is not empty.
    """
    info = source.info
    root = empty_folder(folder)
    if info.classes:
        (root / CLASSES_FILE).write_text("\n".join(info.classes) + "\n", encoding="utf-8")
    lines = []
    for name in SPLITS:
        split = source.split(name, opened_by="writing manifest" if name == "test" else None)
        scale = _scale(split.depth) if "depth" in info.targets and depth == "png" else 0.0
        for number in range(len(split)):
            row = {key: np.asarray(values[number]) for key, values in split.arrays.items()}
            stem = f"{name}_{number:05d}"
            cells = {"image": _picture(root, "image", stem, row["image"]), "split": name}
            labels = row.get("segmentation")
            if labels is not None and (labels != info.ignore_index).any():
                cells["seg"] = _picture(root, "seg", stem, np.where(labels == info.ignore_index, np.uint8(255), labels))
            if "depth" in row and (row["depth"] > 0).any():
                cells["depth_kind"] = info.depth_kind
                if depth == "png":
                    codes = np.rint(row["depth"].astype(np.float64) / scale).clip(row["depth"] > 0, _CODES)
                    cells |= {
                        "depth": _picture(root, "depth", stem, codes.astype(np.uint16)),
                        "depth_scale": repr(scale),
                    }
                else:
                    cells["depth"] = _array(root, "depth", stem, row["depth"].astype(np.float32))
            if "normals" in row and row["normals"].any():
                vectors = row["normals"].astype(np.float32)
                coded = np.rint(vectors * 127.5 + 127.5).clip(0, 255).astype(np.uint8)
                # Grey is a vector of no length.
                coded[~vectors.any(-1)] = 128
                cells["normals"] = _picture(root, "normals", stem, coded)
            lines.append(cells)
    columns = [c for c in ("image", "seg", "depth", "depth_kind", "depth_scale", "normals", "split") if _used(c, lines)]
    with (root / FILES[0]).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    return root


def _used(column: str, lines: list[dict[str, str]]) -> bool:
    return any(column in line for line in lines)


def _scale(depths: np.ndarray) -> float:
    """The power of ten times 1, 2 or 5 that keeps the largest depth below 65535 codes."""
    largest = max((float(depth.max()) for depth in depths), default=0.0) or 1.0
    least = largest / _CODES
    power = 10.0 ** np.floor(np.log10(least))
    return float(f"{next(step * power for step in (1, 2, 5, 10) if step * power >= least):.6g}")


def _picture(root: Path, kind: str, stem: str, values: np.ndarray) -> str:
    relative = f"{kind}/{stem}.png"
    (root / kind).mkdir(exist_ok=True)
    Image.fromarray(values).save(root / relative)
    return relative


def _array(root: Path, kind: str, stem: str, values: np.ndarray) -> str:
    relative = f"{kind}/{stem}.npy"
    (root / kind).mkdir(exist_ok=True)
    np.save(root / relative, values, allow_pickle=False)
    return relative
