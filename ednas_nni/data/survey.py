"""Reads whole splits once, sums up what their labels are like, and points at what is wrong or probably not meant."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from ednas_nni.data.agreement import GeometrySums
from ednas_nni.data.info import DataInfo
from ednas_nni.data.kinds import LabelSurvey, label_kind
from ednas_nni.data.source import Split


@dataclass(frozen=True)
class Survey:
    """What one split is like.

    Attributes:
        split: Its name.
        images: Number of images.
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
    """Read every image of a split.

    Args:
        split: The split.
        tick: Called after each image.
    """
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


def faults(info: DataInfo, surveys: Sequence[Survey]) -> list[str]:
    """What must not be: the same picture in two splits, a split without images, labels that no training image has."""
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
    train = _train(surveys)
    if train is not None and train.images:
        for name in info.targets:
            if not train.labels[name].images:
                problems.append(f"no image of split 'train' has {name}: a task could not be learned from it")
    if train is not None and train.agreement is not None and not info.trusted:
        problems += train.agreement.contradictions()
    return problems


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
        for name, sums in train.labels.items():
            if sums.images:
                doubts += label_kind(name).suspicions(sums, info)
        if train.agreement is not None:
            doubts += train.agreement.doubts()
            doubts += train.agreement.contradictions() if info.trusted else ()
    return doubts


def _train(surveys: Sequence[Survey]) -> Survey | None:
    return next((one for one in surveys if one.split == "train"), None)
