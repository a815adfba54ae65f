"""Files of annotations: the formats that are read, each a function from a parsed file to `Annotations`.

A format is one entry of `FORMATS`. Files are read in place, whenever an image is decoded: what is drawn anew in the
tool and exported over the old file counts at once, as another content to the cache and to all that is measured on it.
"""

from __future__ import annotations

import base64
import io
import unicodedata
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path, PurePath
from typing import Any, TypeAlias
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np
from PIL import Image
from pydantic import BaseModel, Field, ValidationError

from data_sets.annotations.shapes import Annotated, Points, Shape, box, ellipse, polygon, runs
from ednas_nni.data.headers import READ_ERRORS
from ednas_nni.data.reading import read_json
from ednas_nni.errors import DataError

Element: TypeAlias = "ElementTree.Element[str]"
Key = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Annotations:
    """One file.

    Attributes:
        format: What wrote it, such as `COCO`.
        declared: Labels in the order in which the tool lists them; empty where it keeps no list.
        images: What was drawn on an image, by its name in the file; read when asked for, see `drawn`.
    """

    format: str
    declared: tuple[str, ...]
    images: Mapping[str, Callable[[], Annotated]]

    @cached_property
    def by_stem(self) -> Mapping[str, Sequence[tuple[Key, str]]]:
        """Names in the file by the last part of their key."""
        stems = defaultdict(list)
        for name in self.images:
            stems[key_of(name)[-1]].append((key_of(name), name))
        return stems

    def names(self, image: Path) -> list[tuple[int, str]]:
        """Names in the file that may mean an image: (parts in common, name), the likeliest ones alone.

        Ends of paths are compared, without the file's ending, as pictures are moved and converted; `a/1.png` is `1.jpg`
        or `x/a/1.jpg`. The ending decides between `1.jpg` and `1.png`.
        """
        key = key_of(image)
        near = [(_common(key, other), name) for other, name in self.by_stem.get(key[-1], ())]
        most = max((parts for parts, _ in near), default=0)
        near = [one for one in near if one[0] == most]
        return [one for one in near if PurePath(one[1]).suffix.lower() == image.suffix.lower()] or near

    def of(self, image: Path, where: Path) -> Annotated:
        """Return what was drawn on an image. DataError: nothing of that name, or several."""
        names = [name for _, name in self.names(image)]
        if len(names) != 1:
            said = f"its names {', '.join(names[:3])} may all mean" if names else "it says nothing of"
            raise DataError(f"{where}: {said} the image {image}. Correct the cell seg, or export the annotations anew")
        return self.drawn(names[0], where)

    def drawn(self, name: str, where: Path) -> Annotated:
        """Return what was drawn on the image of a name in the file `where`. DataError: it cannot be read."""
        try:
            return self.images[name]()
        except (ValueError, KeyError, IndexError) as fault:
            raise DataError(f"{where}: image {name!r}: {_said(fault)}; export the annotations anew") from None


def key_of(name: str | PurePath) -> Key:
    """Return the parts of a name or path without ending, comparable: composed Unicode, lower case."""
    text = unicodedata.normalize("NFC", str(name)).replace("\\", "/").lower()
    *folders, last = [part for part in text.split("/") if part not in ("", ".", "..")] or [""]
    return (*folders, PurePath(last).stem)


def _common(one: Key, other: Key) -> int:
    pairs = list(zip(reversed(one), reversed(other), strict=False))
    return next((n for n, (a, b) in enumerate(pairs) if a != b), len(pairs))


def is_annotations(path: Path) -> bool:
    """Whether a file may be one of annotations, by its ending."""
    return path.suffix.lower() in (".json", ".xml")


def read_annotations(path: Path) -> Annotations | None:
    """Read a file of annotations; None where it has none of the formats. DataError: it is one that cannot be read."""
    status = path.stat()
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)  # one for all images of a COCO or CVAT file, which may be large
def _read(path: Path, mtime_ns: int, size: int) -> Annotations | None:
    document = _xml(path) if path.suffix.lower() == ".xml" else read_json(path)
    try:
        return next(filter(None, (read(document) for read in FORMATS)), None)
    except ValidationError as fault:
        first = fault.errors()[0]
        at = ".".join(map(str, first["loc"]))
        raise DataError(f"{path}: {at}: {first['msg']} ({first['input']!r:.60})") from None
    except (ValueError, KeyError) as fault:
        raise DataError(f"{path}: {_said(fault)}") from None


