"""Drafts a manifest for a folder of images and labels, and recognises the layouts that have readers of their own.

Files are told apart by words in their paths, else by their content: `rgb/attic_01.jpg` and `depth/attic_01.png` are an
image and its depth, because what remains without the words `rgb` and `depth` is the same, `attic 01`.
"""

from __future__ import annotations

import csv
import inspect
import io
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ednas_nni.data.info import Array
from ednas_nni.data.kinds import Drafted, all_kinds
from ednas_nni.data.layouts.base import FolderSource
from ednas_nni.data.layouts.cutting import block, natural
from ednas_nni.data.layouts.manifest_table import FILES, columns
from ednas_nni.data.reading import path_words
from ednas_nni.data.source import DATASETS
from ednas_nni.errors import DataError, PluginError

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
SUFFIXES = (*PICTURES, ".npy")
MANY_GROUPS = 4
"""A manifest that leaves all splits open needs as many groups as there are splits."""

_MOST_FILES = 1_000_000
_IMAGE_WORDS = frozenset({"image", "images", "img", "imgs", "rgb", "color", "colour", "photo", "photos", "leftimg8bit"})
_SPLIT_WORDS: Mapping[str, str] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
    "testing": "test",
}  # fmt: skip


def recognise(folder: Path) -> dict[str, object] | None:
    """Return {name, folder} of the data set that a folder is, None if no registered layout knows it."""
    names = []
    for name in DATASETS.names():
        try:
            layout = DATASETS.load(name)
        except PluginError:
            continue
        if inspect.isclass(layout) and issubclass(layout, FolderSource) and layout.recognises(folder):
            names.append(name)
    # A manifest may lie in a folder of any other layout.
    names.sort(key=lambda name: name == "manifest")
    return {"name": names[0], "folder": str(folder)} if names else None


@dataclass(frozen=True)
class Draft:
    """A drafted manifest; nothing is written yet.

    Attributes:
        rows: One dict of cells per image.
        texts: Further files to write, by name.
        guesses: What was assumed, each with the reason.
        notes: What the user is to do with the further files.
        left_out: Labels without an image, and files that look like no label, with the number of each.
    """

    rows: tuple[dict[str, str], ...]
    texts: Mapping[str, str]
    guesses: tuple[str, ...]
    notes: tuple[str, ...]
    left_out: Mapping[str, int]

    @property
    def columns(self) -> list[str]:
        """Columns that have a cell, in the order of the manifest."""
        return [name for name in columns() if any(name in row for row in self.rows)]

    def table(self) -> str:
        """The manifest as CSV."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()


def draft(folder: Path, tick: Callable[[], object] = lambda: None) -> Draft:
    """Look through a folder.

    Args:
        folder: What to look through, with its sub-folders; hidden ones are left out.
        tick: Called for each label that is read whole.

    Returns:
        The draft.

    Raises:
        DataError: There is no image, two images cannot be told apart, or no image has a label.
    """
    files = _files(folder)
    roles = _roles(files, folder)
    by_key: dict[str, dict[tuple[str, ...], Path]] = {role: {} for role in ("image", *_words())}
    for path in sorted(roles, key=lambda p: natural(p.as_posix())):
        role, key = roles[path], stripped(path)
        if role == "image" and key in by_key[role]:
            raise DataError(
                f"{folder / by_key[role][key]} and {folder / path} both look like the image {' '.join(key)!r}. Draft a "
                "manifest for each kind of image apart: `ednas data init` on a folder with only one of them"
            )
        by_key[role].setdefault(key, path)
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
            f"{folder}: holds {len(rows)} images, but no file that belongs to one of them as {', '.join(by_key)}. "
            "A label must have the name of its image apart from words such as rgb, seg, depth or normals, for example "
            "rgb/kitchen_01.jpg and depth/kitchen_01.png"
        )
    drafted = [_label(kind.column, kind.draft, folder, rows, tick) for kind in all_kinds()]
    guesses = [*(one.guess for one in drafted), *_splits(rows), _groups(rows, images)]
    lonely = {f"{role} without an image": len(labels.keys() - images.keys()) for role, labels in by_key.items()}
    lonely[f"files that look like none of image, {', '.join(by_key)}"] = len(files) - len(roles)
    return Draft(
        rows=tuple(rows),
        texts={name: text for one in drafted for name, text in one.texts.items()},
        guesses=tuple(filter(None, guesses)),
        notes=tuple(one.note for one in drafted if one.note),
        left_out={what: number for what, number in lonely.items() if number},
    )


def _files(folder: Path) -> list[Path]:
    files = []
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        if path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in relative.parts):
            files.append(relative)
            if len(files) > _MOST_FILES:
                raise DataError(f"{folder}: holds more than {_MOST_FILES} files; name a folder below it")
    return files


def _label(
    column: str,
    look: Callable[[Sequence[Path], Callable[[], object]], Drafted],
    folder: Path,
    rows: Sequence[dict[str, str]],
    tick: Callable[[], object],
) -> Drafted:
    """Look at the files of one column and add further cells to their rows."""
    having = [row for row in rows if column in row]
    if not having:
        return Drafted()
    drafted = look([folder / row[column] for row in having], tick)
    for row in having:
        row.update(drafted.cells)
    return drafted


# ---- What files are


def _words() -> dict[str, frozenset[str]]:
    """Words that tell the column, by column."""
    return {kind.column: kind.words for kind in all_kinds()}


def by_name(path: Path) -> str | None:
    """Return the column that a path's words tell, the last word first; None where no word does."""
    for word in reversed(path_words(path)):
        for role, words in {"image": _IMAGE_WORDS, **_words()}.items():
            if word in words:
                return role
    return None


