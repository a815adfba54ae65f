"""Everything a space may run, as plain data: records, when they are there, and who reads whose output.

It knows neither torch nor any device, so that it can be kept on disk and priced for every device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ednas_nni.cost.records import LayerRecord
from ednas_nni.space.domains import Condition, Domains


@dataclass(frozen=True)
class Operation:
    """One layer call, or one operator outside of layers.

    Attributes:
        path: Module path.
        condition: When it is part of the network.
        labels: Choices that decide its record, in the order of the space.
        records: int32 over the values of ``labels``: positions in ``SpaceLayers.records``.
        reads: Numbers of the tensors that it reads.
        writes: Number of the tensor that it writes; one of ``reads`` where it works in place.
        doubt: Why its record may be wrong for some samples; "" where it is exact.
    """

    path: str
    condition: Condition
    labels: tuple[str, ...]
    records: np.ndarray = field(repr=False)
    reads: tuple[int, ...]
    writes: int
    doubt: str = ""


Options = tuple[tuple[Condition, int], ...]
"""Tensors of which one is meant, each with the condition under which it is."""


@dataclass(frozen=True)
class SpaceLayers:
    """All operations of a space at one image size, in the order in which they run.

    Attributes:
        domains: The labels of the space.
        records: Distinct records, without paths.
        operations: What remains of them for one sample is that sample's network.
        merged: Tensors that are results of choices: number -> what they are.
        results: Tensors that the network gives back. The image is tensor 0.
        image_elements: Elements of the image.
    """

    domains: Domains
    records: tuple[LayerRecord, ...] = field(repr=False)
    operations: tuple[Operation, ...] = field(repr=False)
    merged: Mapping[int, Options] = field(repr=False)
    results: tuple[int, ...]
    image_elements: int


def alive(domains: Domains, condition: Condition, labels: Sequence[str]) -> np.ndarray:
    """Where a condition holds: bool, one axis for each label, of which the condition names no others."""
    shape = [len(domains[label].values) for label in labels]
    found = np.ones(shape, bool)
    for clause in condition:
        any_literal = np.zeros(shape, bool)
        for literal in clause:
            holds = np.array([value in literal.values for value in domains[literal.label].values])
            axis = labels.index(literal.label)
            any_literal |= holds.reshape([-1 if i == axis else 1 for i in range(len(labels))])
        found &= any_literal
    return found


def labels_of(condition: Condition) -> list[str]:
    """Labels that a condition names, with repetitions."""
    return [literal.label for clause in condition for literal in clause]


def spread(values: np.ndarray, labels: Sequence[str], scope: Sequence[str]) -> np.ndarray:
    """Values over labels with one axis per label of ``scope``, of length 1 where they do not depend on it.

    Both are in the order of the space.
    """
    extents = dict(zip(labels, values.shape, strict=False))
    return values.reshape([extents.get(label, 1) for label in scope])