def _said(fault: Exception) -> str:
    return f"lacks {fault}" if isinstance(fault, KeyError) else str(fault)


def _xml(path: Path) -> Element:
    """Parse XML without document types, so that nothing in it is expanded or fetched."""

    def refuse(*_: object) -> None:
        raise DataError(f"{path}: has a document type (<!DOCTYPE ...>), which is not read; remove it")

    parser, tree = expat.ParserCreate(), ElementTree.TreeBuilder()
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = tree.start, tree.end, tree.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(path.read_bytes(), True)
        return tree.close()
    except (OSError, expat.ExpatError, AssertionError, LookupError) as fault:
        raise DataError(f"{path}: cannot be read as XML: {fault}") from None


# ---- COCO


class _Rle(BaseModel):
    size: tuple[int, int]
    counts: list[int] | str


class _CocoImage(BaseModel):
    id: int | str
    file_name: str
    width: int
    height: int


class _CocoArea(BaseModel):
    image_id: int | str
    category_id: int | str
    segmentation: list[list[float]] | _Rle | None = None
    iscrowd: int = 0


class _CocoCategory(BaseModel):
    id: int | str
    name: str


class _Coco(BaseModel):
    images: list[_CocoImage]
    annotations: list[_CocoArea]
    categories: list[_CocoCategory]


def coco(document: object) -> Annotations | None:
    """COCO's instances and stuff: polygons and run lengths in the file's order, crowds as no class below all others."""
    if not isinstance(document, dict) or not {"images", "annotations", "categories"} <= document.keys():
        return None
    areas = document["annotations"] if isinstance(document["annotations"], list) else []
    if not any(isinstance(area, dict) and area.get("segmentation") and "keypoints" not in area for area in areas):
        return None  # boxes, captions, keypoints
    content = _Coco.model_validate(document)
    names = {category.id: category.name for category in content.categories}
    drawn: dict[int | str, list[_CocoArea]] = defaultdict(list)
    for area in content.annotations:
        if area.category_id not in names:
            raise ValueError(f"an annotation has the category_id {area.category_id!r}, which `categories` lacks")
        drawn[area.image_id].append(area)
    images = {image.file_name: partial(_coco_image, image, drawn[image.id], names) for image in content.images}
    return Annotations("COCO", tuple(dict.fromkeys(names.values())), images)


def _coco_image(image: _CocoImage, areas: Iterable[_CocoArea], names: Mapping[int | str, str]) -> Annotated:
    shapes, boxes, size = [], 0, (image.height, image.width)
    for area in sorted(areas, key=lambda area: not area.iscrowd):
        label = None if area.iscrowd else names[area.category_id]
        if isinstance(area.segmentation, _Rle):
            if area.segmentation.size != size:
                raise ValueError(f"run lengths are of {area.segmentation.size} pixels, the image of {size}")
            shapes.append(_coco_mask(label, area.segmentation))
        elif outlines := [points for points in area.segmentation or () if len(points) >= 6]:
            shapes.append(Shape(label, [polygon(points) for points in outlines]))
        else:
            boxes += 1
    return Annotated(size, shapes, {"box": boxes} if boxes else {})


def _coco_mask(label: str | None, rle: _Rle) -> Shape:
    if isinstance(rle.counts, list):
        return Shape(label, mask=runs(rle.counts, rle.size, by_column=True))
    try:
        from pycocotools import mask  # an extra: only compressed run lengths need it
    except ImportError:
        raise DataError(
            'compressed run lengths of COCO need pycocotools: pip install "ednas-nni[coco]", or export polygons'
        ) from None
    with warnings.catch_warnings():  # numpy 2 on how pycocotools makes arrays
        warnings.simplefilter("ignore", DeprecationWarning)
        bits = mask.decode({"size": list(rle.size), "counts": rle.counts.encode("ascii")})
    return Shape(label, mask=np.asarray(bits).astype(bool))


# ---- LabelMe


class _LabelMeShape(BaseModel):
    label: str
    points: list[tuple[float, float]]
    shape_type: str | None = "polygon"
    mask: str | None = None


class _LabelMe(BaseModel):
    shapes: list[_LabelMeShape]
    path: str = Field(alias="imagePath")
    height: int | None = Field(None, alias="imageHeight")
    width: int | None = Field(None, alias="imageWidth")


