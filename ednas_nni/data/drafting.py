"""Drafts a manifest for a folder of images and labels, and recognises the layouts that have readers of their own."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ednas_nni.data.layouts.cutting import block, natural
from ednas_nni.data.layouts.manifest import CLASSES_FILE, FILES
from ednas_nni.data.layouts.manifest_files import NEVER_CLASSES
from ednas_nni.data.layouts.reading import read_map
from ednas_nni.data.roles import INVERSE_WORDS, SPLIT_WORDS, SUFFIXES, assign, stripped, words
from ednas_nni.errors import DataError

MANY_GROUPS = 4
"""A manifest that leaves all splits open needs as many groups as there are splits."""
_MOST_FILES = 1_000_000
_MILLIMETRES = (200.0, 20_000.0)
_LOOK_AT = 8


def recognise(folder: Path) -> dict[str, object] | None:
    """Return ``{name, folder, ...}`` of the data set that a folder is, None if it is none of the known layouts."""
    told: dict[str, object] = {"folder": str(folder)}
    if (folder / "leftImg8bit").is_dir():
        return {"name": "cityscapes", **told}
    if (folder / "nyu_depth_v2_labeled.mat").is_file():
        return {"name": "nyuv2", **told}
    if any((folder / name).is_file() for name in ("nyu_v2_3task.json", "cityscape.json")):
        return {"name": "adashare", **told}
    if (folder / "gt_sets").is_dir() and (folder / "images").is_dir():
        return {"name": "nyud_mt", **told}
    if any((folder / "train" / "image").glob("*.npy")):
        return {"name": "mtan", **told}
    if any((folder / name).is_file() for name in FILES):
        return {"name": "manifest", **told}
    return None


@dataclass(frozen=True)
class Draft:
    """A drafted manifest; nothing is written yet.

    Attributes:
        rows: One dict of cells per image.
        classes: Stored values of the class maps that were looked at, without those that never are classes.
        guesses: What was assumed, each with the reason.
        left_out: Labels without an image, and files that look like nothing known, with the number of each.
    """

    rows: tuple[dict[str, str], ...]
    classes: tuple[int, ...]
    guesses: tuple[str, ...]
    left_out: Mapping[str, int]

    @property
    def columns(self) -> list[str]:
        """Columns that have a cell, in a fixed order."""
        order = ("image", "seg", "depth", "depth_kind", "depth_scale", "normals", "group", "split")
        return [name for name in order if any(name in row for row in self.rows)]

    def table(self) -> str:
        """The manifest as CSV."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()

    def names(self) -> str:
        """The draft of ``classes.txt``."""
        return "".join(f"{value}: class {value}\n" for value in self.classes)


def draft(folder: Path, tick: Callable[[], object] = lambda: None) -> Draft:
    """Look through a folder.

    Args:
        folder: What to look through, with its sub-folders; hidden ones are left out.
        tick: Called for each class map that is read.

    Returns:
        The draft.

    Raises:
        DataError: There is no image, two images cannot be told apart, or no image has a label.
    """
    files = _files(folder)
    roles = assign(files, folder)
    guesses: list[str] = []
    by_key: dict[str, dict[tuple[str, ...], Path]] = {role: {} for role in ("image", "seg", "depth", "normals")}
    for path in sorted(roles, key=lambda p: natural(p.as_posix())):
        known, key = by_key[roles[path]], stripped(path)
        if roles[path] == "image" and key in known:
            raise DataError(
                f"{folder / known[key]} and {folder / path} both look like the image {' '.join(key)!r}. Draft a "
                "manifest for each kind of image apart: `ednas data init` on a folder with only one of them"
            )
        known.setdefault(key, path)
    images = by_key.pop("image")
    if not images:
        raise DataError(f"{folder}: holds no images ({', '.join(SUFFIXES)}) that can be read")
    rows = []
    for key, image in images.items():
        row = {"image": image.as_posix()}
        row.update({role: labels[key].as_posix() for role, labels in by_key.items() if key in labels})
        rows.append(row)
    if not any(len(row) > 1 for row in rows):
        raise DataError(
            f"{folder}: holds {len(rows)} images, but no file that belongs to one of them as seg, depth or normals. "
            "A label must have the name of its image apart from words such as rgb, seg, depth or normals, for example "
            "rgb/kitchen_01.jpg and depth/kitchen_01.png"
        )
    depths = [row["depth"] for row in rows if "depth" in row]
    if depths:
        told, why = _depth(folder, depths)
        guesses.append(why)
        for row in rows:
            if "depth" in row:
                row.update(told)
    guesses += _splits(rows)
    guesses.append(_groups(rows, images))
    lonely = {f"{role} without an image": len(labels.keys() - images.keys()) for role, labels in by_key.items()}
    lonely["files that look like none of image, seg, depth, normals"] = len(files) - len(roles)
    maps = [row["seg"] for row in rows if "seg" in row]
    return Draft(
        rows=tuple(rows),
        classes=_values(folder, maps, tick),
        guesses=tuple(guess for guess in guesses if guess),
        left_out={what: number for what, number in lonely.items() if number},
    )


