"""AdaShare's lists: ``nyu_v2_3task.json`` (PNG and npy files, 40 classes) or ``cityscape.json`` (npy files).

Sun et al., "AdaShare: Learning What To Share For Efficient Deep Multi-Task Learning", NeurIPS 2020.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from ednas_nni.data.class_names import class_names
from ednas_nni.data.layouts import reading
from ednas_nni.data.layouts.base import FolderSource, Raw, Record
from ednas_nni.data.layouts.cutting import block, natural
from ednas_nni.data.layouts.npy_labels import npy_classes, npy_depth, npy_image
from ednas_nni.errors import DataError, did_you_mean

LISTS = {"nyuv2": "nyu_v2_3task.json", "cityscapes": "cityscape.json"}
_CITYSCAPES_LABELS = (2, 7, 19)
_ENTRIES = {
    "nyuv2": ("image", "segmentation", "normals", "depth"),
    "cityscapes": ("image", "depth", *(f"label_{n}" for n in _CITYSCAPES_LABELS)),
}


class AdaShare(FolderSource):
    """A folder with one of AdaShare's lists.

    NYUv2: bytes for images, classes (255 = none) and normals, metres for depth. The normals' three channels hold
    x right, the direction into the scene, and y up, each as (n + 1) / 2 * 255; white = invalid. CityScapes: MTAN's
    ``.npy`` files with 2, 7 and 19 classes and disparity divided by 65535.

    The list's ``train`` (or ``train1`` and ``train2``, AdaShare's halves for weights and policy) is cut by blocks of
    neighbours; ``test`` (or ``val``) is the test split.
    """

    name = "adashare"

    def __init__(
        self,
        folder: str | os.PathLike[str],
        size: tuple[int, int],
        dataset: str | None = None,
        classes: int | None = None,
        normal_axes: list[str] | tuple[str, ...] = ("x", "-z", "y"),
        search: float = 0.1,
        select: float = 0.1,
        seed: int = 0,
        crop: bool = False,
        cache: str | os.PathLike[str] | None = None,
    ) -> None:
        """Describe the data set; no image is opened.

        Args:
            folder: Holds the list and the files it names.
            size: Height and width in pixels of the images to make (NYUv2 is 3:4, CityScapes 1:2).
            dataset: ``nyuv2`` or ``cityscapes``; ``None`` = the one whose list exists.
            classes: Number of classes; ``None`` = 40 for nyuv2, 19 for cityscapes (or 2 or 7).
            normal_axes: What red, green and blue of the normals hold: x right, y up, z towards the camera.
            search: Share or number of training images that score candidates.
            select: Share or number of training images that choose among finalists.
            seed: Another seed cuts other blocks.
            crop: Use the middle of images of another aspect ratio instead of refusing them.
            cache: Cache folder; ``$EDNAS_CACHE`` or ``~/.cache/ednas`` when ``None``.

        Raises:
            DataError: The list is missing or an argument lies outside its range.
        """
        self.axes = reading.check_axes(normal_axes)
        options = {"dataset": dataset, "classes": classes, "normal_axes": self.axes}
        super().__init__(folder, size, search, select, seed, crop, cache, options)
        if dataset is not None and dataset not in LISTS:
            raise DataError(f"dataset is {dataset!r}.{did_you_mean(dataset, LISTS)}")
        there = [name for name, file in LISTS.items() if (self.folder / file).is_file()]
        if not there:
            raise DataError(f"{self.folder}: holds none of AdaShare's lists ({', '.join(LISTS.values())})")
        if dataset is None and len(there) > 1:
            raise DataError(f"{self.folder}: holds both of AdaShare's lists; set data.dataset to nyuv2 or cityscapes")
        self.dataset = dataset or there[0]
        count = classes if classes is not None else 40 if self.dataset == "nyuv2" else 19
        if self.dataset == "cityscapes":
            if count not in _CITYSCAPES_LABELS:
                raise DataError(f"classes is {classes!r}; {LISTS['cityscapes']} lists labels with 2, 7 and 19 classes")
            self.targets = ("segmentation", "depth")
            self.depth_kind, self.depth_unit = "inverse", "1"
        self.classes = class_names(self.dataset, count)

    @cached_property
    def _lists(self) -> dict[str, object]:
        path = self.folder / LISTS[self.dataset]
        lists = reading.read_json(path)
        if not isinstance(lists, dict):
            raise DataError(f"{path}: holds a {type(lists).__name__}; an object with lists train and test is needed")
        return lists

    def listed(self) -> dict[str, Sequence[Record]]:
        """Return the images of ``train``, else ``train1`` and ``train2``, and of ``test``, else ``val``."""
        halves = "train" not in self._lists and "train1" in self._lists
        train = self._records(["train1", "train2"] if halves else ["train"])
        return {
            "train": train,
            "test": self._records(["val" if "test" not in self._lists and "val" in self._lists else "test"]),
        }

    def _records(self, modes: list[str]) -> list[Record]:
        path, roles = self.folder / LISTS[self.dataset], _ENTRIES[self.dataset]
        entries: list[list[str]] = []
        for mode in modes:
            listed = self._lists.get(mode)
            if not isinstance(listed, list):
                raise DataError(f"{path}: has no list {mode!r}.{did_you_mean(mode, self._lists)}")
            for entry in listed:
                names = isinstance(entry, list) and all(isinstance(name, str) for name in entry)
                if not names or len(entry) != len(roles):
                    raise DataError(
                        f"{path}: {mode} holds {str(entry)[:120]!r}; each entry lists {len(roles)} files: "
                        f"{', '.join(roles)}"
                    )
            entries.extend(listed)
        entries.sort(key=lambda entry: natural(entry[0]))
        records = []
        for position, entry in enumerate(entries):
            files = dict(zip(roles, (reading.inside(self.folder, name, path) for name in entry), strict=True))
            if self.dataset == "cityscapes":
                labels = files[f"label_{len(self.classes)}"]
                files = {"image": files["image"], "segmentation": labels, "depth": files["depth"]}
            key = Path(entry[0]).with_suffix("").as_posix()
            records.append(Record(key, f"{modes[0]} {block(position, len(entries))}", files))
        return records

    def decode(self, record: Record) -> Raw:
        """Read one image; see :meth:`FolderSource.decode`."""
        files, classes = record.files, len(self.classes)
        label, depth = files["segmentation"], files["depth"]
        if self.dataset == "cityscapes":
            return Raw(npy_image(files["image"]), npy_classes(label, classes), npy_depth(depth, True))
        return Raw(
            reading.read_rgb(files["image"]),
            reading.class_ids(reading.flat(reading.read_picture(label), label), classes, label, ignore=(255,)),
            npy_depth(depth, normalised=False),
            self._normals(files["normals"]),
        )

    def _normals(self, path: Path) -> np.ndarray:
        """Decode bytes into vectors of length about 1; they are kept as they are, without scaling to exactly 1."""
        coded = reading.read_rgb(path)
        valid = (coded != 255).any(-1, keepdims=True)
        # About one pixel in a hundred of the real files is mid-grey, hardly a direction; AdaShare counts it as valid,
        # and so do we, so that its protocol gives its numbers.
        normals = reading.oriented(coded.astype(np.float32) * np.float32(2 / 255) - 1, self.axes)
        return np.where(valid, normals, np.float32(0))
