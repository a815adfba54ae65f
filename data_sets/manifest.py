"""The data set `manifest`: a user's own images and labels, listed in a table."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from data_sets.geometry import normals_from_depth, reach, read_camera
from data_sets.manifest_table import ManifestTable, Row, leads_out, read_table
from data_sets.writing import empty_folder, save
from ednas_nni.data.class_names import CLASSES_FILE
from ednas_nni.data.class_table import MOST_CLASSES, REST, ClassTable, read_classes
from ednas_nni.data.drafting import FILES, as_csv
from ednas_nni.data.headers import remarks
from ednas_nni.data.info import SPLITS, Array, DepthKind, LabelFacts
from ednas_nni.data.kinds import Storage, all_kinds, label_kind
from ednas_nni.data.layouts.base import FolderSource
from ednas_nni.data.layouts.fitting import alike
from ednas_nni.data.layouts.record import ImageRecord, RawImage
from ednas_nni.data.reading import check_axes, read_image, read_map
from ednas_nni.data.source import DataSource
from ednas_nni.errors import DataError, did_you_mean

_UNITS: dict[DepthKind, tuple[str, ...]] = {"metric": ("m",), "inverse": ("1/m", "1"), "disparity": ("px",)}


@dataclass(eq=False)
class Manifest(FolderSource):
    """Images with any subset of labels, one line each in a CSV or JSON-lines file.

    Columns are `image`, those of each label kind (`seg` and `ignore`; `depth`, `depth_kind` and `depth_scale`;
    `normals`; those of plug-ins), `group` and `split`. An empty cell is a missing label: that image does not count for
    that task. Splits that the column `split` does not name are cut from its training images by group. docs/data.md
    tells the rest.

    Attributes:
        folder: Of the manifest.
        test: Share or number of images for the final evaluation, where no row says `test`.
        file: By default `manifest.csv` or `manifest.jsonl`.
        classes: Names for the values 0, 1, ..., or their number; by default `classes.txt`.
        depth_unit: `m`, `1/m`, `px`, or `"1"` (in quotes), inverse depth without a unit; by default that of the kind.
        depth_max: Depths beyond, in `depth_unit`, are invalid.
        normal_axes: What the channels of normals hold: x right, y up, z towards the camera.
        allow_outside: Paths may leave the folder.
        depth_along: As the column, which goes first.
        depth_focal: As the column, which goes first.
        upright: Turn images as EXIF says.
        normals: `stored`, or `from_depth`, by the `camera`.
        camera: Of the depth files: a JSON file, or a mapping, of `width`, `height`, `fx`, `fy`, `cx`, `cy` in pixels.
    """

    name: ClassVar[str] = "manifest"

    size: tuple[int, int] = (64, 128)
    test: float = 0.15
    file: str | None = None
    classes: list[str] | int | None = None
    depth_unit: str | None = None
    depth_max: float | None = None
    normal_axes: list[str] | tuple[str, ...] = ("x", "y", "z")
    allow_outside: bool = False
    depth_along: str = "axis"
    depth_focal: float | None = None
    upright: bool = True
    normals: str = "stored"
    camera: str | dict[str, float] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normal_axes = check_axes(self.normal_axes)
        self.allow_outside, self.upright = bool(self.allow_outside), bool(self.upright)
        if self.depth_max is not None and not self.depth_max > 0:
            raise DataError(f"depth_max is {self.depth_max!r}; it must be above 0, in the unit of the depth")
        if self.normals not in ("stored", "from_depth"):
            raise DataError(f"normals is {self.normals!r}; it must be stored or from_depth")
        if (self.normals == "from_depth") != (self.camera is not None):
            raise DataError("normals: from_depth needs the option `camera`, and no other normals do")
        self._camera = read_camera(self.camera, self.root) if self.camera is not None else None
        parse = label_kind("depth").details
        given = {"depth_along": self.depth_along, "depth_focal": self.depth_focal}
        try:
            self._usual = {name: parse[name](value) for name, value in given.items() if value is not None}
        except ValueError as error:
            raise DataError(str(error)) from None
        self.path = self.root / self.file if self.file else _in(self.root)

    def shares(self) -> dict[str, float]:
        """All splits may be cut out of the training images."""
        return {**super().shares(), "test": self.test}

    @cached_property
    def table(self) -> ManifestTable:
        """The parsed manifest."""
        return read_table(self.path, self.allow_outside)

    def described(self) -> LabelFacts:
        """The labels that at least one image has."""
        targets = self.table.labels
        if not targets:
            raise DataError(
                f"{self.path}: names no label. Add a column {', '.join(kind.column for kind in all_kinds())}."
            )
        if self._camera is not None:
            if "depth" not in targets or "normals" in targets or self._depth_kind != "metric":
                raise DataError(
                    f"{self.path}: normals: from_depth needs a column depth, of the kind metric, and none of normals; "
                    f"there are {', '.join(targets)}, depth of the kind {self._depth_kind}."
                )
            targets = (*targets, "normals")
        allowed = _UNITS[self._depth_kind]
        if self.depth_unit is not None and self.depth_unit not in allowed:
            raise DataError(
                f"depth_unit is {self.depth_unit!r}, but depth of the kind {self._depth_kind!r} is in "
                f"{' or '.join(allowed)}"
            )
        return LabelFacts(
            targets=targets,
            classes=self._classes.names,
            depth_kind=self._depth_kind,
            depth_unit=self.depth_unit or allowed[0],
            depth_max=self.depth_max,
        )

    @property
    def _depth_kind(self) -> DepthKind:
        return self.table.same.get("depth_kind") or "metric"

    @cached_property
    def _classes(self) -> ClassTable:
        """Which class a stored value is; empty without segmentation."""
        if "segmentation" not in self.table.labels:
            return ClassTable({})
        given, path = self.classes, self.root / CLASSES_FILE
        if given is None and not path.exists():
            raise DataError(
                f"{path}: is missing, so the classes of the column seg have no names. Write one name a line, in the "
                "order of the label values 0, 1, ... (`ednas data init` drafts it), or set the data's option `classes`."
            )
        if given is None:
            return read_classes(path)
        names = [f"class {value}" for value in range(given)] if isinstance(given, int) else [str(n) for n in given]
        if isinstance(given, bool) or not 2 <= len(names) <= MOST_CLASSES or len(set(names)) < len(names):
            raise DataError(f"classes is {given!r}; give 2 to {MOST_CLASSES} different names, or their number")
        return ClassTable(dict(enumerate(names)))

    @cached_property
    def _rows(self) -> dict[str, Row]:
        return {Path(os.path.relpath(row.files["image"], self.root)).as_posix(): row for row in self.table.rows}

    @property
    def where(self) -> Path:
        """The manifest."""
        return self.path

    def listed(self) -> dict[str, Sequence[ImageRecord]]:
        """Return the images as the column `split` says; those that it leaves open are for training."""
        given: dict[str, list[ImageRecord]] = {}
        for key, row in self._rows.items():
            given.setdefault(row.split or "train", []).append(ImageRecord(key, row.group, row.files))
        if "train" not in given:
            raise DataError(
                f"{self.path}: has no image for training. Write `train` into the column split, or leave it empty."
            )
        return {**given}

    def recipe(self) -> dict[str, object]:
        """Return what determines every pixel: beside options and files also what the manifest says of them."""
        # The first two details are what stood here before label kinds were plug-ins: the digests stay.
        rows = [
            [key, row.details.get("depth_scale"), list(row.details.get("ignore", ())), *_others(row)]
            for key, row in sorted(self._rows.items())
        ]
        named = [*self._classes.named.items(), *([[REST, self._classes.rest]] if self._classes.rest else [])]
        text = json.dumps(
            [self._depth_kind, named, rows, *([vars(self._camera[0]), self._camera[1]] if self._camera else [])]
        )
        return {**super().recipe(), "table": hashlib.sha256(text.encode()).hexdigest()[:32]}

    def factor(self, record: ImageRecord, name: str) -> object:
        """Return the cell `depth_scale` for depth."""
        return self._rows[record.key].details.get("depth_scale") if name == "depth" else None

    def remarks(self) -> list[str]:
        """Return what the headers of the files say, given the option `upright`."""
        return remarks((r.files for records in self.records.values() for r in records), self.upright)

    def decode(self, record: ImageRecord) -> RawImage:
        """Read one image and the labels it has."""
        files = dict(record.files)
        path = files.pop("image")
        image = read_image(path, self.upright)
        details = {**self._usual, **self._rows[record.key].details}
        storage = Storage(details, self._classes, self.normal_axes, path, self.upright)
        masks = {kind.name: files.pop(kind.mask) for kind in all_kinds() if kind.mask in files}
        labels = {name: label_kind(name).read(path, storage) for name, path in files.items()}
        for name, path in masks.items():
            labels[name] = _masked(labels[name], read_map(path), label_kind(name).invalid(self.facts), path)
        if self._camera is not None and "depth" in labels:  # of any unit: directions do not depend on it
            camera, size = self._camera
            height, width = labels["depth"].shape
            if not alike((height, width), size):  # turned: its middle lies elsewhere
                raise DataError(
                    f"{record.file('depth')}: is {height} x {width}, the camera is for {size[0]} x {size[1]}. Leave "
                    "images of another shape out, or make them a data set with a camera of their own."
                )
            labels["normals"] = normals_from_depth(
                labels["depth"], camera.resized(size, (height, width)), *reach(height)
            )
        return RawImage(image, labels)

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        """It has a manifest."""
        return any((folder / name).is_file() for name in FILES)

    @classmethod
    def needs(cls, folder: Path) -> dict[str, object]:
        """`allow_outside`, where a path leads out of the folder."""
        return {"allow_outside": True} if leads_out(_in(folder)) else {}

    @staticmethod
    def write(source: DataSource, folder: str | os.PathLike[str], depth: str = "png") -> dict[str, object]:
        """Write `manifest.csv`, `classes.txt` and folders of pictures.

        `depth: png` is 16-bit PNG with a `depth_scale` that lets the largest depth fit, `npy` float32. A label that
        an image lacks entirely is an empty cell. Splits stay as they are.
        """
        if depth not in ("png", "npy"):
            raise DataError(f"depth is {depth!r}.{did_you_mean(depth, ('png', 'npy'))}")
        info, root = source.info, empty_folder(folder)
        if info.classes:
            (root / CLASSES_FILE).write_text("\n".join(info.classes) + "\n", encoding="utf-8")
        kinds = [label_kind(name) for name in info.targets]
        lines = []
        for name in SPLITS:
            split = source.split(name, opened_by="writing manifest" if name == "test" else None)
            storing = {
                kind.name: kind.storing(split.target(kind.name), info, kind.name == "depth" and depth == "npy")
                for kind in kinds
            }
            for number in range(len(split)):
                stem = f"{name}_{number:05d}"
                cells = {"image": save(root / "image" / f"{stem}.png", np.asarray(split.image[number])), "split": name}
                for kind in kinds:
                    values = np.asarray(split.target(kind.name)[number])
                    if kind.valid(values, info).any():
                        stored, details = storing[kind.name](values)
                        ending = "npy" if stored.dtype.kind == "f" else "png"
                        cells |= {kind.column: save(root / kind.column / f"{stem}.{ending}", stored), **details}
                lines.append(cells)
        (root / FILES[0]).write_text(as_csv(lines), encoding="utf-8", newline="")
        return {}


def _in(folder: Path) -> Path:
    """The manifest of a folder."""
    return next((path for path in (folder / name for name in FILES) if path.exists()), folder / FILES[0])


def _masked(values: Array, mask: Array, invalid: float, path: Path) -> Array:
    """Return the label without its pixels where the mask is 0."""
    if mask.shape != values.shape[:2]:
        raise DataError(f"{path}: is {mask.shape}, the label that it says the valid pixels of {values.shape[:2]}")
    covered = (mask > 0) if values.ndim == 2 else (mask > 0)[..., None]
    return np.where(covered, values, np.asarray(invalid, values.dtype))


def _others(row: Row) -> list[list[Any]]:
    shared = [name for kind in all_kinds() for name in kind.same]
    return sorted([n, v] for n, v in row.details.items() if n not in ("depth_scale", "ignore", *shared))
