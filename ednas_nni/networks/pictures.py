"""Any picture that a user has, as 8-bit RGB the way it is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ednas_nni.data.info import Array
from ednas_nni.data.names import IMAGE, named
from ednas_nni.data.reading import is_npy, read_npy
from ednas_nni.errors import DataError

Picture: TypeAlias = "str | Path | Image.Image | Array"

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".npy")
"""Files that are taken as pictures where a folder is named."""

WHITE_OUT = "transparent parts are shown on black"
SIXTEEN = "16 bits a value were reduced to 8, as the network was trained on 8-bit pictures"


def read(picture: Picture) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Read a picture as uint8 (H, W, 3), with what was changed that the user should know; DataError: it is none.

    The camera's rotation (EXIF) is applied, grey becomes three equal channels, 16 bits become 8, transparency becomes
    black. An array is taken as it is: RGB in the last axis.
    """
    if isinstance(picture, str | Path):
        path = Path(picture).expanduser()
        return _array(read_npy(path), str(path)) if is_npy(path) else _file(path)
    if isinstance(picture, Image.Image):
        return _pil(picture, "the image")
    return _array(np.asarray(picture), "the image")


def listed(path: Path, without: Path | None = None) -> list[Path]:
    """A picture itself, or all below a folder but in `without` and what names call labels; DataError: there is none."""
    if not path.exists():
        raise DataError(f"{path}: does not exist.")
    top = path.resolve()
    inner = path / without.resolve().relative_to(top) if without and top in without.resolve().parents else None
    files = sorted(f for f in path.rglob("*") if f.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
    files = [f for f in files if inner not in f.parents]
    if not files:
        raise DataError(f"{path}: holds no pictures ({', '.join(SUFFIXES)}).")
    inside = files if path.is_dir() else []
    return [f for f in inside if (named(f.relative_to(path)).roles or (IMAGE,))[0] == IMAGE] or files


def _file(path: Path) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    try:
        with Image.open(path) as opened:
            return _pil(opened, str(path))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{path}: cannot be read as a picture: {error}; it is missing, cut or of another kind."
        ) from None


def _pil(opened: Image.Image, where: str) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    image = ImageOps.exif_transpose(opened)
    if image.mode.startswith(("I", "F")):
        return _array(np.asarray(image), where)
    if image.has_transparency_data:
        return _array(np.asarray(image.convert("RGBA")), where)
    return np.asarray(image.convert("RGB")), ()


def _array(values: Array, where: str) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """(H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of bytes, 16-bit numbers or floats in [0, 1]."""
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or values.shape[2] not in (1, 3, 4) or 0 in values.shape:
        raise DataError(f"{where}: has shape {values.shape}; a picture is (H, W), (H, W, 3) or (H, W, 4).")
    notes: tuple[str, ...] = ()
    if values.dtype.kind == "f":
        low, high = float(np.min(values)), float(np.max(values))
        if not (low >= -1e-3 and high <= 1 + 1e-3):  # also rejects NaN
            raise DataError(f"{where}: values range from {low:g} to {high:g}; floats of a picture lie within [0, 1].")
        values = np.rint(np.clip(values, 0, 1) * 255)
    elif values.dtype == bool:
        values = values * 255
    elif values.dtype.kind in "ui" and values.dtype != np.uint8:
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > 65535:
            raise DataError(f"{where}: values range from {low} to {high}; whole numbers of a picture lie in 0..65535.")
        # Grey PNGs of 16 bits come as int32. 65535 / 257 = 255.
        values, notes = np.rint(values / 257), (SIXTEEN,)
    elif values.dtype.kind not in "ui":
        raise DataError(f"{where}: holds {values.dtype}; a picture holds numbers.")
    if values.shape[2] == 4:
        alpha = values[..., 3:].astype(np.float32) / 255
        notes = (*notes, WHITE_OUT) if (alpha < 1).any() else notes
        values = np.rint(values[..., :3] * alpha)
    return np.ascontiguousarray(np.broadcast_to(values, (*values.shape[:2], 3)).astype(np.uint8)), notes
