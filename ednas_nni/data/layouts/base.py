"""What every data set on disk shares: its options, splits by group, the fingerprint, and the decoding workers."""

# Without `from __future__ import annotations`: the options of a layout are dataclass fields, and their types must be
# known in whichever module a subclass lies, so that a study's options can be checked against them.

import hashlib
import importlib
import json
import os
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ednas_nni.data import cache as store
from ednas_nni.data.class_table import merged
from ednas_nni.data.contents import contents
from ednas_nni.data.headers import remarks
from ednas_nni.data.info import SPLITS, Array, DataInfo, LabelFacts, checked_size
from ednas_nni.data.layouts.cutting import check_separate, cut, natural
from ednas_nni.data.layouts.fitting import FITS, fit
from ednas_nni.data.layouts.record import ImageRecord, RawImage
from ednas_nni.data.source import CachedSource, DataSource
from ednas_nni.errors import DataError
from ednas_nni.study import plain_data

_FORMAT = 1
_DECODER = 2  # raised when the same files become other arrays

LATER = ("fit", "upright", "trust_labels", "class_map", "depth_along", "depth_focal", "normals", "camera")
"""Options that came later: without them, a data set has the fingerprint that journals already hold."""

MADE_FROM = "made_from.json"
"""What the arrays of a cache folder mean, and the SHA-256 of each file that they were made from."""


