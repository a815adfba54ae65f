"""The data set ``manifest``: a user's own images and labels, listed in a table."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from ednas_nni.data.layouts.base import FolderSource, Raw, Record
from ednas_nni.data.layouts.manifest_files import read_classes, read_depth, read_image, read_normals
from ednas_nni.data.layouts.manifest_table import Row, Table, read_table
from ednas_nni.data.layouts.reading import check_axes, read_lines
from ednas_nni.errors import DataError, shown

CLASSES_FILE = "classes.txt"
FILES = ("manifest.csv", "manifest.jsonl")
_TARGETS = {"seg": "segmentation", "depth": "depth", "normals": "normals"}
_UNITS = {"metric": ("m",), "inverse": ("1/m", "1"), "disparity": ("px",)}
_MOST_CLASSES = 255
_VALUE = re.compile(r"-?[0-9]{1,9}")


class Manifest(FolderSource):
    """Images with any subset of labels, one line each in a CSV or JSON-lines file.

    Columns are ``image`` and any of ``seg``, ``depth``, ``normals``, ``depth_kind``, ``depth_scale``, ``ignore``,
    ``group`` and ``split``. An empty cell is a missing label: that image does not count for that task. Splits that the
    column ``split`` does not name are cut from its training images by group. docs/data.md tells the rest.
    """

    name = "manifest"

    def __init__(
        self,
        folder: str | os.PathLike[str],
        size: tuple[int, int] = (64, 128),
        search: float = 0.1,
        select: float = 0.1,
        test: float = 0.15,
        seed: int = 0,
        crop: bool = False,
        file: str | None = None,
        classes: list[str] | int | None = None,
        depth_unit: str | None = None,
        depth_max: float | None = None,
        normal_axes: list[str] | tuple[str, ...] = ("x", "y", "z"),
        allow_outside: bool = False,
        cache: str | os.PathLike[str] | None = None,
    ) -> None:
        """Describe the data set; nothing is read yet.

        Args:
            folder: The folder of the manifest; its paths count from here.
            size: Height and width in pixels of the images to make.
            search: Share or number of images that score candidates, where the manifest does not say.
            select: Share or number of images that choose among finalists, where the manifest does not say.
            test: Share or number of images for the final evaluation, where the manifest does not say.
            seed: Another seed cuts other groups.
            crop: Cut the middle out of images of another aspect ratio than ``size``.
            file: The manifest's name; ``manifest.csv`` or ``manifest.jsonl`` by default.
            classes: Class names in the order of label values 0, 1, ..., or their number; by default ``classes.txt``
                beside the manifest: one name a line, or ``VALUE: NAME``.
            depth_unit: ``m``, ``1/m``, ``px``, or ``1`` for inverse depth without a unit; by default that of the kind.
            depth_max: Depths beyond, in ``depth_unit``, are invalid.
            normal_axes: What the three channels of stored normals hold: x right, y up, z towards the camera.
            allow_outside: Accept absolute paths and such that leave the folder.
            cache: Cache folder; ``$EDNAS_CACHE`` or ``~/.cache/ednas`` when ``None``.

        Raises:
            DataError: The folder or the manifest does not exist, or an option is out of range.
        """
        self.test = test
        self.axes = check_axes(normal_axes)
        self.allow_outside = bool(allow_outside)
        self._file, self._classes, self._unit = file, classes, depth_unit
        if depth_max is not None and not depth_max > 0:
            raise DataError(f"depth_max is {depth_max!r}; it must be above 0, in the unit of the depth")
        self.depth_max = depth_max
        options = {
            "test": test,
            "file": file,
            "classes": classes,
            "depth_unit": depth_unit,
            "depth_max": depth_max,
            "normal_axes": self.axes,
            "allow_outside": self.allow_outside,
        }
        super().__init__(folder, size, search, select, seed, crop, cache, options)
        self.path = self.folder / (file or next((f for f in FILES if (self.folder / f).exists()), FILES[0]))

    @cached_property
    def table(self) -> Table:
        """The parsed manifest."""
        return read_table(self.path, self.allow_outside)

    @property
    def targets(self) -> tuple[str, ...]:
        """Labels that at least one image has."""
        found = tuple(_TARGETS[name] for name in self.table.labels)
        if not found:
            raise DataError(f"{self.path}: names no label. Add a column seg, depth or normals.")
        return found

    @property
    def depth_kind(self) -> str:
        """The column ``depth_kind``."""
        return self.table.depth_kind

    @property
    def depth_unit(self) -> str:
        """The option ``depth_unit``, or the usual unit of the kind."""
        allowed = _UNITS[self.depth_kind]
        if self._unit is not None and self._unit not in allowed:
            raise DataError(
                f"depth_unit is {self._unit!r}, but depth of the kind {self.depth_kind!r} is in {' or '.join(allowed)}"
            )
        return self._unit or allowed[0]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; empty without segmentation."""
        return tuple(self._named.values()) if "segmentation" in self.targets else ()

    @cached_property
    def _named(self) -> dict[int, str]:
        """Class name by stored value, in the order of labels."""
        given, path = self._classes, self.folder / CLASSES_FILE
        if given is None and not path.exists():
            raise DataError(
                f"{path}: is missing, so the classes of the column seg have no names. Write one name a line, in the "
                "order of the label values 0, 1, ... (`ednas data init` drafts it), or set the data's option `classes`."
            )
        if given is None:
            return class_values(path)
        names = [f"class {value}" for value in range(given)] if isinstance(given, int) else [str(n) for n in given]
        if isinstance(given, bool) or not 2 <= len(names) <= _MOST_CLASSES or len(set(names)) < len(names):
            raise DataError(f"classes is {given!r}; give 2 to {_MOST_CLASSES} different names, or their number")
        return dict(enumerate(names))

    @cached_property
    def _rows(self) -> dict[str, Row]:
        return {self._key(row): row for row in self.table.rows}

    def _key(self, row: Row) -> str:
        return Path(os.path.relpath(row.image, self.folder)).as_posix()

    @property
    def where(self) -> Path:
        """The manifest."""
        return self.path

    def listed(self) -> dict[str, Sequence[Record]]:
        """Return the images as the column ``split`` says; those that it leaves open are for training."""
        given: dict[str, list[Record]] = {}
        for key, row in self._rows.items():
            files = {"image": row.image, **{_TARGETS[name]: path for name, path in row.labels.items()}}
            given.setdefault(row.split or "train", []).append(Record(key, row.group, files))
        if "train" not in given:
            raise DataError(
                f"{self.path}: has no image for training. Write `train` into the column split, or leave it empty."
            )
        return dict(given)

    def recipe(self) -> dict[str, object]:
        """Return what determines every pixel: beside options and files also what the manifest says of them."""
        told = [[key, row.depth_scale, list(row.ignore)] for key, row in sorted(self._rows.items())]
        named = list(self._named.items()) if "segmentation" in self.targets else []
        text = json.dumps([self.depth_kind, named, told])
        return {**super().recipe(), "table": hashlib.sha256(text.encode()).hexdigest()[:32]}

    def decode(self, record: Record) -> Raw:
        """Read one image and the labels it has."""
        row, files = self._rows[record.key], record.files
        labels = {value: label for label, value in enumerate(self._named)} if "segmentation" in files else {}
        return Raw(
            image=read_image(files["image"]),
            segmentation=read_classes(files["segmentation"], labels, row.ignore) if labels else None,
            depth=read_depth(files["depth"], row.depth_scale) if "depth" in files else None,
            normals=read_normals(files["normals"], self.axes) if "normals" in files else None,
        )


