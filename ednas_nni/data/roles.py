"""Guesses what files are: images, class maps, depth maps or normals; by their names, else by their content."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
SUFFIXES = (*PICTURES, ".npy")
ROLES = ("image", "seg", "depth", "normals")

_WORDS: Mapping[str, frozenset[str]] = {
    "image": frozenset({"image", "images", "img", "imgs", "rgb", "color", "colour", "photo", "photos", "leftimg8bit"}),
    "seg": frozenset(
        {"seg", "segs", "segmentation", "segmentations", "semantic", "semantics", "label", "labels", "labelids", "mask",
         "masks", "gtfine", "annotation", "annotations"}
    ),
    "depth": frozenset({"depth", "depths", "disparity", "disparities", "disp", "invdepth"}),
    "normals": frozenset({"normal", "normals", "norm", "surfacenormals"}),
}  # fmt: skip
INVERSE_WORDS = frozenset({"disparity", "disparities", "disp", "inverse", "invdepth"})
SPLIT_WORDS: Mapping[str, str] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
    "testing": "test",
}  # fmt: skip
_UNIT = 0.15
"""How far the lengths of decoded normals may be from 1 on average; colours of photographs are far beyond."""


def words(path: Path) -> list[str]:
    """Return the words of a relative path in lower case: ``rgb/a_01.png`` has ``rgb``, ``a`` and ``01``."""
    return [word for word in re.split(r"[^a-z0-9]+", path.with_suffix("").as_posix().lower()) if word]


def by_name(path: Path) -> str | None:
    """Return the role that a path's words tell, the last word first; None where no word does."""
    for word in reversed(words(path)):
        for role, known in _WORDS.items():
            if word in known:
                return role
    return None


def by_content(path: Path) -> str | None:
    """Return what a file looks like; None where it cannot be read.

    Args:
        path: A picture or ``.npy``.

    Returns:
        ``depth`` for one value per pixel in 16 bits or floats, ``seg`` for one in 8 bits, ``normals`` for three whose
        decoded vectors have length 1, ``image`` for the rest.
    """
    try:
        values = _values(path)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return None
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[-1]):
        values = values[0] if values.shape[0] == 1 else values[..., 0]
    if values.ndim == 2:
        return "seg" if values.dtype.kind in "bi" or values.dtype == np.uint8 else "depth"
    if values.ndim != 3 or values.shape[-1] not in (3, 4):
        return None
    vectors = values[..., :3].astype(np.float32)
    if values.dtype == np.uint8:
        vectors = vectors / 127.5 - 1
    length = np.sqrt((vectors * vectors).sum(-1))
    known = length > 0.5
    if known.mean() > 0.3 and np.abs(length[known] - 1).mean() < _UNIT and _towards(vectors[known]):
        return "normals"
    return "image"


def _towards(vectors: np.ndarray) -> bool:
    """Normals that a camera sees point towards it: one axis, whichever, has one sign nearly everywhere."""
    return bool(max((vectors > -0.1).mean(0).max(), (vectors < 0.1).mean(0).max()) > 0.95)


def _values(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False, mmap_mode="r")
    with Image.open(path) as opened:
        return np.asarray(opened)


def stripped(path: Path) -> tuple[str, ...]:
    """Return what an image and its labels have in common: the words without those of roles and splits."""
    roles = frozenset().union(*_WORDS.values())
    parts = [
        " ".join(word for word in words(Path(part + ".x")) if word not in roles) for part in path.with_suffix("").parts
    ]
    return tuple(part for part in parts if part)


def series(path: Path) -> tuple[str, ...]:
    """Return what files of one kind share: their path with numbers, and names that hold one, left open."""
    *folders, name = path.parts
    return (*(re.sub(r"\d+", "#", folder) for folder in folders), re.sub(r"\d+", "#", name))


def assign(paths: Sequence[Path], root: Path) -> dict[Path, str]:
    """Return the role of each file that has one.

    Names go before content. Content is looked at once per series of files named alike, not for every file.

    Args:
        paths: Relative paths.
        root: What they are relative to.
    """
    found: dict[Path, str] = {}
    looked: dict[tuple[str, ...], str | None] = {}
    for path in paths:
        role = by_name(path)
        if role is None:
            kind = (*series(path), path.suffix)
            if kind not in looked:
                looked[kind] = by_content(root / path)
            role = looked[kind]
        if role is not None:
            found[path] = role
    return found
