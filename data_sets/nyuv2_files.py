"""The raw files of NYUv2: the labelled set (HDF5), the official splits and the class mappings (MATLAB files).

MATLAB stores columns first and counts from 1: HDF5 shows every array with its axes reversed, and image numbers in
splits.mat start at 1. Source: the data set's page and toolbox (Silberman et al., ECCV 2012).
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_sets.classes import NYU40, NYU_40_TO_13
from ednas_nni.data.class_names import NYU13
from ednas_nni.data.info import IGNORE_INDEX, Array
from ednas_nni.errors import DataError

LABELED, SPLITS = "nyu_depth_v2_labeled.mat", "splits.mat"
MAPPING_40, MAPPING_13 = "classMapping40.mat", "class13Mapping.mat"
LABELS = 894
_DATASETS = ("images", "labels", "scenes")


def needed(module: str) -> ModuleType:
    """Import h5py or scipy.io.

    Raises:
        DataError: It is not installed; the message says how.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise DataError(
            f"data set nyuv2 reads MATLAB files with {module.partition('.')[0]}, which is not installed: "
            "pip install 'ednas-nni[nyuv2]'"
        ) from None


class LabeledFile:
    """The labelled set, opened for reading. Each process opens its own.

    Args:
        path: `nyu_depth_v2_labeled.mat`.

    Raises:
        DataError: It is missing, damaged or lacks an array.
    """

    def __init__(self, path: Path) -> None:
        h5py = needed("h5py")
        self.path = path
        try:
            self._file: Mapping[str, Any] = h5py.File(path, "r")
        except FileNotFoundError:
            raise DataError(
                f"{path}: there is no such file. It is the `Labeled dataset` of the NYU Depth V2 page, about 2.8 GB; "
                "name its folder as `folder`."
            ) from None
        except OSError as error:
            raise DataError(
                f"{path}: cannot be read as HDF5 ({error}). It is damaged or cut short, or a MATLAB file of another "
                "version; download it again."
            ) from None
        lacking = [name for name in _DATASETS if name not in self._file]
        if lacking:
            raise DataError(f"{path}: lacks the arrays {', '.join(lacking)}. Is it really the labelled set of NYUv2?")
        shape = self._file["images"].shape
        if len(shape) != 4 or shape[1] != 3:
            raise DataError(f"{path}: `images` is {shape}; expected (images, 3, width, height). Download it again.")
        self.size = (int(shape[3]), int(shape[2]))

    def __len__(self) -> int:
        """Number of images."""
        return len(self._file["images"])

    def scenes(self) -> list[str]:
        """The scene of each image, e.g. `kitchen_0004` or `bedroom_0014b`."""
        references = np.asarray(self._file["scenes"]).ravel()
        if len(references) != len(self):
            raise DataError(f"{self.path}: names {len(references)} scenes for {len(self)} images. Download it again.")
        return ["".join(map(chr, np.asarray(self._file[one]).ravel())) for one in references]

    def read(self, index: int, depth: str) -> tuple[Array, Array, Array]:
        """Read one image.

        Args:
            index: From 0.
            depth: `depths` (holes filled by the data set's authors) or `rawDepths` (0 = hole).

        Returns:
            image uint8 (H, W, 3) RGB; labels (H, W), 0 = unlabelled, 1..894; depth float32 (H, W) in m, 0 = invalid.

        Raises:
            DataError: The file is damaged there, or lacks the array.
        """
        if depth not in self._file:
            raise DataError(f"{self.path}: lacks the array {depth}, which holds the depth asked for.")
        try:
            image, labels, metres = (np.asarray(self._file[name][index]) for name in ("images", "labels", depth))
        except (OSError, ValueError, KeyError) as error:
            raise DataError(
                f"{self.path}: image {index + 1} cannot be read ({error}). Download the file again."
            ) from None
        metres = metres.T.astype(np.float32)
        return image.transpose(2, 1, 0), labels.T, np.where(np.isfinite(metres) & (metres > 0), metres, np.float32(0))


def read_mat(path: Path, way_out: str) -> dict[str, Any]:
    """Read a small MATLAB file of version 5.

    Raises:
        DataError: It is missing (with the way out) or damaged.
    """
    loader = needed("scipy.io").loadmat
    try:
        return loader(str(path))
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file. {way_out}") from None
    except Exception as error:  # scipy raises many kinds for a damaged file
        raise DataError(f"{path}: cannot be read as a MATLAB file ({error}). {way_out}") from None