def class_values(path: Path) -> dict[int, str]:
    """Read ``classes.txt``.

    Args:
        path: One name a line, in the order of the values 0, 1, ...; or ``VALUE: NAME`` on every line.

    Returns:
        Name by stored value, in the order of the lines: the first line becomes label 0.

    Raises:
        DataError: The two forms are mixed, a value or a name occurs twice, or there are too few or too many lines.
    """
    lines = read_lines(path)
    parted = [line.partition(":") for line in lines]
    valued = [bool(colon) and _VALUE.fullmatch(value.strip()) is not None for value, colon, _ in parted]
    if any(valued) and not all(valued):
        odd = next(line for line, has in zip(lines, valued, strict=True) if not has)
        raise DataError(
            f"{path}: the line {shown(odd)} has no value, others have one. Write `VALUE: NAME` on every line."
        )
    found: dict[int, str] = {}
    for number, line in enumerate(lines):
        value = int(parted[number][0]) if all(valued) else number
        name = parted[number][2].strip() if all(valued) else line
        if value in found or name in found.values() or not name:
            raise DataError(f"{path}: the line {shown(line)} repeats a value or a name, or names nothing; change it.")
        found[value] = name
    if not 2 <= len(found) <= _MOST_CLASSES:
        raise DataError(f"{path}: names {len(found)} classes; there must be 2 to {_MOST_CLASSES}, one a line.")
    return found
