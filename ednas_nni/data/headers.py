"""What picture files say of themselves beside their pixels: how they lie, and what their numbers mean.

An EXIF orientation is applied wherever a picture is read, to images and to labels that carry one: cameras store what
the sensor saw, and whoever labels sees the picture upright. All else that a program might apply, and this one does not,
is told by `ednas data check`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageFile, ImageOps

from ednas_nni.data.info import Array

_ORIENTATION = 0x0112
_SRGB_GAMMA = 1 / 2.2
READ_ERRORS = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def upright(picture: Image.Image) -> Image.Image:
    """Return a copy, turned or mirrored as its EXIF orientation says; damaged EXIF data say nothing."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # Pillow lets through whatever a damaged block makes of its parser
        return picture.copy()


def turned_as(values: Array, orientation: int) -> Array:
    """Return a map (H, W) of bytes, turned or mirrored as an EXIF orientation says."""
    exif, picture = Image.Exif(), Image.fromarray(values)
    exif[_ORIENTATION] = orientation
    picture.info["exif"] = exif.tobytes()
    return np.asarray(ImageOps.exif_transpose(picture))


def orientation(path: Path) -> int:
    """Return a picture's EXIF orientation, 1 to 8; 1 where it has none or is no picture."""
    with suppress(*READ_ERRORS), Image.open(path) as opened:
        return _orientation(opened)
    return 1


def _orientation(picture: Image.Image) -> int:
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # as in `upright`
        return 1
    return value if value in range(2, 9) else 1


def remarks(files: Iterable[Mapping[str, Path]], turned: bool = True) -> list[str]:
    """Sum up in a line each what the headers of pictures say.

    `files` are those of each image by role: `image`, and its labels; others than pictures are passed over. `turned`
    says that images are turned as their orientation says.
    """
    said: dict[tuple[str, str], list[Path]] = {}
    for roles in files:
        for role, path in roles.items():
            with suppress(*READ_ERRORS), Image.open(path) as opened:  # reading it says what is wrong
                for text in _of(opened, role == "image", turned):
                    said.setdefault((role, text), []).append(path)
    return [f"{len(paths)} files of {role} {text}; for example {paths[0]}" for (role, text), paths in said.items()]


def _of(opened: Image.Image, image: bool, turned: bool) -> Iterator[str]:
    # First, for Pillow decodes a PNG to look for its EXIF data, and the tiles are gone then.
    if isinstance(opened, ImageFile.ImageFile) and ";16" in str(opened.tile[:1]) and opened.mode in ("RGB", "RGBA"):
        yield "have 16 bits a colour, of which the upper 8 are read"
    if (value := _orientation(opened)) != 1:
        if not image:
            yield f"have the EXIF orientation {value} and are turned upright by it"
        elif turned:
            yield (
                f"have the EXIF orientation {value} and are turned upright by it; labels must be drawn on the upright "
                "picture, else set `upright: false`"
            )
        else:
            yield f"have the EXIF orientation {value} and are read as they are stored, for `upright` is false"
    if opened.format in ("JPEG", "MPO") and not image:
        yield "are JPEG, which blurs labels; store them as PNG"
    if opened.format != "MPO" and _further_pictures(opened):
        yield "hold more than one picture; the first one is read"
    if not image:
        return
    if opened.mode == "CMYK":
        yield "are CMYK, turned into RGB without a profile"
    if opened.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in opened.info:
        yield "have an alpha channel, which is left out"
    gamma = opened.info.get("gamma")
    if gamma and abs(gamma - _SRGB_GAMMA) > 0.01:
        yield f"are stored with gamma {gamma:.3g} instead of sRGB's {_SRGB_GAMMA:.3g}, which is not undone"
    if profile := opened.info.get("icc_profile"):
        name = _profile_name(profile)
        if "srgb" not in name.lower():
            yield f"have the colour profile {name!r}, which is not applied: their numbers are taken as sRGB"


def _further_pictures(opened: Image.Image) -> bool:
    with suppress(EOFError, *READ_ERRORS):
        opened.seek(1)
        return True
    return False


def _profile_name(profile: bytes) -> str:
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except (ImageCms.PyCMSError, OSError, TypeError):
        return "unknown"
    return " ".join(name.split()) or "unknown"
