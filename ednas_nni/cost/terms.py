"""A space's features as plain arrays: what a cost table holds, without torch or NNI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ednas_nni.space.domains import Domains


@dataclass(frozen=True)
class Term:
    """Features that depend on the same labels.

    Attributes:
        labels: In the order of the space; () for what every sample has.
        values: float64 (values of label 1, ..., values of label m, features).
    """

    labels: tuple[str, ...]
    values: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class SpaceFeatures:
    """All features of a space.

    Attributes:
        names: Feature names.
        terms: A sample's features are the sum over terms of the entry at the sample's values.
        domains: The labels of the space.
        maxima: Features that are the largest over terms instead of their sum; all are >= 0.
        fixed: Part of the network (first word of the module path) -> features of those of its layers that every sample
            has and no choice changes.
    """

    names: tuple[str, ...]
    terms: tuple[Term, ...]
    domains: Domains
    maxima: frozenset[str] = frozenset()
    fixed: Mapping[str, Mapping[str, float]] = field(default_factory=dict, repr=False)
