"""The table of a manifest: CSV or JSON lines, read strictly; every fault names file and line."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ednas_nni.data.info import SPLITS
from ednas_nni.data.kinds import OPEN, all_kinds, columns
from ednas_nni.errors import DataError, did_you_mean, hidden, quoted

_OTHER_NAMES = {
    "rgb": "image", "img": "image", "images": "image", "scale": "depth_scale", "kind": "depth_kind", "scene": "group",
    "city": "group", "sequence": "group", "fold": "split", "subset": "split",
}  # fmt: skip
_MOST_FAULTS = 6


@dataclass(frozen=True)
class Row:
    """One image of a manifest; `line` counts from 1.

    Attributes:
        files: The image and what belongs to it, by role: `image`, names of label kinds, names of their masks.
        details: What further columns of the label kinds say, e.g. `depth_scale` and `ignore`; empty cells are left out.
        group: Images of one group stay in one split.
        split: One of the four splits, `""` where the manifest leaves it open.
    """

    line: int
    files: Mapping[str, Path]
    details: Mapping[str, Any]
    group: str
    split: str


@dataclass(frozen=True)
class ManifestTable:
    """A parsed manifest; `same` is what all images share, by column, e.g. `depth_kind`."""

    path: Path
    rows: tuple[Row, ...]
    same: Mapping[str, Any]

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the label kinds that at least one image has."""
        return tuple(kind.name for kind in all_kinds() if any(kind.name in row.files for row in self.rows))


def read_table(path: Path, allow_outside: bool = False) -> ManifestTable:
    """Read `*.csv` with a heading, or `*.jsonl` with one object a line; every file must exist, no image is opened.

    `allow_outside` accepts absolute paths and such that lead out of the manifest's folder. DataError has a line per
    fault, each with file, line, value and way out.
    """
    rows: list[Row] = []
    faults: list[str] = []
    for line, cells in _cells(path):
        try:
            rows.append(_row(path.parent, line, cells, allow_outside))
        except ValueError as fault:
            faults.append(f"{path}:{line}: {fault}")
    same: dict[str, dict[Any, int]] = {}
    for kind in all_kinds():
        for name, empty in kind.same.items():
            for row in rows:
                if kind.name in row.files:
                    same.setdefault(name, {}).setdefault(row.details.get(name, empty), row.line)
    if not faults:
        faults = _open(path, rows) or _across(path, rows, same)
    if faults:
        more = [f"{path}: and {len(faults) - _MOST_FAULTS} more faults"] if len(faults) > _MOST_FAULTS else []
        raise DataError("\n".join(faults[:_MOST_FAULTS] + more))
    if not rows:
        raise DataError(
            f"{path}: lists no image. Write one line per image below the heading; `ednas data init` drafts it."
        )
    return ManifestTable(path, tuple(rows), {name: next(iter(lines)) for name, lines in same.items()})


def leads_out(path: Path) -> bool:
    """Whether a manifest names a file outside of its folder; not, where it cannot be read."""
    paths = {"image", *(name for kind in all_kinds() for name in (kind.column, kind.mask))}
    try:
        cells = [cell for _, row in _cells(path) for name, cell in row.items() if name in paths]
        return not all(_below(path.parent, _meant(path.parent, cell)) for cell in cells if isinstance(cell, str))
    except DataError:
        return False


def _meant(folder: Path, cell: str) -> Path:
    """The path that a cell names, in Windows' writing too."""
    written = cell if "\\" not in cell or os.path.lexists(folder / cell) else cell.replace("\\", "/")
    return Path(os.path.normpath(folder / written))


def _below(folder: Path, path: Path) -> bool:
    """Whether a path stays in the folder. Links are not resolved: the folder's owner put them there."""
    return path.is_relative_to(os.path.normpath(folder))


def _cells(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and filled cells of each row."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such manifest. `ednas data init FOLDER` drafts one.") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder; name the manifest in it. `ednas data init {path}` drafts one.") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not a text file in UTF-8; save it as CSV or JSON lines in UTF-8.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from None
    if path.suffix == ".csv":
        yield from _csv(path, text)
    elif path.suffix == ".jsonl":
        yield from _json_lines(path, text)
    else:
        raise DataError(f"{path}: a manifest ends in .csv or .jsonl; {path.suffix or 'no ending'!r} is neither.")