def _files(folder: Path) -> list[Path]:
    found = []
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        if path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in relative.parts):
            found.append(relative)
            if len(found) > _MOST_FILES:
                raise DataError(f"{folder}: holds more than {_MOST_FILES} files; name a folder below it")
    return found


def _depth(folder: Path, names: Sequence[str]) -> tuple[dict[str, str], str]:
    """Kind and scale of depth, and why."""
    values = [read_map(folder / name) for name in names[:: max(1, len(names) // _LOOK_AT)][:_LOOK_AT]]
    some = np.concatenate([v[np.isfinite(v) & (v > 0)].astype(np.float64).ravel() for v in values])
    median = float(np.median(some)) if len(some) else 0.0
    whole = values[0].dtype.kind != "f"
    if INVERSE_WORDS & set(words(Path(names[0]))):
        cells = {"depth_kind": "disparity", **({"depth_scale": repr(1 / 256)} if whole else {})}
        scaled = ", stored 256 times as large as KITTI and CityScapes do" if whole else ""
        return cells, f"depth is disparity in pixels{scaled}, because its path says so"
    if not whole:
        return {"depth_kind": "metric"}, f"depth is in metres, because it holds floats; their median is {median:.4g}"
    if _MILLIMETRES[0] <= median <= _MILLIMETRES[1]:
        return (
            {"depth_kind": "metric", "depth_scale": "0.001"},
            f"depth is in millimetres, because it holds whole numbers with a median of {median:.5g}",
        )
    return (
        {"depth_kind": "metric", "depth_scale": "1.0"},
        f"depth holds whole numbers with a median of {median:.5g}: depth_scale 1.0 is surely wrong, write the factor "
        "that turns them into metres",
    )


def _splits(rows: Sequence[dict[str, str]]) -> list[str]:
    """Official splits that folder names tell; images for training stay open, to be cut."""
    told = [next((SPLIT_WORDS[w] for w in words(Path(row["image"])) if w in SPLIT_WORDS), "") for row in rows]
    if len(set(told)) < 2:
        return []
    both = {"val", "test"} <= set(told)
    for row, split in zip(rows, told, strict=True):
        if split in ("val", "test"):
            row["split"] = "select" if both and split == "val" else "test"
    what = "validation images choose among finalists and test images give" if both else "validation images give"
    return [f"{what} the final numbers, because folders are named so; the others are cut by group"]


def _groups(rows: Sequence[dict[str, str]], keys: Mapping[tuple[str, ...], Path]) -> str:
    """Which images belong together, and why: neighbours in two splits would flatter."""
    open_rows = [(row, key) for row, key in zip(rows, keys, strict=True) if "split" not in row]
    by_folder = [" ".join(w for part in key[:-1] for w in part.split() if w not in SPLIT_WORDS) for _, key in open_rows]
    by_prefix = [re.sub(r"[\s\d]*\d+$", "", key[-1]).strip() for _, key in open_rows]
    for names, why in ((by_folder, "folder"), (by_prefix, "first part of the file's name")):
        counts = Counter(names)
        if len(counts) >= MANY_GROUPS and "" not in counts:
            for (row, _), name in zip(open_rows, names, strict=True):
                row["group"] = name
            return f"images with the same {why} are one group ({len(counts)} groups), so they share a split"
    for position, (row, _) in enumerate(open_rows):
        row["group"] = block(position, len(open_rows))
    number = len({row["group"] for row, _ in open_rows})
    return (
        f"names tell no scenes, so blocks of neighbouring files are groups ({number} groups); write real scenes into "
        "the column group if you know them"
    )


def _values(folder: Path, names: Sequence[str], tick: Callable[[], object]) -> tuple[int, ...]:
    """Stored values of class maps."""
    found: set[int] = set()
    for name in names:
        values = np.unique(read_map(folder / name))
        if values.dtype.kind == "f" and not (values == np.rint(values)).all():
            raise DataError(f"{folder / name}: looks like a class map by its name, but holds {values[0]:g} and others")
        found.update(int(value) for value in values)
        if len(found) > 260:
            raise DataError(
                f"{folder / name}: with it the class maps hold more than 255 values; they are probably no class maps"
            )
        tick()
    return tuple(sorted(found - set(NEVER_CLASSES)))


def write(drafted: Draft, folder: Path, force: bool = False) -> list[Path]:
    """Write ``manifest.csv`` and, with class maps, ``classes.txt``.

    Args:
        drafted: What to write.
        folder: Where.
        force: Replace files that exist.

    Returns:
        The files written.

    Raises:
        DataError: A file exists, or cannot be written.
    """
    texts = {folder / FILES[0]: drafted.table()}
    if drafted.classes:
        texts[folder / CLASSES_FILE] = drafted.names()
    there = [path for path in texts if path.exists()]
    if there and not force:
        raise DataError(f"{there[0]}: exists already. Check it with `ednas data check`, or replace it with --force")
    try:
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from None
    return list(texts)