def read_splits(path: Path, count: int) -> dict[str, Array]:
    """Read the official splits.

    Args:
        path: `splits.mat`.
        count: Number of images of the labelled set.

    Returns:
        `train` and `test`: image numbers, from 0.

    Raises:
        DataError: The file is missing or does not fit the labelled set.
    """
    way_out = (
        f"It is part of the NYUv2 toolbox and of the repository ankurhanda/nyuv2-meta-data; put it beside {LABELED}."
    )
    content = read_mat(path, way_out)
    splits: dict[str, NDArray[np.int64]] = {}
    for split in ("train", "test"):
        if f"{split}Ndxs" not in content:
            raise DataError(f"{path}: lacks {split}Ndxs. {way_out}")
        numbers = np.asarray(content[f"{split}Ndxs"]).ravel().astype(np.int64)
        if not len(numbers) or numbers.min() < 1 or numbers.max() > count:
            span = f"{numbers.min()}..{numbers.max()}" if len(numbers) else "nothing"
            raise DataError(f"{path}: {split}Ndxs holds {span}, but {LABELED} has the images 1..{count}. {way_out}")
        splits[split] = numbers - 1
    both = np.intersect1d(splits["train"], splits["test"])
    if len(both):
        raise DataError(f"{path}: image {both[0] + 1} is in trainNdxs and in testNdxs. {way_out}")
    return splits


def read_mapping(root: Path, classes: int) -> tuple[Array, tuple[str, ...]]:
    """What the 894 labels of the raw file become.

    Args:
        root: Folder with `classMapping40.mat` and, if wanted, `class13Mapping.mat`.
        classes: 40 or 13.

    Returns:
        uint8 (895,): class by label, 255 = no class (label 0 too); and the class names.

    Raises:
        DataError: A file is missing or holds something else.
    """
    path = root / MAPPING_40
    way_out = (
        f"The raw labels are {LABELS} fine classes; this file maps them to 40. It is in the repository "
        f"ankurhanda/nyuv2-meta-data; put it beside {LABELED}."
    )
    numbers = np.asarray(read_mat(path, way_out).get("mapClass", [])).ravel().astype(np.int64)
    if len(numbers) != LABELS or numbers.min() < 0 or numbers.max() > 40:
        raise DataError(f"{path}: mapClass must hold {LABELS} numbers from 1 to 40; it holds {len(numbers)}. {way_out}")
    to_40 = np.where(numbers > 0, numbers - 1, IGNORE_INDEX).astype(np.uint8)
    if classes == 40:
        return np.concatenate([[IGNORE_INDEX], to_40]).astype(np.uint8), NYU40
    to_13, names = _mapping_13(root / MAPPING_13)
    table = np.concatenate([to_13, np.full(256 - len(to_13), IGNORE_INDEX)]).astype(np.uint8)
    return np.concatenate([[IGNORE_INDEX], table[to_40]]).astype(np.uint8), names


def _mapping_13(path: Path) -> tuple[Array, tuple[str, ...]]:
    """The user's own mapping of 40 classes to 13, or the built-in one where there is none."""
    if not path.exists():
        return NYU_40_TO_13, NYU13
    way_out = "Remove it to use the built-in mapping."
    content = read_mat(path, way_out)
    try:
        fields = content["classMapping13"][0, 0]
        numbers = np.asarray(fields[0]).ravel().astype(np.int64)
        names = tuple(str(name[0]).lower() for name in np.asarray(fields[1]).ravel())
    except (KeyError, TypeError, IndexError, ValueError):
        raise DataError(f"{path}: has no struct classMapping13 with 40 numbers and 13 names. {way_out}") from None
    if len(numbers) != 40 or numbers.min() < 0 or numbers.max() > 13 or len(names) != 13:
        raise DataError(f"{path}: holds {len(numbers)} numbers and {len(names)} names; expected 40 and 13. {way_out}")
    return np.where(numbers > 0, numbers - 1, IGNORE_INDEX).astype(np.uint8), names


def place(scene: str) -> str:
    """The place that a scene belongs to: `bedroom_0014a` and `bedroom_0014b` are parts of one recording."""
    return re.sub(r"(?<=\d)[a-z]$", "", scene)
