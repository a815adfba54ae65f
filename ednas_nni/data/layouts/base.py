"""What every data set on disk shares: splits by group, size, the checked cache and the fingerprint."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from ednas_nni.data import cache as store
from ednas_nni.data.info import SPLITS, TARGETS, DataInfo
from ednas_nni.data.layouts.cutting import check_separate, cut, natural
from ednas_nni.data.layouts.fitting import ARRAYS, IGNORE_INDEX, fit
from ednas_nni.data.openings import open_split
from ednas_nni.data.split import Split, check_opening
from ednas_nni.errors import DataError
from ednas_nni.study import plain_data

_FORMAT = 1  # raised when the same files become other arrays


@dataclass(frozen=True)
class Record:
    """One image of a data set on disk, nothing opened yet.

    Attributes:
        key: Unique name, e.g. ``train/12``.
        group: Images of one group (city, scene, neighbouring frames) never land in two splits.
        files: What the image and its labels are read from, by role, e.g. ``{"image": ..., "depth": ...}``. A label
            that this image lacks is left out.
        index: Place within a file that holds many images; -1 where each image has files of its own.
    """

    key: str
    group: str
    files: Mapping[str, Path] = field(default_factory=dict)
    index: int = -1


@dataclass(frozen=True, eq=False)
class Raw:
    """One decoded image at its own resolution; ``None`` = this image lacks the label.

    Attributes:
        image: uint8 (H, W, 3), RGB.
        segmentation: uint8 (h, w), 255 = no class. A label may be smaller or larger than the image.
        depth: float32 (h, w) in the source's depth unit, 0 = invalid (so are NaN, infinite and negative values).
        normals: float32 (h, w, 3), x right, y up, z towards the camera, zero vector = invalid.
    """

    image: np.ndarray
    segmentation: np.ndarray | None = None
    depth: np.ndarray | None = None
    normals: np.ndarray | None = None


class FolderSource(ABC):
    """A data set read from a folder; decoded once into the cache that all processes share.

    A subclass sets ``name``, ``classes``, ``targets``, ``depth_kind``, ``depth_unit`` and ``depth_max`` (class
    attributes or properties) and implements :meth:`listed` and :meth:`decode`. Its
    constructor hands its own options, as plain JSON data under their parameter names, to ``super().__init__``.

    Attributes:
        folder: Absolute path of the data set.
        size: Height and width in pixels of the arrays.
        options: The subclass's own options.
    """

    name: str = ""
    classes: tuple[str, ...] = ()
    targets: tuple[str, ...] = TARGETS
    depth_kind: str = "metric"
    depth_unit: str = "m"
    depth_max: float | None = None

    def __init__(
        self,
        folder: str | os.PathLike[str],
        size: tuple[int, int],
        search: float = 0.1,
        select: float = 0.1,
        seed: int = 0,
        crop: bool = False,
        cache: str | os.PathLike[str] | None = None,
        options: Mapping[str, object] | None = None,
    ) -> None:
        """Describe the data set; only the folder's existence is checked here.

        Args:
            folder: Where the data set lies.
            size: Height and width in pixels of the images to make, each 8..4096.
            search: Share (between 0 and 1) or number of training images that score candidates.
            select: Share or number of training images that choose among finalists.
            seed: Another seed cuts other groups out of the training images.
            crop: Cut the middle out of images whose aspect ratio differs from that of ``size`` by more than 2 %;
                otherwise such an image is an error.
            cache: Cache folder; ``$EDNAS_CACHE`` or ``~/.cache/ednas`` when ``None``.
            options: The subclass's own options, plain JSON data.

        Raises:
            DataError: The folder does not exist or an argument lies outside its range.
        """
        self.folder = plain_data.resolved(folder, DataError, "data.folder")
        if not self.folder.is_dir():
            raise DataError(f"folder is {str(folder)!r}, but there is no folder {self.folder}; correct data.folder")
        size = tuple(size) if isinstance(size, (list, tuple)) else size
        if (
            not isinstance(size, tuple)
            or len(size) != 2
            or any(not isinstance(n, int) or not 8 <= n <= 4096 for n in size)
        ):
            raise DataError(f"size is {size!r}; it must be (height, width) in whole pixels, both from 8 to 4096")
        self.size: tuple[int, int] = size
        self.search, self.select, self.seed, self.crop = search, select, seed, bool(crop)
        self.options = dict(options or {})
        self._cache_root = store.cache_root(cache)

    @abstractmethod
    def listed(self) -> Mapping[str, Sequence[Record]]:
        """Return the images that the files give to each split, ``train`` at least; only lists files.

        Splits that are left out are cut from ``train`` by group.
        """

    @abstractmethod
    def decode(self, record: Record) -> Raw:
        """Read one image and its labels.

        Raises:
            DataError: A file cannot be read or holds what it must not; the message names it.
        """

    @cached_property
    def records(self) -> dict[str, list[Record]]:
        """Images by split: whole groups, none in two splits.

        Raises:
            DataError: Too few groups, a file is missing, or an image occurs twice.
        """
        given = {split: sorted(found, key=_by_key) for split, found in self.listed().items()}
        for split, found in given.items():
            if not found:
                what = "training" if split == "train" else split
                raise DataError(f"{self.where}: the {what} set of {self.name!r} is empty")
        wished = {split: getattr(self, split) for split in SPLITS if split not in given}
        if wished:
            given |= cut(given["train"], wished, self.seed, str(self.where))
        check_separate(given, str(self.where))
        return {split: given[split] for split in SPLITS}

    @property
    def where(self) -> Path:
        """What messages about the whole data set name."""
        return self.folder

    @cached_property
    def info(self) -> DataInfo:
        """Facts about the data set, from a listing of its files; no image is opened."""
        return DataInfo(
            name=self.name,
            size=self.size,
            classes=tuple(self.classes),
            counts={split: len(found) for split, found in self.records.items()},
            fingerprint=store.fingerprint(self.recipe()),
            targets=tuple(self.targets),
            ignore_index=IGNORE_INDEX,
            depth_kind=self.depth_kind,
            depth_unit=self.depth_unit,
            depth_max=self.depth_max,
        )

    def arguments(self) -> dict[str, object]:
        """Return the constructor's arguments except ``folder`` and ``cache``, as plain JSON data."""
        return {
            "size": list(self.size),
            "search": self.search,
            "select": self.select,
            "seed": self.seed,
            "crop": self.crop,
            **self.options,
        }

    def recipe(self) -> dict[str, object]:
        """Return what determines every pixel: layout, options, names and sizes of the files."""
        return {
            "name": self.name,
            "format": _FORMAT,
            "arguments": self.arguments(),
            "files": self._listing["sizes"],
        }

    @cached_property
    def _listing(self) -> dict[str, str]:
        """Digests of the files' names and sizes, and of their times of change."""
        sizes, times = hashlib.sha256(), hashlib.sha256()
        seen: set[Path] = set()
        for split, records in self.records.items():
            for record in records:
                sizes.update(f"{split}\0{record.key}\0{record.index}\n".encode())
                for role, path in sorted(record.files.items()):
                    try:
                        status = path.stat()
                    except OSError as error:
                        raise DataError(
                            f"{path}: {role} of image {record.key!r} is missing ({error.strerror})"
                        ) from None
                    name = os.path.relpath(path, self.folder)
                    sizes.update(f"{role}\0{name}\0{status.st_size}\n".encode())
                    if path not in seen:
                        seen.add(path)
                        times.update(f"{name}\0{status.st_mtime_ns}\n".encode())
        return {"sizes": sizes.hexdigest()[:32], "times": times.hexdigest()[:32]}

    def _cached_recipe(self) -> dict[str, object]:
        return {**self.recipe(), "changed": self._listing["times"]}

    @property
    def cache_folder(self) -> Path:
        """Where the arrays are kept; another one when a file was changed."""
        changed = self._listing["times"][:8]
        return self._cache_root / f"{self.name}-{self.info.fingerprint}-{changed}"

    def read(self, record: Record) -> dict[str, np.ndarray]:
        """Decode one image and fit it to ``size``.

        Args:
            record: One of :attr:`records`.

        Returns:
            ``image`` and each target of the data set; a label that the image lacks is invalid everywhere.

        Raises:
            DataError: See :meth:`decode` and :func:`ednas_nni.data.layouts.fitting.fit`.
        """
        try:
            raw = self.decode(record)
        except (OSError, ValueError, KeyError, IndexError) as error:
            names = ", ".join(str(path) for path in dict.fromkeys(record.files.values()))
            raise DataError(f"image {record.key!r} cannot be decoded: {error}; its files: {names}") from error
        return fit(raw, record, self)

    def prepare(self, progress: bool = True) -> None:
        """Decode the data set unless the cache holds it; safe to call from several processes at once.

        Args:
            progress: Show a bar on standard error when it takes longer than a moment.

        Raises:
            DataError: A file is wrong or the cache cannot be written.
        """
        if not self.cache_folder.exists():
            store.ensure(self.cache_folder, self._cached_recipe(), lambda staging: self._decode_all(staging, progress))

    def _decode_all(self, staging: Path, progress: bool) -> None:
        from ednas_nni.data.layouts.decoding import TASK, job
        from ednas_nni.data.produce import produce

        names = ("image", *self.info.targets)
        shapes = {name: (ARRAYS[name][0], (*self.size, *ARRAYS[name][1])) for name in names}
        title = f"reading {self.name}"
        produce(staging, shapes, self.info.counts, task=TASK, recipe=job(self), title=title, progress=progress)

    def split(self, name: str, opened_by: str | None = None) -> Split:
        """Open a split, decoding the data set first when needed.

        Args:
            name: ``train``, ``search``, ``select`` or ``test``.
            opened_by: Who reads it; needed for ``test``, whose openings are journalled.

        Returns:
            The split, memory-mapped and verified.

        Raises:
            DataError: Unknown split, ``test`` without ``opened_by``, a wrong file or a damaged cache.
        """
        check_opening(name, opened_by)
        self.prepare()
        return open_split(self.info, name, opened_by, self.cache_folder, self._cached_recipe(), self._cache_root)


def _by_key(record: Record) -> tuple[list[tuple[str, int]], int, str]:
    return natural(record.key), record.index, record.key
