"""What a device says its cost is made of."""

from __future__ import annotations

import numpy as np

from ednas_nni.cost.device import Device


def terms_of(device: Device, column: str, totals: dict[str, np.ndarray]) -> dict[str, np.ndarray] | None:
    """The terms of a device's own column, each (n,); one for a plain sum, None where the device does not tell."""
    declared = getattr(device, "terms", None)
    found = declared(column, totals) if declared is not None else None
    if found is not None:
        return found
    bound = getattr(device, "lower_bound", lambda _: None)(column)
    if bound is None or bound[1] or list(bound[0].values()) != [1.0]:
        return None
    (feature,) = bound[0]
    return {column: totals[feature]}


def terms_or_whole(device: Device, column: str, totals: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The terms, or the cost itself as the only one."""
    found = terms_of(device, column, totals)
    return found if found is not None else {column: device.costs(totals)[column]}
