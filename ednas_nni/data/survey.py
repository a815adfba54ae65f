"""Reads whole splits once, sums up what their labels are like, and points at what is wrong or probably not meant."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np

from ednas_nni.data.agreement import GeometrySums
from ednas_nni.data.info import DataInfo
from ednas_nni.data.kinds import LabelSurvey, label_kind
from ednas_nni.data.layouts.base import FolderSource
from ednas_nni.data.layouts.record import ImageRecord
from ednas_nni.data.names import place
from ednas_nni.data.reading import stored_as
from ednas_nni.data.source import DataSource, Split


@dataclass(frozen=True)
class Survey:
    """What one split is like.

    Attributes:
        labels: Sums over the labels by name; each knows how many images have the label.
        digests: Number of the image by a digest of its pixels.
        twice: Pairs of images of this split with the same pixels.
        agreement: Of depth and normals, for the training split of data that have both.
    """

    split: str
    images: int
    labels: Mapping[str, LabelSurvey]
    digests: dict[bytes, int] = field(repr=False, default_factory=dict)
    twice: tuple[tuple[int, int], ...] = ()
    agreement: GeometrySums | None = None

    def missing(self, name: str) -> int:
        """Return how many images lack a label entirely."""
        return self.images - self.labels[name].images


def survey(split: Split, tick: Callable[[], object] = lambda: None) -> Survey:
    """Read every image of a split; `tick` is called after each."""
    digests: dict[bytes, int] = {}
    twice = []
    labels = {name: label_kind(name).survey(split.info) for name in split.info.targets}
    both = split.name == "train" and {"depth", "normals"} <= set(split.info.targets)
    agreement = GeometrySums(split.info) if both else None
    for index in range(len(split)):
        if agreement is not None:
            agreement.add(np.asarray(split.depth[index]), np.asarray(split.normals[index]))
        digest = hashlib.blake2b(np.ascontiguousarray(split.image[index]).data, digest_size=16).digest()
        first = digests.setdefault(digest, index)
        if first != index:
            twice.append((first, index))
        for name, sums in labels.items():
            sums.add(np.asarray(split.target(name)[index]))
        tick()
    return Survey(split.name, len(split), labels, digests, tuple(twice), agreement)


FEW_SCORED, NOISY = 50, 0.02
"""Images below which, and half an interval of a mean score above which, a split is said to be small."""

_USES = {
    "train": "weights are fitted",
    "search": "candidates are scored",
    "select": "finalists are compared",
    "test": "final numbers are taken",
}


def faults(
    info: DataInfo, surveys: Sequence[Survey], needed: Sequence[str] | None = None, source: DataSource | None = None
) -> list[str]:
    """What must not be: the same picture in two splits, a split without images or without a label that is needed.

    `needed` are the labels that the tasks need, all by default; `source` is whose surveys they are, to say more.
    """
    problems = [f"split {one.split!r} has no images" for one in surveys if not one.images]
    for first, second in combinations(surveys, 2):
        shared = first.digests.keys() & second.digests.keys()
        if shared:
            digest = min(shared, key=first.digests.__getitem__)
            problems.append(
                f"{len(shared)} images are in split {first.split!r} and in {second.split!r}, pixel by pixel; for "
                f"example number {first.digests[digest]} and number {second.digests[digest]}. Numbers measured on them "
                "would flatter: keep each image in one split, or give copies one group"
            )
    for name in info.targets if needed is None else needed:
        counts = {one.split: one.labels[name].images for one in surveys if one.images}
        problems += unlabelled(name, source, counts)
    train = _train(surveys)
    if train is not None and train.agreement is not None and not info.trusted:
        problems += train.agreement.contradictions()
    return problems


def unlabelled(name: str, source: DataSource | None, counts: Mapping[str, int] | None = None) -> list[str]:
    """Say which splits have no label of a kind, for each is needed.

    `counts` is the number of images with it by split; by default that of its files, where there are any.
    """
    records = _records(source)
    if counts is None:
        of_files = {split: sum(name in one.files for one in listed) for split, listed in records.items() if listed}
        counts = of_files if any(of_files.values()) else {}
    lacking = [split for split, count in counts.items() if not count]
    groups = len({one.group for listed in records.values() for one in listed if name in one.files})
    why = ""
    if 0 < groups < len(counts):
        why = f" Only {groups} group(s) of images have it, and {', '.join(counts)} need one each."
    return [
        f"no image of split {split!r} has {name}, where {_USES[split]}.{why} Label more images, move some with it to "
        f"{split!r} (a manifest's column split), or leave {name} and its task out"
        for split in lacking
    ]


def _records(source: DataSource | None) -> Mapping[str, Sequence[ImageRecord]]:
    """Images by split; none where a data set does not lie in files."""
    return source.records if isinstance(source, FolderSource) else {}


def two_types(source: DataSource) -> list[str]:
    """Say which labels lie in files of several types, though one factor turns all of their values into the unit."""
    if not isinstance(source, FolderSource):
        return []
    doubts = []
    for name in (name for name in source.facts.targets if label_kind(name).dtype.startswith("float")):
        types: dict[tuple[str, str], list[Path]] = {}
        for records in source.records.values():
            for record in records:
                path = record.files.get(name)
                if path and record.index < 0 and (stored := stored_as(path)):
                    types.setdefault((str(stored[0]), str(source.factor(record, name))), []).append(path)
        if len(types) > len({factor for _, factor in types}):
            listed = "; ".join(
                f"{len(paths)} of {dtype}, such as {paths[0].name}" for (dtype, _), paths in types.items()
            )
            doubts.append(f"{name} lies in files of several types read alike ({listed}): do they hold one quantity?")
    return doubts


def one_place(source: DataSource) -> list[str]:
    """Say which pictures of one place, at another time or by another camera, lie in several splits."""
    places: dict[tuple[str, ...], dict[str, str]] = {}
    for split, records in _records(source).items():
        for record in records:
            places.setdefault(place(Path(f"{record.key}.x")), {}).setdefault(split, record.key)
    apart = [keys for keys in places.values() if len(keys) > 1]
    if not apart:
        return []
    example = " and ".join(f"{key} ({split})" for split, key in list(apart[0].items())[:2])
    return [
        f"{len(apart)} of {len(places)} places lie in several splits: names differ only by weather, time, side or "
        f"camera, such as {example}. Scores would flatter: give pictures of one place one group"
    ]


def suspicions(info: DataInfo, surveys: Sequence[Survey]) -> list[str]:
    """What works, but is probably not meant. The train split speaks for all where one is enough."""
    doubts = [
        f"split {one.split!r} holds {len(one.twice)} images twice, for example number {one.twice[0][0]} and number "
        f"{one.twice[0][1]}"
        for one in surveys
        if one.twice
    ]
    train = _train(surveys)
    if train is not None:
        doubts += _few(surveys, max((sums.spread for sums in train.labels.values()), default=0.0))
        for name, sums in train.labels.items():
            if sums.images:
                doubts += label_kind(name).suspicions(sums, info)
        if train.agreement is not None:
            doubts += train.agreement.doubts()
            doubts += train.agreement.contradictions() if info.trusted else ()
    return doubts


def _few(surveys: Sequence[Survey], spread: float) -> list[str]:
    """Say how far a mean score is off by the choice of few images, given the spread of scores from image to image."""
    few = {one.split: one.images for one in surveys if one.split != "train" and 0 < one.images < FEW_SCORED}
    off = {split: 1.96 * spread / number**0.5 for split, number in few.items()}
    if not few or max(off.values()) < NOISY:
        return []
    listed = ", ".join(f"{number} in {split!r} (± {off[split]:.2f})" for split, number in few.items())
    return [
        f"few images are scored: {listed}. The score of a fixed prediction has a standard deviation of {spread:.2f} "
        "from image to image, so a mean over so few is good to what stands in brackets (95 %), and networks "
        "that differ by less may differ by chance. Label more images, or raise the shares `search` and `select`"
    ]


def _train(surveys: Sequence[Survey]) -> Survey | None:
    return next((one for one in surveys if one.split == "train"), None)
