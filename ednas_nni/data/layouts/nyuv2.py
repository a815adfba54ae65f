"""The data set ``nyuv2``: the raw labelled set of NYU Depth V2 as it is downloaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from ednas_nni.data.geometry import NYUV2, normals_from_depth
from ednas_nni.data.info import TARGETS
from ednas_nni.data.layouts.base import FolderSource, Raw, Record
from ednas_nni.data.layouts.nyuv2_files import (
    LABELED,
    MAPPING_13,
    MAPPING_40,
    SPLITS,
    LabeledFile,
    place,
    read_mapping,
    read_splits,
)
from ednas_nni.errors import DataError, did_you_mean

DEPTHS = {"inpainted": "depths", "raw": "rawDepths"}
FULL_SIZE = (480, 640)
INSIDE = (slice(45, 471), slice(41, 601))
"""Rows and columns without the white border of the colour images (Eigen et al., NeurIPS 2014)."""


class NYUv2(FolderSource):
    """1449 pictures of rooms with 40 or 13 classes, depth in metres and normals computed from it.

    The official 795 training images are cut into train, search and select by whole scenes (parts such as
    ``bedroom_0014a`` and ``bedroom_0014b`` stay together); the official 654 test images are the test split. Needs the
    extra ``nyuv2`` (h5py, scipy).
    """

    name = "nyuv2"

    def __init__(
        self,
        folder: str | os.PathLike[str],
        size: tuple[int, int] = (96, 128),
        search: float = 0.1,
        select: float = 0.1,
        seed: int = 0,
        crop: bool = False,
        classes: int = 13,
        depth: str = "inpainted",
        depth_max: float = 10.0,
        keep_border: bool = False,
        targets: list[str] | tuple[str, ...] = TARGETS,
        cache: str | os.PathLike[str] | None = None,
    ) -> None:
        """Describe the data set; nothing is read yet.

        Args:
            folder: Holds ``nyu_depth_v2_labeled.mat``, ``splits.mat``, ``classMapping40.mat`` and, if you have it,
                ``class13Mapping.mat``.
            size: Height and width in pixels of the images to make.
            search: Share or number of training images that score candidates.
            select: Share or number of training images that choose among finalists.
            seed: Another seed cuts other scenes.
            crop: Cut the middle out of the images if their aspect ratio is not that of ``size``.
            classes: 13 or 40.
            depth: ``inpainted`` (holes filled by the authors, who call it less exact there) or ``raw`` (holes invalid).
            depth_max: Depths beyond, in m, are invalid; 10 is the sensor's range.
            keep_border: Keep the white border of the images instead of rows 45..470 and columns 41..600.
            targets: Labels to read: any of ``segmentation``, ``depth``, ``normals``.
            cache: Cache folder; ``$EDNAS_CACHE`` or ``~/.cache/ednas`` when ``None``.

        Raises:
            DataError: The folder does not exist, or an option is out of range.
        """
        if classes not in (13, 40) or isinstance(classes, bool):
            raise DataError(f"classes is {classes!r}; allowed are 13 and 40")
        if depth not in DEPTHS:
            raise DataError(f"depth is {depth!r}.{did_you_mean(depth, DEPTHS)}")
        if not depth_max > 0:
            raise DataError(f"depth_max is {depth_max!r}; it must be above 0, in metres")
        wrong = [name for name in targets if name not in TARGETS]
        if wrong or not targets:
            raise DataError(f"targets is {list(targets)}; allowed are {', '.join(TARGETS)}")
        self.targets = tuple(name for name in TARGETS if name in targets)
        self.coarseness, self.depth_max = classes, float(depth_max)
        self._depth, self.keep_border = DEPTHS[depth], bool(keep_border)
        options = {
            "classes": classes,
            "depth": depth,
            "depth_max": self.depth_max,
            "keep_border": self.keep_border,
            "targets": list(self.targets),
        }
        super().__init__(folder, size, search, select, seed, crop, cache, options)

    @cached_property
    def _labeled(self) -> LabeledFile:
        return LabeledFile(self.folder / LABELED)

    @cached_property
    def _mapping(self) -> tuple[np.ndarray, tuple[str, ...]]:
        return read_mapping(self.folder, self.coarseness)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; a user's class13Mapping.mat brings its own."""
        return self._mapping[1] if "segmentation" in self.targets else ()

    def listed(self) -> dict[str, Sequence[Record]]:
        """Return the official training images, in groups of a scene with all its parts, and the test images."""
        scenes = self._labeled.scenes()
        files: dict[str, Path] = {"image": self.folder / LABELED, "splits": self.folder / SPLITS}
        if "segmentation" in self.targets:
            names = (MAPPING_40, MAPPING_13) if self.coarseness == 13 else (MAPPING_40,)
            files |= {name: self.folder / name for name in names if (self.folder / name).exists()}
        found = {}
        for split, indices in read_splits(self.folder / SPLITS, len(scenes)).items():
            # The official cut is by scene; only the training images are cut further.
            groups = [place(scenes[i]) if split == "train" else f"test {scenes[i]}" for i in indices]
            found[split] = [
                Record(f"{i + 1:04d}", group, files, int(i)) for i, group in zip(indices, groups, strict=True)
            ]
        return found

    def decode(self, record: Record) -> Raw:
        """Read one image and its labels."""
        image, labels, depth = self._labeled.read(record.index, self._depth)
        height, width = depth.shape
        # Before anything is cut: the camera's numbers are those of the whole picture.
        camera = NYUV2 if (height, width) == FULL_SIZE else NYUV2.resized(FULL_SIZE, (height, width))
        radius, step = _reach(height)
        normals = normals_from_depth(depth, camera, radius, step) if "normals" in self.targets else None
        inside = (slice(None), slice(None)) if self.keep_border else _inside(height, width)
        segmentation = None
        if "segmentation" in self.targets:
            table, _ = self._mapping
            if labels.max(initial=0) >= len(table):
                raise DataError(
                    f"{self._labeled.path}: image {record.index + 1} has the label {labels.max()}, but NYUv2 has "
                    f"labels up to {len(table) - 1}. Download the file again."
                )
            segmentation = table[labels][inside]
        return Raw(
            image=image[inside],
            segmentation=segmentation,
            depth=depth[inside] if "depth" in self.targets else None,
            normals=normals[inside] if normals is not None else None,
        )


def _reach(height: int) -> tuple[int, int]:
    """Radius and step of the fit of normals: the same part of the view, about 9 pixels of 480, at any resolution."""
    return (3, max(1, round(3 * height / FULL_SIZE[0]))) if height >= FULL_SIZE[0] // 2 else (1, 1)


def _inside(height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns without the white border, also of files of another resolution."""
    down, across = height / FULL_SIZE[0], width / FULL_SIZE[1]
    rows, columns = INSIDE
    return (
        slice(round(rows.start * down), round(rows.stop * down)),
        slice(round(columns.start * across), round(columns.stop * across)),
    )
