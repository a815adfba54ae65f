"""Reads single files of images and labels.

Every function raises DataError, which names the file, where one is missing, truncated or holds what it must not.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ednas_nni.data.headers import upright
from ednas_nni.data.info import IGNORE_INDEX, Array
from ednas_nni.errors import DataError, did_you_mean, hidden


def is_npy(path: Path) -> bool:
    """Whether a file's name ends in `.npy`, in whichever case."""
    return path.suffix.lower() == ".npy"


_TYPES = {"1": (np.dtype(bool), 1), "I": (np.dtype(np.int32), 1), "F": (np.dtype(np.float32), 1)}


def stored_as(path: Path) -> tuple[np.dtype, int] | None:
    """Return type and number of the values per pixel, from the head of a picture or `.npy`; None if it has none."""
    try:
        if is_npy(path):
            values = np.load(path, allow_pickle=False, mmap_mode="r")
            flat = values.ndim == 2 or (values.ndim == 3 and 1 in (values.shape[0], values.shape[2]))
            return values.dtype, 1 if flat else 3 if values.ndim == 3 and values.shape[0] == 3 else values.shape[-1]
        with Image.open(path) as opened:
            if opened.mode.startswith("I;16"):
                return np.dtype(np.uint16), 1
            return _TYPES.get(opened.mode, (np.dtype(np.uint8), len(opened.getbands())))
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, AttributeError, Image.DecompressionBombError):
        return None


def read_npy(path: Path) -> Array:
    """Read a `.npy` file of numbers; pickled objects are rejected."""
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, MemoryError) as error:
        reason = str(error).partition(": <ast.")[0]  # numpy reads a head that is no head as Python's literals
        raise DataError(
            f"{path}: cannot be read as .npy: {reason}; it is missing, truncated or of another kind"
        ) from None
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "buif":
        content = values.dtype if isinstance(values, np.ndarray) else "an archive"
        raise DataError(f"{path}: holds {content}; an array of numbers is needed")
    return values


def read_picture(path: Path) -> Array:
    """Read a PNG, JPEG or TIFF file upright and as it is stored, e.g. uint16 (H, W); palettes give their indices."""
    return np.asarray(_picture(path, None))


def read_map(path: Path) -> Array:
    """Read one value per pixel, (H, W) as stored: a grey or palette picture (its indices), or `.npy`."""
    if is_npy(path):
        return flat(read_npy(path), path)
    values = read_picture(path)
    if values.ndim == 3:
        colours, alpha = (values, 255) if values.shape[2] == 3 else (values[..., :-1], values[..., -1])
        if (colours != colours[..., :1]).any() or np.any(alpha != 255):
            raise DataError(
                f"{path}: is a colour picture; one value per pixel is needed: a grey or palette picture, or .npy. Turn "
                "its colours into numbers first"
            )
        values = colours[..., 0]  # grey that was stored as colours
    return values.astype(np.uint8) if values.dtype == bool else values


def read_rgb(path: Path, turned: bool = True) -> NDArray[np.uint8]:
    """Read a picture as uint8 (H, W, 3) RGB; `turned` as its EXIF orientation says, or as it is stored."""
    return np.asarray(_picture(path, "RGB", turned))


def read_image(path: Path, turned: bool = True) -> NDArray[np.uint8]:
    """Read an image as `read_rgb` does, or from `.npy` of uint8 or floats in [0, 1]; depth maps are rejected."""
    if is_npy(path):
        return unit_image(read_npy(path), path)
    try:
        with Image.open(path) as opened:
            mode = opened.mode
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        mode = ""  # read_rgb says what is wrong
    if mode.startswith(("I", "F")):
        raise DataError(f"{path}: holds values of mode {mode!r}, not 8-bit colours. Is it a depth map?")
    return read_rgb(path, turned)


def _picture(path: Path, mode: str | None, turned: bool = True) -> Image.Image:
    try:
        with Image.open(path) as opened:
            opened.load()
            picture = upright(opened) if turned else opened.copy()
            return picture.convert(mode) if mode else picture
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # from there on Pillow refuses; at half of it, it warns
        raise DataError(
            f"{path}: has more than {most / 1e6:.0f} megapixels, which Pillow refuses; cut it into tiles or "
            "shrink it, with its labels"
        ) from None
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(
            f"{path}: cannot be read as a picture: {error}; it is missing, truncated or of another kind"
        ) from None