def labelme(document: object) -> Annotations | None:
    """LabelMe's file beside each image: polygons, rectangles, circles and masks, the first one lowest."""
    if not isinstance(document, dict) or not {"shapes", "imagePath"} <= document.keys():
        return None
    content = _LabelMe.model_validate(document)
    return Annotations("LabelMe", (), {content.path: partial(_labelme_image, content)})


def _labelme_image(content: _LabelMe) -> Annotated:
    shapes, passed = [], Counter[str]()
    for drawn in content.shapes:
        kind, points = drawn.shape_type or "polygon", np.array(drawn.points).reshape(-1, 2)
        if kind == "mask":
            (left, top), bits = np.rint(points[0]).astype(int).tolist(), _picture(drawn.mask or "")
            shapes.append(Shape(drawn.label, mask=bits, corner=(top, left)))
        elif kind in _LABELME:
            shapes.append(Shape(drawn.label, [_LABELME[kind](points)]))
        else:
            passed[kind] += 1
    size = (content.height, content.width) if content.height and content.width else None
    return Annotated(size, shapes, passed)


def _picture(mask: str) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(base64.b64decode(mask, validate=True))) as picture:
            return np.asarray(picture.convert("L")) > 0
    except READ_ERRORS as fault:
        raise ValueError(f"a mask is no picture ({fault})") from None


def _circle(points: Points) -> Points:
    """From its middle and a point on its rim."""
    (x, y), radius = points[0], float(np.linalg.norm(points[1] - points[0]))
    return ellipse(x, y, radius, radius)


_LABELME: Mapping[str, Callable[[Points], Points]] = {
    "polygon": polygon, "oriented_rectangle": polygon, "circle": _circle,
    "rectangle": lambda points: box(*points.min(0).tolist(), *points.max(0).tolist()),
}  # fmt: skip


# ---- CVAT


def cvat(document: object) -> Annotations | None:
    """CVAT for images 1.1: polygons, boxes, ellipses and masks by their z_order, then in the file's order."""
    if not isinstance(document, ElementTree.Element) or document.tag != "annotations":
        return None
    if document.find("track") is not None:
        raise ValueError('holds tracks of a video; export it as "CVAT for images 1.1"')
    labels = tuple(dict.fromkeys(name.text or "" for name in document.iterfind(".//labels/label/name")))
    return Annotations(
        "CVAT", labels, {one.attrib["name"]: partial(_cvat_image, one) for one in document.iter("image")}
    )


def _cvat_image(image: Element) -> Annotated:
    areas = [child for child in image if child.tag in _CVAT]
    areas.sort(key=lambda area: int(area.get("z_order", 0)))
    passed = Counter(child.tag for child in image if child.tag not in _CVAT)
    size = (int(image.attrib["height"]), int(image.attrib["width"]))
    return Annotated(size, [_CVAT[area.tag](area) for area in areas], passed)


def _numbers(area: Element, names: str) -> list[float]:
    return [float(area.attrib[name]) for name in names.split()]


def _cvat_mask(area: Element) -> Shape:
    left, top, width, height = (int(value) for value in _numbers(area, "left top width height"))
    counts = [int(count) for count in area.attrib["rle"].split(",")]
    return Shape(area.attrib["label"], mask=runs(counts, (height, width)), corner=(top, left))


def _outlined(outline: Callable[[Element], Points]) -> Callable[[Element], Shape]:
    return lambda area: Shape(area.attrib["label"], [outline(area)])


def _turned(make: Callable[..., Points], names: str) -> Callable[[Element], Shape]:
    return _outlined(lambda area: make(*_numbers(area, names), degrees=float(area.get("rotation", 0))))


_CVAT: Mapping[str, Callable[[Element], Shape]] = {
    "polygon": _outlined(lambda area: polygon([pair.split(",") for pair in area.attrib["points"].split(";")])),
    "box": _turned(box, "xtl ytl xbr ybr"), "ellipse": _turned(ellipse, "cx cy rx ry"), "mask": _cvat_mask,
}  # fmt: skip


FORMATS: tuple[Callable[[Any], Annotations | None], ...] = (coco, labelme, cvat)
"""From a parsed file, JSON or XML, to its annotations; None where it has another format."""
