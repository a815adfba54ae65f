"""What a survey of a data set shows to be wrong, or probably not meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from ednas_nni.data.info import DataInfo
from ednas_nni.data.survey import Survey

FAR_M = 100.0
NEAR_M = 0.05
MOSTLY_IGNORED = 0.6
FEW_VALID = 0.05
TREND = 1.15
"""Depth that grows or shrinks by this factor from the middle of images to their bottom tells its kind."""


def faults(info: DataInfo, surveys: Sequence[Survey]) -> list[str]:
    """What must not be: the same picture in two splits, a split without images, labels that no training image has."""
    found = []
    for one in surveys:
        if not one.images:
            found.append(f"split {one.split!r} has no images")
    for first, second in combinations(surveys, 2):
        shared = first.digests.keys() & second.digests.keys()
        if shared:
            digest = min(shared, key=first.digests.__getitem__)
            found.append(
                f"{len(shared)} images are in split {first.split!r} and in {second.split!r}, pixel by pixel; for "
                f"example number {first.digests[digest]} and number {second.digests[digest]}. Numbers measured on them "
                "would flatter: keep each image in one split, or give copies one group"
            )
    train = next((one for one in surveys if one.split == "train"), None)
    if train is not None and train.images:
        for target in info.targets:
            if train.missing[target] == train.images:
                found.append(f"no image of split 'train' has {target}: a task could not be learned from it")
    return found


def suspicions(info: DataInfo, surveys: Sequence[Survey]) -> list[str]:
    """What works, but is probably not meant. The train split speaks for all where one is enough."""
    train = next((one for one in surveys if one.split == "train"), None)
    found = []
    for one in surveys:
        if one.twice:
            first, second = one.twice[0]
            found.append(
                f"split {one.split!r} holds {len(one.twice)} images twice, for example number {first} and number "
                f"{second}"
            )
    if train is not None:
        found += _classes(info, train)
        found += _depths(info, train)
        found += _normals(train)
    return found


def _classes(info: DataInfo, train: Survey) -> Iterator[str]:
    if train.classes is None:
        return
    pixels = train.classes.pixels
    never = [name for name, count in zip(info.classes, pixels, strict=True) if not count]
    if len(never) == len(pixels) - 1:
        (only,) = (name for name, count in zip(info.classes, pixels, strict=True) if count)
        yield f"every labelled pixel of 'train' is {only!r}: the label files are probably not what they should be"
    elif never:
        yield f"{len(never)} classes never occur in 'train' and cannot be learned: {', '.join(never)}"
    if train.classes.ignored > MOSTLY_IGNORED:
        yield (
            f"{100 * train.classes.ignored:.0f} % of the pixels of 'train' have no class; are the class values, or the "
            "values to ignore, the right ones?"
        )


def _depths(info: DataInfo, train: Survey) -> Iterator[str]:
    if train.depths is None:
        return
    low, median, high = train.depths.percentiles
    kind, unit, trend = info.depth_kind, info.depth_unit, train.depths.downwards
    if kind == "metric" and median > FAR_M:
        yield (f"the median depth is {median:.4g} m; is it stored in millimetres (scale 0.001) or centimetres (0.01)?")
    elif kind == "metric" and high < NEAR_M:
        yield f"99 % of the depths are below {high:.3g} m; is the scale too small?"
    elif unit == "1/m" and median > 1:
        yield (
            f"the median inverse depth is {median:.4g} 1/m, nearer than one metre; is it metric depth, or disparity in "
            "pixels?"
        )
    if kind == "metric" and trend > TREND:
        yield (
            f"depth grows {trend:.2g} times from the middle of images to their bottom, but the ground below is usually "
            "nearer; is it inverse depth or disparity?"
        )
    elif kind != "metric" and trend < 1 / TREND:
        yield (
            f"{kind} depth shrinks to {trend:.2g} times from the middle of images to their bottom, but the ground "
            "below is usually nearer, which makes it larger; is it metric depth?"
        )
    if low == high:
        yield f"depth is {low:.4g} {unit} nearly everywhere: the label files are probably not what they should be"
    if train.depths.valid < FEW_VALID:
        yield f"only {100 * train.depths.valid:.1f} % of the pixels of 'train' have depth"


def _normals(train: Survey) -> Iterator[str]:
    if train.normals is None:
        return
    if train.normals.unit < 0.95:
        yield (
            f"{100 * (1 - train.normals.unit):.0f} % of the normals do not have length 1; are they stored as "
            "127.5 n + 127.5, or as floats from -1 to 1?"
        )
    if train.normals.upwards < -0.1:
        yield (
            f"normals in the lower quarter of images point downwards (mean y {train.normals.upwards:.2f}); floors "
            "point up: is y stored pointing down?"
        )
    if train.normals.towards < 0.5:
        yield (
            f"only {100 * train.normals.towards:.0f} % of the normals point to the camera, yet only such surfaces are "
            "seen: is z stored pointing away?"
        )