def _csv(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    names: list[str] = []
    try:
        for values in reader:
            if not any(values):
                continue
            if not names:
                names = [value.strip() for value in values]
                _check_names(path, reader.line_num, names)
                continue
            if len(values) != len(names):
                raise DataError(
                    f"{path}:{reader.line_num}: has {len(values)} cells, the heading {len(names)} "
                    f"({', '.join(names)}). Leave a cell empty for a missing label, and quote names that hold a comma."
                )
            cells = {name: value.strip() for name, value in zip(names, values, strict=True)}
            yield reader.line_num, {name: value for name, value in cells.items() if value}
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: is not CSV: {error}.") from None


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, content in enumerate(text.splitlines(), 1):
        if not content.strip():
            continue
        try:
            cells = json.loads(content)
        except ValueError as error:
            raise DataError(f"{path}:{line}: is not JSON: {error}. Write one object per line.") from None
        except RecursionError:
            raise DataError(f"{path}:{line}: is nested without end. Write one object per line.") from None
        if not isinstance(cells, dict):
            raise DataError(f'{path}:{line}: is {content[:40]!r}; write an object, for example {{"image": "a.png"}}.')
        _check_names(path, line, list(cells), heading=False)
        yield line, {name: value for name, value in cells.items() if value not in (None, "", [])}


def _check_names(path: Path, line: int, names: list[str], heading: bool = True) -> None:
    allowed = columns()
    for name in names:
        if name in allowed:
            continue
        if len(names) == 1 and any(mark in name for mark in ";\t"):
            raise DataError(f"{path}:{line}: the columns are not separated by commas; save it with commas.")
        meant = _OTHER_NAMES.get(name.lower()) or next((k.column for k in all_kinds() if name.lower() in k.words), None)
        hint = f" Did you mean {meant!r}? Allowed: {', '.join(allowed)}." if meant else did_you_mean(name, allowed)
        raise DataError(f"{path}:{line}: unknown column {name!r}.{hint}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path}:{line}: column {twice[0]!r} is given twice; keep one.")
    if heading and "image" not in names:
        raise DataError(f"{path}:{line}: the heading lacks the column 'image'. Allowed: {', '.join(allowed)}.")


def _row(folder: Path, line: int, cells: Mapping[str, Any], allow_outside: bool) -> Row:
    """One row; ValueError, whose text lacks file and line, where a cell is wrong."""
    if "image" not in cells:
        raise ValueError("image: is empty; every line needs one.")
    files = {"image": _path(folder, "image", cells["image"], allow_outside)}
    details: dict[str, Any] = {}
    for kind in all_kinds():
        if kind.column in cells:
            files[kind.name] = _path(folder, kind.column, cells[kind.column], allow_outside)
            if kind.mask in cells:
                files[kind.mask] = _path(folder, kind.mask, cells[kind.mask], allow_outside)
        details |= {
            name: OPEN if cells[name] == OPEN else parse(cells[name])
            for name, parse in kind.details.items()
            if name in cells
        }
    split = str(cells.get("split", ""))
    if split and split not in SPLITS:
        official = " An official validation or test set is `test` here." if split.startswith("val") else ""
        raise ValueError(f"split = {quoted(split)}: unknown.{official}{did_you_mean(split, SPLITS)}")
    # An image without a group is a group of its own.
    return Row(line, files, details, str(cells.get("group", "")) or f"image {files['image']}", split)


def _path(folder: Path, name: str, value: Any, allow_outside: bool) -> Path:
    if not isinstance(value, str):
        raise ValueError(f"{name} = {quoted(value)}: must be the name of a file.")
    if control := hidden(value):
        raise ValueError(f"{name} = {quoted(value)}: holds the control character {control}; rename the file.")
    path = _meant(folder, value)
    if not allow_outside and not _below(folder, path):
        raise ValueError(
            f"{name} = {value!r}: leads out of the manifest's folder. Move the manifest above all files, or set the "
            "data's option `allow_outside: true` if you trust it."
        )
    try:
        there = path.is_file()
    except OSError as error:
        raise ValueError(f"{name} = {quoted(value)}: cannot be read ({error.strerror}).") from None
    if not there:
        raise ValueError(f"{name} = {value!r}: there is no file {path}. Paths count from the manifest's folder.")
    return path


def _open(path: Path, rows: list[Row]) -> list[str]:
    """Cells that a draft left open, with what each asks."""
    faults = []
    for kind in all_kinds():
        for name in kind.details:
            asking = [row for row in rows if kind.name in row.files and row.details.get(name) == OPEN]
            if asking:
                asks = kind.question(name, [row.files[kind.name] for row in asking])
                lines = f" in {len(asking)} lines" if len(asking) > 1 else ""
                fault = f"{path}:{asking[0].line}: {name} is {OPEN!r}{lines}, to be filled: {asks}".rstrip(": ")
                fill = f"`ednas data init {shlex.quote(str(path.parent))} --fill {name}=CELL` fills all of them."
                faults.append(f"{fault}\n  {fill}" if path.name == "manifest.csv" else fault)
    return faults


def _across(path: Path, rows: list[Row], same: Mapping[str, Mapping[Any, int]]) -> list[str]:
    """Faults that no single row shows."""
    for name, lines in same.items():
        if len(lines) > 1:
            values = " and ".join(f"{value!r} (line {line})" for value, line in lines.items())
            return [f"{path}: {name} is {values}; one data set has one value. Make a manifest for each."]
    faults, images, groups = [], dict[Path, int](), dict[str, Row]()
    for row in rows:
        image = row.files["image"]
        first = images.setdefault(image, row.line)
        if first != row.line:
            faults.append(f"{path}:{row.line}: image {image} stands in line {first} already; keep one of them.")
        other = groups.setdefault(row.group, row)
        if other.split != row.split:
            faults.append(
                f"{path}:{row.line}: group {row.group!r} is in split {row.split or 'left open'!r} here and in "
                f"{other.split or 'left open'!r} in line {other.line}; images of one group belong into one split."
            )
    return faults
