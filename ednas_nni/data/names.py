"""What the names of files and folders tell: which label they are, whose label, which split, which place.

A path is cut into words at spaces and ASCII punctuation; letters of every script count, in Unicode's composed form.
`rgb/attic_01.jpg` and `depth/attic_01.png` belong together, because without the words `rgb` and `depth`, which tell
what a file is, both are `attic 01`. `attic_01_left.png` and `attic_01_right.png` are two pictures of one place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ednas_nni.data.kinds import all_kinds
from ednas_nni.data.reading import words

IMAGE, OTHER = "image", "other"
"""Roles beside the columns of label kinds; `other` is what no column takes, such as instance maps."""

_IMAGES = frozenset(
    {"image", "images", "img", "imgs", "rgb", "rgbs", "color", "colors", "colour", "colours", "photo", "photos",
     "picture", "pictures", "leftimg8bit"}
)  # fmt: skip
_OTHERS = frozenset(
    {"instance", "instances", "instancegt", "instanceids", "panoptic", "flow", "opticalflow", "confidence",
     "confidences", "edge", "edges", "overlay", "overlays", "albedo", "shading", "uncertainty", "polygons",
     "segmentationobject"}
)  # fmt: skip
_NEUTRAL = frozenset(
    {"raw", "data", "annotated", "proj", "groundtruth", "gt", "frame", "frames", "file", "files", "class", "jpeg",
     "png", "npy", "meters", "metres", "mm", "cm", "cam", "tonemap", "preview", "final", "geometry", "png8", "png16",
     "16bit", "8bit", "map", "maps"}
)  # fmt: skip
"""Words that tell files apart from no other file."""

SPLITS: Mapping[str, str] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
    "testing": "test",
}  # fmt: skip

_VARIANTS = frozenset(
    {"clone", "fog", "foggy", "rain", "rainy", "snow", "snowy", "sun", "sunny", "cloud", "cloudy", "overcast",
     "clear", "wet", "dry", "storm", "hail", "haze", "hazy", "mist", "misty", "spring", "summer", "autumn", "fall",
     "winter", "day", "daytime", "night", "nighttime", "morning", "noon", "afternoon", "evening", "dawn", "dusk",
     "sunset", "sunrise", "midnight", "am", "pm", "left", "right", "front", "rear", "back", "side", "l", "r", "deg"}
)  # fmt: skip
"""Words of weather, season, time of day and side: what differs between pictures of one place."""
_CAMERAS = frozenset({"camera", "cam", "cameras", "sensor"})
_CAMERA = re.compile(r"(?:camera|cam|sensor)\d{1,3}")
_HOUR = re.compile(r"\d{1,2}h\d{0,2}")
_DATE = re.compile(
    r"(?<!\d)(?:19|20)\d\d ?(?:0[1-9]|1[0-2]) ?(?:0[1-9]|[12]\d|3[01])(?: ?t?[0-2]\d ?[0-5]\d(?: ?[0-5]\d)?)?(?!\d)"
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_COUNTED = re.compile(r"(\D+)(\d+)")
_ROBOFLOW = re.compile(r"\.rf\.\w+$")  # its augmented copies of a picture
_YEAR = re.compile(r"(?<=[a-z])20\d\d$")


@cache
def _roles() -> dict[str, str]:
    kinds = {word: kind.column for kind in all_kinds() for word in kind.words}
    return {**dict.fromkeys(_OTHERS, OTHER), **dict.fromkeys(_IMAGES, IMAGE), **kinds}


def _pieces(part: str) -> Iterator[tuple[str, str | None]]:
    """Yield the words of one part of a path in lower case, each with the role it tells.

    `depth0001` is `depth` and `0001`; `classSegmentation` is `class` and `segmentation`, but `iPhone` stays whole.
    """
    roles = _roles()
    for word in words(part):
        low = word.lower()
        counted = _COUNTED.fullmatch(low)
        camel = [piece.lower() for piece in _CAMEL.split(word)]
        if low in roles:
            yield low, roles[low]
        elif counted and counted[1] in roles:
            yield counted[1], roles[counted[1]]
            yield counted[2], None
        elif len(camel) > 1 and any(piece in roles for piece in camel):
            yield from ((piece, roles.get(piece)) for piece in camel)
        else:
            yield low, None


@dataclass(frozen=True)
class Named:
    """What a relative path tells.

    Attributes:
        roles: Columns that it may belong to, the likeliest first; empty where no word tells.
        key: What it has in common with its image or labels: a part without telling words for each part of the path.
        split: `train`, `val` or `test` where a folder says so, else "".
        mask: Column of a kind that it says the valid pixels of, else "".
    """

    path: Path
    roles: tuple[str, ...]
    key: tuple[str, ...]
    split: str
    mask: str


def named(path: Path) -> Named:
    """Take a path apart.

    Folders speak before the file, the deepest first, since cameras write `IMG_1000.jpg` and labels keep that name. A
    word for a label speaks before one for images: `depth_image` is depth, and so is `images/1_depth.png`.
    """
    *folders, stem = path.with_suffix("").parts
    parts = [list(_pieces(part)) for part in (*folders, stem)]
    of_folders, of_file = [_in_order(part) for part in reversed(parts[:-1])], _in_order(parts[-1])
    deepest = next((roles for roles in of_folders if roles), [])
    if deepest == [IMAGE]:
        roles = [*(role for role in of_file if role != IMAGE), IMAGE, *(role for some in of_folders for role in some)]
    else:
        roles = [role for some in (*of_folders, of_file) for role in some]
        roles = [role for role in roles if role != IMAGE] or roles
    split = split_of(path.parent)
    silent = _NEUTRAL | SPLITS.keys()
    key = [" ".join(w for w, role in part if role is None and w not in silent) for part in parts[:-1]]
    key = [part for part in key if part]
    last = [w for w, role in parts[-1] if role is None]
    key.append(" ".join(w for w in last if w not in _NEUTRAL) or " ".join(last))
    # A folder that a later part repeats tells nothing more: 2011_09_26/2011_09_26_drive_0001.
    telling = [part for n, part in enumerate(key) if not any(f" {part} " in f" {later} " for later in key[n + 1 :])]
    mask = next((column for part in reversed(parts) if (column := _mask(part))), "")
    return Named(path, tuple(dict.fromkeys(roles)), tuple(telling), split, mask)


def split_of(path: Path) -> str:
    """Return `train`, `val` or `test` where a part of a path says so, the deepest first; "" otherwise.

    COCO's `val2017` says so as well.
    """
    said = (_YEAR.sub("", word.lower()) for part in (path.stem, *reversed(path.parent.parts)) for word in words(part))
    return next((SPLITS[word] for word in said if word in SPLITS), "")


def _mask(part: list[tuple[str, str | None]]) -> str:
    """Return the column of masks that a part such as `depth_mask` or `valid_masks` names."""
    said = {word for word, _ in part}
    if said & {"validmask", "validmasks"} or (said & {"mask", "masks"} and said & {"valid", "validity"}):
        said |= {"depth"}
    elif not said & {"mask", "masks"}:
        return ""
    return next((kind.mask for kind in all_kinds() if kind.mask and said & kind.words - {"mask", "masks"}), "")


def _in_order(part: list[tuple[str, str | None]]) -> list[str]:
    """Roles that one part of a path tells: `other` before labels before images, the last word first."""
    roles = [role for _, role in reversed(part) if role is not None]
    return sorted(dict.fromkeys(roles), key=lambda role: (role == IMAGE, role != OTHER))


def place(path: Path) -> tuple[str, ...]:
    """Return what is left of a path without its ending when weather, time, side and number of the camera are dropped.

    Two pictures with one result show one place at one moment, such as `Scene01/fog/Camera_0/rgb_00001` and
    `Scene01/rain/Camera_1/rgb_00001`. A part that would lose all its letters and digits beside others stays whole.
    """
    *folders, stem = _ROBOFLOW.sub("", str(path.with_suffix(""))).split("/")
    parts = [_without_variants(part, folder=True) for part in folders]
    last = _without_variants(stem, folder=False)
    return (*(part for part in parts if part), last or " ".join(words(stem)).lower())


def _without_variants(part: str, folder: bool) -> str:
    pieces = [low for word in words(part) for low in (piece.lower() for piece in _CAMEL.split(word))]
    left: list[str] = []
    skip = False
    for n, word in enumerate(pieces):
        number = n + 1 < len(pieces) and pieces[n + 1].isdecimal() and len(pieces[n + 1]) <= 3
        if skip:
            skip = False
        elif word in _CAMERAS or word in _IMAGES:
            skip = number and (folder or word in _CAMERAS)
        elif word.isdecimal() and n + 1 < len(pieces) and pieces[n + 1] == "deg":
            continue
        elif not (word in _VARIANTS or _CAMERA.fullmatch(word) or _HOUR.fullmatch(word)):
            left.append(word)
    text = " ".join(left)
    undated = " ".join(_DATE.sub(" ", text).split())
    # Numbers beside a date may count pictures or drives of that day.
    return undated if undated and not re.search(r"\d", undated) else text