def read_json(path: Path) -> object:
    """Read a JSON file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}") from None
    except RecursionError:
        raise DataError(f"{path}: cannot be read as JSON: it is nested without end") from None


def read_lines(path: Path) -> list[str]:
    """Read the non-empty lines of a text file."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    for number, line in enumerate(lines, start=1):
        if control := hidden(line):
            raise DataError(f"{path}:{number}: holds the control character {control}; remove it")
    return [line.strip() for line in lines if line.strip()]


def flat(values: Array, path: Path) -> Array:
    """Return (H, W) from (H, W), (H, W, 1) or (1, H, W)."""
    if values.ndim == 3 and values.shape[2] == 1:
        return values[..., 0]
    if values.ndim == 3 and values.shape[0] == 1:
        return values[0]
    if values.ndim != 2:
        raise DataError(f"{path}: has shape {values.shape}; (height, width) or (height, width, 1) is needed")
    return values


def unit_image(values: Array, path: Path) -> NDArray[np.uint8]:
    """Return uint8 (H, W, 3) from RGB floats in [0, 1], or from uint8."""
    if values.ndim != 3 or values.shape[2] != 3:
        raise DataError(f"{path}: has shape {values.shape}; an RGB image (height, width, 3) is needed")
    if values.dtype == np.uint8:
        return values
    low, high = float(np.min(values)), float(np.max(values))
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # also rejects NaN
        raise DataError(f"{path}: values range from {low:g} to {high:g}; an image of floats must lie within [0, 1]")
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def wrong_ids(where: str, ids: Array, classes: int) -> str:
    """Return the message about class ids that a data set does not have."""
    listed = ", ".join(f"{value:g}" for value in ids[:8]) + (", ..." if len(ids) > 8 else "")
    return (
        f"{where}: holds the class id(s) {listed}; allowed are 0..{classes - 1} and the value for no class. Set "
        "data.classes to the number of classes that the files were made for, or repair the file"
    )


def class_ids(values: Array, classes: int, path: Path, ignore: Sequence[int] = (-1, IGNORE_INDEX)) -> NDArray[np.uint8]:
    """Return uint8 labels, 255 = no class, from whole numbers of any type; `ignore` are values that mean no class."""
    none = np.isin(values, list(ignore))
    whole = values == np.rint(values)
    good = none | (whole & (values >= 0) & (values < classes))
    if not good.all():
        raise DataError(wrong_ids(str(path), np.unique(values[~good]), classes))
    return np.where(none, IGNORE_INDEX, values).astype(np.uint8)


def oriented(normals: Array, axes: Sequence[str]) -> NDArray[np.float32]:
    """Turn normals (H, W, 3) whose channels hold `axes`, e.g. (x, -z, y), into x right, y up, z towards the camera."""
    turned = np.zeros(normals.shape, np.float32)
    for channel, axis in enumerate(axes):
        turned[..., "xyz".index(axis[-1])] = -normals[..., channel] if axis.startswith("-") else normals[..., channel]
    return turned


def check_axes(axes: Sequence[str]) -> list[str]:
    """Return the axes as a list, if they are x, y and z once each, with or without a sign."""
    listed = [str(axis).replace("+", "") for axis in axes]
    if sorted(axis.removeprefix("-") for axis in listed) != ["x", "y", "z"]:
        raise DataError(
            f"normal_axes is {list(axes)}; it tells what the three stored channels hold: x (right), y (up) and z "
            "(towards the camera) once each, with a minus where the file points the other way, e.g. [x, -z, y]"
        )
    return listed


def need_folder(root: Path, name: str) -> Path:
    """Return a sub-folder; where it does not exist, the message names those that do."""
    path = root / name
    if not path.is_dir():
        there = [entry.name for entry in root.iterdir() if entry.is_dir()] if root.is_dir() else []
        raise DataError(
            f"{path}: this folder is missing.{did_you_mean(name, there) if there else f' {root} is empty.'}"
        )
    return path


def inside(root: Path, name: str, where: Path) -> Path:
    """Return a file named in the list `where`; it must lie below `root`."""
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"{where}: names the file {name!r}; names must be relative and stay within {root}")
    return root / path


_APART = re.compile(r"[\s!-/:-@\[-`{-~]+")


def words(text: str) -> list[str]:
    """Return the words of a name or path, which spaces and ASCII punctuation part: `Küche_01.b` has `Küche`, `01`, `b`.

    Letters and marks of every script count, in Unicode's composed form, however they were typed.
    """
    return [word for word in _APART.split(unicodedata.normalize("NFC", text)) if word]
