"""What a cost is made of, and which part of it no choice changes: the stem, the image's way to the device, ..."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ednas_nni.cost.device import FeatureDevice, Values
from ednas_nni.cost.table import CostTable

CONSTANT = "device"
"""Part that a term belongs to when it is there without any layer."""
ANY_CHOICE = "every choice"
"""Part of a term that is the same for all samples although choices decide its layers, such as outputs of heads."""
ALIKE = 1e-9


@dataclass(frozen=True)
class TermShare:
    """One term of a cost.

    Attributes:
        column: Name of the cost column.
        term: The device's name for the term; the column's own name where it has one term only.
        median: Median over the samples, in the column's unit.
        fixed: What every network pays of it whatever is chosen, in the column's unit.
        parts: Part of the network (or `device`) -> its share of `fixed`, in the column's unit; largest first.
    """

    column: str
    term: str
    median: float
    fixed: float
    parts: dict[str, float]


def composition(table: CostTable, column: str, codes: np.ndarray) -> tuple[TermShare, ...]:
    """The terms of a cost over samples, largest median first; () where the device does not tell.

    A term's fixed part is priced from the layers that every sample has and no choice changes, each part of the network
    by itself. What is left of a term that is equal for all samples is fixed too. A term that depends on several layers
    together, such as streaming, counts only as far as one part alone causes it.

    Args:
        table: The cost table.
        column: Name of one of its columns.
        codes: Encoded samples, integers (n, labels).
    """
    number, own = table.owner(column)
    device = table.devices[number]
    if not isinstance(device, FeatureDevice):
        return ()
    over_samples = device.terms(own, table.own_totals(number, table.totals(codes)))
    if over_samples is None:
        return ()

    def terms(totals: Mapping[str, Values]) -> Mapping[str, Values]:
        return device.terms(own, totals) or {}

    prefix = f"{number}:"
    features = [name.removeprefix(prefix) for name in table.feature_names if name.startswith(prefix)]
    nothing = {name: np.zeros(1) for name in features}
    base = {term: float(value[0]) for term, value in terms(nothing).items()}
    found: dict[str, dict[str, float]] = {term: {CONSTANT: value} if value else {} for term, value in base.items()}
    for part, fixed in table.fixed.items():
        own_fixed = {name: np.array([float(fixed.get(prefix + name, 0.0))]) for name in features}
        for term, value in terms(own_fixed).items():
            if value[0] > base[term]:
                found[term][part] = float(value[0]) - base[term]
    for term, values in over_samples.items():
        missing = float(values.min()) - sum(found[term].values())
        if np.ptp(values) <= ALIKE * values.max() and missing > ALIKE * values.max():
            found[term][ANY_CHOICE] = missing
    shares = [
        TermShare(
            column,
            term,
            float(np.median(over_samples[term])),
            sum(parts.values()),
            dict(sorted(parts.items(), key=lambda item: -item[1])),
        )
        for term, parts in found.items()
    ]
    return tuple(sorted(shares, key=lambda share: -share.median))
