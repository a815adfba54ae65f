"""Class maps from files of annotations, one image at a time, and what a drafted manifest says of such files."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data_sets.annotations.formats import Annotations, is_annotations, key_of, read_annotations
from ednas_nni.data.class_names import CLASSES_FILE
from ednas_nni.data.class_table import IGNORED, written
from ednas_nni.data.headers import READ_ERRORS, orientation, turned_as
from ednas_nni.data.kinds import Drafted, Storage
from ednas_nni.data.names import split_of
from ednas_nni.errors import DataError

DENSE = 0.9
"""Share of the pixels from which on shapes are taken to cover all that has a class."""
_LOOKED = 40
_NAMES = {"__ignore__": IGNORED, "_background_": "background"}
"""What LabelMe's own programs make of two labels."""


def painted(path: Path, storage: Storage) -> NDArray[np.uint8]:
    """Return the class map of `storage.image`, as it is looked at: uint8 (H, W), 255 = no class.

    Shapes lie on the picture as their tool showed it, nearly always upright. Where its size says that they were drawn
    on the picture as it is stored, the map is turned with the picture.
    """
    image = storage.image
    assert image is not None, "a manifest names it"
    opened = read_annotations(path)
    if opened is None:
        raise DataError(f"{path}: holds no areas of COCO, LabelMe or CVAT. Correct the cell seg")
    annotated = opened.of(image, path)
    turned = orientation(image) if storage.upright else 1
    stored = _stored_size(image)
    upright = stored[::-1] if stored and turned >= 5 else stored
    size = annotated.size or upright
    if size is None or not 0 < size[0] * size[1] <= 2 * (Image.MAX_IMAGE_PIXELS or 0):
        raise DataError(f"{path}: says that {image} is {size}; it must say a height and width in pixels")
    labels = annotated.labels(size, storage.classes, path)
    return turned_as(labels, turned) if turned >= 5 and size == stored != upright else labels


def _stored_size(image: Path) -> tuple[int, int] | None:
    try:
        with Image.open(image) as opened:
            return opened.size[::-1]
    except READ_ERRORS:
        return None  # an array


def assigned(
    folder: Path, images: Sequence[str], others: Sequence[Path], left: dict[str, list[Path]]
) -> Mapping[str, Path]:
    """Return the file of annotations in which something was drawn on an image, by image; `left` gets what has none.

    Of several files that may mean an image that one is taken which has most of its path, its split, its folder; of
    several images that an entry may mean, likewise.
    """
    files: dict[Path, Annotations] = {}
    by_stem: dict[str, list[tuple[Path, Annotations]]] = defaultdict(list)
    for path in filter(is_annotations, others):
        try:
            read = read_annotations(folder / path)
        except DataError as fault:  # perhaps nothing that matters: settings, notes
            left[f"files that cannot be read ({fault})"].append(path)
            continue
        if read is not None:
            files[path] = read
            for stem in read.by_stem:
                by_stem[stem].append((path, read))
    taken: dict[str, Path] = {}
    meant: set[tuple[Path, str]] = set()
    candidates = {
        image: [
            ((parts, split_of(path) == split_of(image), path.parent == image.parent), path, name)
            for path, read in by_stem.get(key_of(image)[-1], ())
            for parts, name in read.names(image)
        ]
        for image in map(Path, images)
    }
    best: dict[tuple[Path, str], tuple[int, bool, bool]] = {}
    for rank, path, name in chain.from_iterable(candidates.values()):
        best[path, name] = max(rank, best.get((path, name), rank))
    for image, every in candidates.items():
        near = [(rank, path, name) for rank, path, name in every if rank == best[path, name]]
        if not near:
            continue
        most = max(rank for rank, _, _ in near)
        near = [one for one in near if one[0] == most]
        _, path, name = near[0]
        if len(near) > 1:
            both = f"{near[0][1]} ({name}) and {near[1][1]} ({near[1][2]})"
            raise DataError(
                f"{folder / image}: may be meant in {both}; keep one of them, or tell them apart by folders"
            )
        if (path, name) in meant:
            raise DataError(f"{folder / path}: {name} may mean {image} or another image; tell them apart by folders")
        meant.add((path, name))
        if files[path].drawn(name, folder / path).shapes:
            taken[image.as_posix()] = path
        else:
            left[f"images on which nothing is drawn in {path}; if they show nothing, add their lines"].append(image)
    for path, read in files.items():
        for name in read.images:
            if (path, name) not in meant:
                left[f"images that {path} names, but that are not there"].append(Path(name))
    return taken


def drafted(paths: Sequence[Path], tick: Callable[[], object]) -> Drafted:
    """Draft classes.txt: the labels that shapes have, and what stands where no shape is."""
    used: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    covered: list[float] = []
    files = {path: read for path in dict.fromkeys(paths) if (read := read_annotations(path))}
    crowds = 0
    images = [(path, name) for path, read in files.items() for name in read.images]
    for number, (path, name) in enumerate(images):
        annotated = files[path].drawn(name, path)
        used.update({shape.label for shape in annotated.shapes if shape.label})
        crowds += sum(shape.label is None for shape in annotated.shapes)
        passed.update(annotated.passed)
        if annotated.size and annotated.shapes and number % max(1, len(images) // _LOOKED) == 0:
            covered.append(annotated.covered(annotated.size))
        tick()
    declared = [label for read in files.values() for label in read.declared]
    labels = [label for label in dict.fromkeys((*declared, *sorted(used))) if used[label]]
    share = float(np.mean(covered)) if covered else 0.0
    rest = IGNORED if share >= DENSE and len(labels) > 1 else "background"
    formats = " and ".join(sorted({read.format for read in files.values()}))
    lines = [
        f"shapes of {formats} are read from their files; a later shape covers an earlier one",
        f"they cover {share:.0%} of the pixels; where none is, the class is drafted as {rest!r}: change the line "
        f'`"": {rest}` of {CLASSES_FILE} to `"": {IGNORED if rest != IGNORED else "background"}` if it is not so',
    ]
    if idle := [label for label in dict.fromkeys(declared) if not used[label]]:
        lines.append(f"{len(idle)} labels that no shape has are left out: {', '.join(idle[:8])}")
    if crowds:
        lines.append(f"{crowds} crowds (iscrowd) are no class")
    if passed:
        listed = ", ".join(f"{number} of the kind {kind}" for kind, number in passed.most_common())
        lines.append(f"shapes without an area are left out: {listed}")
    named = {"": rest, **{label: _NAMES.get(label, " ".join(label.split())) for label in labels}}
    classes = len(set(named.values()) - {IGNORED})
    return Drafted(
        texts={CLASSES_FILE: "".join(f"{written(label)}: {name}\n" for label, name in named.items())},
        note="\n".join([f"{classes} classes; correct their names in {CLASSES_FILE}", *lines]),
    )