@dataclass(eq=False)
class FolderSource(CachedSource):
    """A data set read from a folder; decoded once into the cache that all processes share.

    A subclass is a dataclass: its fields are its options, plain JSON data with defaults, checked in `__post_init__`. It
    sets `name` and implements `described`, `listed` and `decode`. docs/adding_a_data_set.md has a complete example.

    Attributes:
        folder: Where the data set lies.
        size: Height and width in pixels of the images to make, each 8..4096.
        search: Share or number of training images that score candidates.
        select: Share or number of training images that choose among finalists.
        seed: Another seed cuts other groups (cities, scenes, neighbours) out of the training images.
        crop: The same as `fit: crop`.
        fit: `letterbox`, `crop` or `resize`, for images of another shape (docs/data.md).
        cache: By default `$EDNAS_CACHE`, else `~/.cache/ednas`.
        class_map: {new name: [names of classes]}; all others become no class.
        trust_labels: Accept normals that no camera could see or that contradict depth.
    """

    name: ClassVar[str]

    folder: str | os.PathLike[str]
    size: tuple[int, int]
    search: float = 0.1
    select: float = 0.1
    seed: int = 0
    crop: bool = False
    fit: str = ""
    cache: str | os.PathLike[str] | None = None
    class_map: dict[str, list[str]] | None = None
    trust_labels: bool = False

    def __post_init__(self) -> None:
        """Check the options; of the folder only that it exists."""
        self.root = plain_data.resolved(self.folder, DataError, "data.folder")
        if not self.root.is_dir():
            raise DataError(f"folder is {str(self.folder)!r}, but there is no folder {self.root}; correct data.folder")
        self.size = checked_size(self.size)
        self.crop = bool(self.crop)
        if self.fit not in ("", *FITS) or (self.crop and self.fit not in ("", "crop")):
            raise DataError(f"fit is {self.fit!r}; it is {', '.join(FITS)} or empty, and crop: true means crop")
        self._cache_root = store.cache_root(self.cache)

    # ---- What a layout tells

    @abstractmethod
    def described(self) -> LabelFacts:
        """Return which labels there are and what their values mean; opens no image. Read it as `facts`."""

    @abstractmethod
    def listed(self) -> Mapping[str, Sequence[ImageRecord]]:
        """Return the images that the files give to each split, `train` at least; only lists files.

        Splits that are left out are cut from `train` by group, see `shares`.
        """

    @abstractmethod
    def decode(self, record: ImageRecord) -> RawImage:
        """Read one image and its labels; a DataError names the file that is missing or wrong."""

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        """Say whether a folder has this layout, from the names in it."""
        return False

    @classmethod
    def needs(cls, folder: Path) -> dict[str, object]:
        """Options beside `folder` without which it cannot be read; the layout recognises it."""
        return {}

    @staticmethod
    def write(source: DataSource, folder: str | os.PathLike[str]) -> dict[str, object]:
        """Write any data set in this layout into a new or empty folder, for other programs or to try a reader.

        Returned are options beside folder and size with which the layout reads what was written.
        """
        raise DataError("this layout can only be read")

    def shares(self) -> dict[str, float]:
        """Return share or number of training images by the split that is cut out of them unless it is listed."""
        return {"search": self.search, "select": self.select}

    @property
    def where(self) -> Path:
        """What messages about the whole data set name."""
        return self.root

    # ---- The data source

    @cached_property
    def facts(self) -> LabelFacts:
        """Which labels there are and what their values mean."""
        facts = replace(self.described(), trusted=bool(self.trust_labels))
        return facts if self.class_map is None else replace(facts, classes=merged(facts.classes, self.class_map)[0])

    @cached_property
    def _new_labels(self) -> NDArray[np.uint8] | None:
        return None if self.class_map is None else merged(self.described().classes, self.class_map)[1]

    @cached_property
    def records(self) -> dict[str, list[ImageRecord]]:
        """Images by split: whole groups, none in two splits; each file is there."""
        given: dict[str, list[ImageRecord]] = {}
        for split, records in self.listed().items():
            given[split] = sorted(records, key=lambda record: (natural(record.key), record.index, record.key))
            if not records:
                what = "training" if split == "train" else split
                raise DataError(f"{self.where}: the {what} set of {self.name!r} is empty")
        wished = {split: share for split, share in self.shares().items() if split not in given}
        if wished:
            given |= cut(given["train"], wished, self.seed, str(self.where))
        if lacking := [split for split in SPLITS if split not in given]:
            raise DataError(
                f"{self.where}: data set {self.name!r} has no split {lacking[0]!r}. Name its images in `listed`, or "
                "what is cut off the training images in `shares`."
            )
        check_separate(given, str(self.where))
        return {split: given[split] for split in SPLITS}

    @cached_property
    def info(self) -> DataInfo:
        """Facts about the data set, from a listing of its files; no image is opened."""
        return DataInfo(
            name=self.name,
            size=self.size,
            counts={split: len(records) for split, records in self.records.items()},
            fingerprint=store.fingerprint(self.recipe()),
            content=self.identity,
            **vars(self.facts),
        )

    def arguments(self) -> dict[str, Any]:
        """Return all options except `folder` and `cache`, and those of later versions that have their default."""
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("folder", "cache")}
        usual = {f.name: f.default for f in fields(self) if f.name in LATER}
        return {name: value for name, value in given.items() if name not in usual or value != usual[name]}

    def recipe(self) -> dict[str, Any]:
        """Return what names the data set before a file is read: layout, options, names and sizes of the files."""
        return {"name": self.name, "format": _FORMAT, "arguments": self.arguments(), "files": self._sizes}

    @cached_property
    def _sizes(self) -> str:
        """Digest of the files' names and sizes."""
        sizes = hashlib.sha256()
        for split, records in self.records.items():
            for record in records:
                sizes.update(f"{split}\0{record.key}\0{record.index}\n".encode(errors="surrogateescape"))
                for role, path in sorted(record.files.items()):
                    try:
                        status = path.stat()
                    except OSError as error:
                        raise DataError(
                            f"{path}: {role} of image {record.key!r} is missing ({error.strerror})"
                        ) from None
                    name = os.path.relpath(path, self.root)
                    sizes.update(f"{role}\0{name}\0{status.st_size}\n".encode(errors="surrogateescape"))
        return sizes.hexdigest()[:32]

    @cached_property
    def contents(self) -> dict[str, str]:
        """SHA-256 of every file by name; see `ednas_nni.data.contents` for when a file is read for it."""
        return self._read_contents()

    def _read_contents(self) -> dict[str, str]:
        files = {path for records in self.records.values() for record in records for path in record.files.values()}
        return contents(self.root, sorted(files), self._cache_root)

    def stored_recipe(self) -> dict[str, Any]:
        """Return the recipe and what the files hold: together they determine every pixel."""
        return {**self.recipe(), "decoder": _DECODER, "contents": store.fingerprint(self.contents)}

    @cached_property
    def cache_folder(self) -> Path:
        """Where the arrays are kept; another one when a file has another content."""
        return self._cache_root / f"{self.name}-{self.info.fingerprint}-{store.fingerprint(self.stored_recipe())[:8]}"

    def _make(self, staging: Path, progress: bool, splits: Sequence[str] = SPLITS) -> None:
        super()._make(staging, progress, splits)
        if changed := _differing(self.contents, self._read_contents()):
            raise DataError(f"{self.where}: {_listed(changed)} changed while the data set was read; run again")
        made_from = {"facts": vars(self.facts), "files": self.contents}
        (staging / MADE_FROM).write_text(json.dumps(made_from), encoding="utf-8")

    def identity(self) -> str:
        """Return `DataInfo.identity`: a digest of the decoded arrays and of what their values mean."""
        self.prepare()
        return _identity(vars(self.facts), self.cache_folder)

    def changed_since(self, identity: str) -> str:
        """Name the files that changed since the data had another identity; "" where the cache does not know it."""
        for folder in self._cache_root.glob(f"{self.name}-*"):
            with suppress(OSError, ValueError, KeyError, DataError):
                made_from = json.loads((folder / MADE_FROM).read_text(encoding="utf-8"))
                if _identity(made_from["facts"], folder) == identity:
                    return _listed(_differing(made_from["files"], self.contents))
        return ""

    def factor(self, record: ImageRecord, name: str) -> object:
        """Return what a label's stored values are multiplied with, where the files of one data set may differ in it."""
        return None

    def remarks(self) -> list[str]:
        """Return what the headers of the files say and a user should know, a line each."""
        return remarks(record.files for records in self.records.values() for record in records)

    def read(self, record: ImageRecord) -> dict[str, Array]:
        """Decode one image and fit it to `size`."""
        try:
            raw = self.decode(record)
        except (OSError, ValueError, KeyError, IndexError) as error:
            names = ", ".join(str(path) for path in dict.fromkeys(record.files.values()))
            raise DataError(f"image {record.key!r} cannot be decoded: {error}; its files: {names}") from error
        if self._new_labels is not None and "segmentation" in raw.labels:
            raw = RawImage(raw.image, {**raw.labels, "segmentation": self._new_labels[raw.labels["segmentation"]]})
        return fit(raw, record, self.size, self.facts, self.fit or "crop" * self.crop)

    def job(self) -> tuple[str, Mapping[str, Any], str]:
        """Return the plain data from which a worker builds the source again: it need not list the files once more."""
        kind = type(self)
        recipe = {
            "source": f"{kind.__module__}:{kind.__qualname__}",
            "folder": str(self.root),
            "arguments": self.arguments(),
            "records": {
                split: [[r.key, r.group, {role: str(path) for role, path in r.files.items()}, r.index] for r in records]
                for split, records in self.records.items()
            },
        }
        return f"{__name__}:images", recipe, f"reading {self.name}"