def by_content(path: Path) -> str | None:
    """Return the column of the label kind that a file looks like, `image` for other pictures; None if it is neither."""
    try:
        values = _values(path)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return None
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[-1]):
        values = values[0] if values.shape[0] == 1 else values[..., 0]
    for kind in all_kinds():
        if kind.looks_like(values):
            return kind.column
    return "image" if values.ndim == 3 and values.shape[-1] in (3, 4) else None


def _values(path: Path) -> Array:
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False, mmap_mode="r")
    with Image.open(path) as opened:
        return np.asarray(opened)


def stripped(path: Path) -> tuple[str, ...]:
    """Return what an image and its labels have in common: the words without those that tell columns."""
    telling = _IMAGE_WORDS.union(*_words().values())
    parts = [
        " ".join(word for word in path_words(Path(part + ".x")) if word not in telling)
        for part in path.with_suffix("").parts
    ]
    return tuple(part for part in parts if part)


def _roles(paths: Sequence[Path], root: Path) -> dict[Path, str]:
    """Return the column of each file that has one.

    Names go before content. Content is looked at once per series of files named alike, not for every file: `a_001.png`
    and `a_002.png` are both `a_#.png`.
    """
    roles: dict[Path, str] = {}
    looked: dict[tuple[str, ...], str | None] = {}
    for path in paths:
        role = by_name(path)
        if role is None:
            series = tuple(re.sub(r"\d+", "#", part) for part in path.parts)
            if series not in looked:
                looked[series] = by_content(root / path)
            role = looked[series]
        if role is not None:
            roles[path] = role
    return roles


# ---- Splits and groups


def _splits(rows: Sequence[dict[str, str]]) -> list[str]:
    """Official splits that folder names tell; images for training stay open, to be cut."""
    splits = [next((_SPLIT_WORDS[w] for w in path_words(Path(row["image"])) if w in _SPLIT_WORDS), "") for row in rows]
    if len(set(splits)) < 2:
        return []
    both = {"val", "test"} <= set(splits)
    for row, split in zip(rows, splits, strict=True):
        if split in ("val", "test"):
            row["split"] = "select" if both and split == "val" else "test"
    what = "validation images choose among finalists and test images give" if both else "validation images give"
    return [f"{what} the final numbers, because folders are named so; the others are cut by group"]


def _groups(rows: Sequence[dict[str, str]], keys: Mapping[tuple[str, ...], Path]) -> str:
    """Which images belong together, and why: neighbours in two splits would flatter."""
    open_rows = [(row, key) for row, key in zip(rows, keys, strict=True) if "split" not in row]
    by_folder = [
        " ".join(w for part in key[:-1] for w in part.split() if w not in _SPLIT_WORDS) for _, key in open_rows
    ]
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


def write(drafted: Draft, folder: Path, force: bool = False) -> list[Path]:
    """Write `manifest.csv` and, with class maps, `classes.txt`.

    Args:
        drafted: What to write.
        folder: Where.
        force: Replace files that exist.

    Returns:
        The files written.

    Raises:
        DataError: A file exists, or cannot be written.
    """
    texts = {folder / FILES[0]: drafted.table(), **{folder / name: text for name, text in drafted.texts.items()}}
    there = [path for path in texts if path.exists()]
    if there and not force:
        raise DataError(f"{there[0]}: exists already. Check it with `ednas data check`, or replace it with --force")
    try:
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from None
    return list(texts)
