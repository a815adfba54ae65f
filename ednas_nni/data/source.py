"""The contract of a data source, one split of it as plain arrays, and the sources whose arrays lie in the cache."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ednas_nni.data import cache as store
from ednas_nni.data.audit import note
from ednas_nni.data.info import SPLITS, Array, DataInfo
from ednas_nni.data.kinds import label_kind
from ednas_nni.errors import DataError, StudyError, did_you_mean
from ednas_nni.plugins import Group
from ednas_nni.study.options import check_complete, check_options
from ednas_nni.study.plain_data import absolute


@dataclass(frozen=True, eq=False)
class Split:
    """One split: arrays whose first axis counts images.

    The arrays are normally memory-mapped and read-only: indexing copies only the pages that are touched, and many
    processes share one copy in the page cache.

    Attributes:
        arrays: `image` uint8 (N, H, W, 3) RGB, and each of `info.targets` as its label kind has it: `segmentation`
            uint8 (N, H, W) with `info.ignore_index` for pixels without a class; `depth` float32 (N, H, W) in
            `info.depth_unit`, 0 = invalid; `normals` float16 or float32 (N, H, W, 3), unit vectors (x right, y up, z
            towards the camera), zero vector = invalid.
        opened_by: Who opened it; only the test split needs it.
    """

    name: str
    info: DataInfo
    arrays: Mapping[str, Array]
    opened_by: str | None = None

    def __post_init__(self) -> None:
        height, width = self.info.size
        for name in ("image", *self.info.targets):
            if name not in self.arrays:
                raise DataError(f"split {self.name!r} of {self.info.name!r} lacks the array {name!r} it announces")
            shape = self.arrays[name].shape
            if shape[:3] != (self.info.counts[self.name], height, width):
                raise DataError(
                    f"array {name!r} of split {self.name!r} has shape {shape}; expected "
                    f"({self.info.counts[self.name]}, {height}, {width}, ...)"
                )

    def __len__(self) -> int:
        return len(self.arrays["image"])

    def target(self, name: str) -> Array:
        """Return the array of `image` or of a label; see `arrays` for shapes and units."""
        if name not in self.arrays:
            raise DataError(f"data set {self.info.name!r} has no target {name!r}.{did_you_mean(name, self.arrays)}")
        return self.arrays[name]

    @property
    def image(self) -> Array:
        """RGB images, uint8 (N, H, W, 3)."""
        return self.target("image")

    @property
    def segmentation(self) -> Array:
        """Class labels, uint8 (N, H, W), `info.ignore_index` = no class."""
        return self.target("segmentation")

    @property
    def depth(self) -> Array:
        """Depth along the optical axis, float32 (N, H, W), 0 = invalid."""
        return self.target("depth")

    @property
    def normals(self) -> Array:
        """Surface normals, float16/float32 (N, H, W, 3), zero vector = invalid."""
        return self.target("normals")


@runtime_checkable
class DataSource(Protocol):
    """A data set that a study can name.

    Constructor arguments are plain data, so that a study file can hold them. Building one is cheap: nothing is
    rendered, downloaded or read before `prepare` or `split`.
    """

    @property
    def info(self) -> DataInfo:
        """Facts about the data set, known before anything is read."""

    def prepare(self, progress: bool = True) -> None:
        """Make the data ready once for all processes of this machine."""

    def split(self, name: str, opened_by: str | None = None) -> Split:
        """Open one split; `test` needs `opened_by`."""


DATASETS: Group[Callable[..., DataSource]] = Group("datasets")


def check_opening(name: str, opened_by: str | None) -> None:
    """Reject a split that does not exist, and `test` without a named reader, e.g. `final evaluation`."""
    if name not in SPLITS:
        raise DataError(f"split is {name!r}, which does not exist.{did_you_mean(name, SPLITS)}")
    if name == "test" and not opened_by:
        raise DataError(
            "split 'test' is kept closed while a search runs, because numbers chosen on it would flatter; name who "
            "reads it, e.g. split('test', opened_by='final evaluation'), or use 'select' to pick among networks"
        )


class CachedSource(ABC):
    """A data set whose arrays are made once, in parallel, and kept in the cache that all processes share."""

    @property
    @abstractmethod
    def info(self) -> DataInfo:
        """Facts about the data set, known before any array is made."""

    @abstractmethod
    def recipe(self) -> dict[str, Any]:
        """Return plain data that determines every pixel; the fingerprint is its digest."""

    def stored_recipe(self) -> dict[str, Any]:
        """Return what the cached arrays must have been made from: the recipe, or more."""
        return self.recipe()

    @property
    @abstractmethod
    def cache_folder(self) -> Path:
        """Where the arrays are kept."""

    @abstractmethod
    def job(self) -> tuple[str, Mapping[str, Any], str]:
        """Return what `ednas_nni.data.produce.produce` needs: task, its recipe, and what the progress bar says."""

    def prepare(self, progress: bool = True) -> None:
        """Make the arrays unless the cache holds them; safe to call from several processes at once.

        `progress` shows a bar on standard error when it takes longer than a moment.
        """
        if not self.cache_folder.exists():
            store.ensure(self.cache_folder, self.stored_recipe(), lambda staging: self._make(staging, progress))

    def alone(self, name: str, opened_by: str | None = None) -> Split:
        """As `split`, but without making the other splits where nothing is cached yet."""
        if self.cache_folder.exists():
            return self.split(name, opened_by)
        check_opening(name, opened_by)
        folder, recipe = self.cache_folder.with_name(f"{self.cache_folder.name}-{name}"), self.stored_recipe()
        store.ensure(folder, recipe, lambda staging: self._make(staging, True, (name,)))
        return self._opened(folder, name, opened_by)

    def _make(self, staging: Path, progress: bool, splits: Sequence[str] = SPLITS) -> None:
        from ednas_nni.data.produce import produce  # tqdm: only where arrays are made

        shapes: dict[str, tuple[str, tuple[int, ...]]] = {"image": ("uint8", (*self.info.size, 3))}
        for name in self.info.targets:
            kind = label_kind(name)
            shapes[name] = (kind.dtype, (*self.info.size, *kind.channels))
        task, recipe, title = self.job()
        counts = {name: count for name, count in self.info.counts.items() if name in splits}
        produce(staging, shapes, counts, task=task, recipe=recipe, title=title, progress=progress)

    def split(self, name: str, opened_by: str | None = None) -> Split:
        """Open a split, memory-mapped and verified, making the arrays first when needed.

        `opened_by` says who reads it; `test`, whose openings are written down, needs it. DataError: unknown split,
        `test` without a reader, an image that cannot be made, or a damaged cache.
        """
        check_opening(name, opened_by)
        self.prepare()
        return self._opened(self.cache_folder, name, opened_by)

    def _opened(self, folder: Path, name: str, opened_by: str | None) -> Split:
        if name == "test":
            note(self.info, str(opened_by), self.cache_folder.parent)
        names = ("image", *self.info.targets)
        arrays = store.open_arrays(folder, self.stored_recipe(), [f"{name}_{array}" for array in names])
        return Split(name, self.info, {array: arrays[f"{name}_{array}"] for array in names}, opened_by)


def open_source(data: Mapping[str, Any], size: tuple[int, int]) -> DataSource:
    """Build a data set from `{"name": a registered data set, ...its options}`; nothing is read or rendered yet.

    `size` is the (height, width) in pixels that batches must have, passed on as the option `size`. PluginError: the
    name is unknown. StudyError: an option is unknown or contradicts `size`, or `folder` is a relative path.
    """
    name = data["name"]
    options = {key: value for key, value in data.items() if key != "name"}
    if "size" in options and tuple(options["size"]) != tuple(size):
        raise StudyError(f"data.size is {tuple(options['size'])}, but train_size is {tuple(size)}. Drop data.size.")
    if options.get("folder") is not None:
        absolute(str(options["folder"]), StudyError, "data.folder")
    options["size"] = tuple(size)
    factory = DATASETS.load(name)
    check_options(factory, options, "data")
    check_complete(factory, options, "data")
    source = factory(**options)
    if not isinstance(source, DataSource):
        raise StudyError(
            f"data: {name!r} makes a {type(source).__name__}, not a data source. See `ednas plugins datasets`."
        )
    if tuple(source.info.size) != tuple(size):
        raise StudyError(f"train_size is {tuple(size)}, but data set {name!r} has images of {tuple(source.info.size)}.")
    return source