def changed_data(began: str | None, source: DataSource) -> str:
    """How data differ from those that a search or a training began with, as a sentence with the way out; "" if not.

    `began` was written down at the start, None where nothing was. Earlier versions wrote down the fingerprint, a digest
    of the files' names and sizes, which still counts. The data are prepared where they were not yet.
    """
    if began is None or began == source.info.fingerprint or began == source.info.identity:
        return ""
    files = source.changed_since(began) if isinstance(source, FolderSource) else ""
    return (
        f"the data {source.info.name!r} has another content than when the search began"
        f"{f' ({files})' if files else ''}, and results on different data are not comparable. Put it back."
    )


def images(recipe: Mapping[str, Any]) -> Callable[[str, int], Mapping[str, Array]]:
    """Return the function that reads the arrays of one image of a split; called in the workers with `job`'s recipe."""
    module, _, name = recipe["source"].partition(":")
    source: FolderSource = getattr(importlib.import_module(module), name)(recipe["folder"], **recipe["arguments"])

    def one(split: str, index: int) -> Mapping[str, Array]:
        key, group, files, place = recipe["records"][split][index]
        return source.read(ImageRecord(key, group, {role: Path(path) for role, path in files.items()}, place))

    return one


def _identity(facts: Mapping[str, Any], folder: Path) -> str:
    meaning = {name: value for name, value in facts.items() if name != "trusted"}
    return store.fingerprint({"facts": meaning, "arrays": store.digests(folder)})


def _differing(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return sorted((n for n in {**before, **after} if before.get(n) != after.get(n)), key=natural)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more files" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}" if names else ""
