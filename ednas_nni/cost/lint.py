"""Choices of a space that a study can do without: a device leaves them to the host, or no limit lets them through.

Values that no limit lets through are looked for, not proved: random architectures are priced, and for a value that none
of the feasible ones has, the nearest misses are changed choice by choice, the value kept, until nothing gets cheaper.
With 20,000 draws that takes a second or two; each value that is left takes about half a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ednas_nni.cost.device import Device
from ednas_nni.cost.space_layers import Operation, SpaceLayers, alive
from ednas_nni.cost.summary import descend, random_codes
from ednas_nni.cost.table import CostTable
from ednas_nni.space.dimensions import Dimension, in_order
from ednas_nni.space.domains import Domains, Scalar
from ednas_nni.study.objectives import Constraint

DRAWS = 20_000
STARTS = 48
MOST = 8
"""Values that a message lists."""
EVERY = "every network"


# -------------------------------------------------------------------- what devices do not run
def left_to_the_host(table: CostTable) -> Iterator[str]:
    """One line for each kind of layer that a device of the study does not run, and how to be rid of it."""
    if table.layers is None:
        return
    machines = {name: d for name, d in zip(table.device_names, table.devices, strict=True) if d.runs_networks}
    charged = {name: unmapped(table.layers, device) for name, device in machines.items()}
    for reason in dict.fromkeys(reason for reasons in charged.values() for reason in reasons):
        of = [name for name in machines if reason in charged[name]]
        choices = list(dict.fromkeys(choice for name in of for choice in charged[name][reason]))
        nobody = len(of) == len(machines) > 1
        cuts = any(machines[name].cuts_graph for name in of)
        behind = " and cuts the graph there: all behind it runs on the host, too" if cuts else ""
        where = f"{EVERY} has it" if EVERY in choices else f"it comes with {_listed(choices)}, which can be left out"
        whom = "no device of this study runs" if nobody else f"{' and '.join(of)} does not run"
        yield f"space: {whom} {reason}{behind}. Here {where}"


def unmapped(layers: SpaceLayers, device: Device) -> dict[str, dict[str, None]]:
    """What a device does not run -> the values of choices that bring it in, in order; `EVERY` where none of them does.

    A layer is charged to the innermost choice that it hangs on, such as the operation of its block.
    """
    reasons = [device.unmapped(record) for record in layers.records]
    charged: dict[str, dict[tuple[str, Scalar] | None, None]] = {}
    for operation in layers.operations:
        for number in np.unique(operation.records):
            if reasons[number]:
                charged.setdefault(reasons[number], {})[_charged(operation)] = None
    whole = [{(dimension.label, value) for value in dimension.values} for dimension in layers.domains.dimensions]
    return {
        reason: {EVERY: None}
        if None in choices or any(values <= choices.keys() for values in whole)
        else {str(choice[1]): None for choice in choices if choice is not None}
        for reason, choices in charged.items()
    }


def _charged(operation: Operation) -> tuple[str, Scalar] | None:
    single = [clause[0] for clause in operation.condition if len(clause) == 1 and len(clause[0].values) == 1]
    return (single[-1].label, next(iter(single[-1].values))) if single else None


# -------------------------------------------------------------------- what no limit lets through
def never_feasible(table: CostTable, constraints: Sequence[Constraint], seed: int = 0) -> Iterator[str]:
    """One line of the values with which nothing meets the constraints, which are those that are checked."""
    values = [f"{label} {value}" for label, value in infeasible(table, constraints, seed)]
    if values:
        limits = " and ".join(map(str, constraints))
        yield (
            f"constraints: no network with {_listed(values)} was found that meets {limits}: such values are never "
            "trained. Leave them out, or loosen the limit"
        )


def infeasible(table: CostTable, constraints: Sequence[Constraint], seed: int = 0) -> list[tuple[str, Scalar]]:
    """Values with which no network was found that meets all constraints; [] where nothing meets them at all."""
    if not constraints:
        return []
    domains = table.domains
    codes, active = settled_codes(domains, random_codes(domains, DRAWS, np.random.default_rng(seed)))
    over = _excess(table, constraints, codes)
    meets = over <= 1
    if not meets.any():
        return []
    nearest = codes[np.argsort(over)[:STARTS]]
    limits = [len(dimension.values) for dimension in domains.dimensions]
    barred = []
    for at, dimension in enumerate(domains.dimensions):
        seen = np.unique(codes[meets & active[:, at], at])
        for code in sorted(set(range(limits[at])) - set(seen.tolist())):
            starts = _having(domains, dimension, at, code, nearest)
            price = partial(_price, table, constraints, at, code)
            if not (price(descend(starts, limits, price)) <= 1).any():
                barred.append((dimension.label, dimension.values[code]))
    return barred


def _price(
    table: CostTable, constraints: Sequence[Constraint], at: int, code: int, codes: NDArray[np.integer]
) -> NDArray[np.float64]:
    """How far networks are beyond the limits, 1 = on it; infinite where they do not have the value."""
    settled, active = settled_codes(table.domains, codes)
    has = active[:, at] & (settled[:, at] == code)
    return np.where(has, _excess(table, constraints, settled), np.inf)


def _excess(table: CostTable, constraints: Sequence[Constraint], codes: NDArray[np.integer]) -> NDArray[np.float64]:
    costs = table.encoded(codes)
    over = np.zeros(len(codes))
    with np.errstate(divide="ignore", invalid="ignore"):
        for constraint in constraints:
            value = costs[:, table.names.index(constraint.name)]
            share = value / constraint.bound if constraint.op == "<=" else constraint.bound / value
            over = np.maximum(over, np.nan_to_num(share, nan=np.inf))
    return over


def _having(
    domains: Domains, dimension: Dimension, at: int, code: int, codes: NDArray[np.integer]
) -> NDArray[np.integer]:
    """Samples with a value, and with what makes its label active."""
    changed = codes.copy()
    changed[:, at] = code
    for clause in () if dimension.always else dimension.conditions[0]:
        other = domains.labels.index(clause[0].label)
        allowed = [i for i, value in enumerate(domains[clause[0].label].values) if value in clause[0].values]
        changed[~np.isin(changed[:, other], allowed), other] = allowed[0]
    return changed


def settled_codes(domains: Domains, codes: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.bool_]]:
    """Canonical codes (n, labels) of any, and which labels are active; many at once, unlike `Domains.canonical`."""
    codes, active = codes.copy(), np.ones(codes.shape, bool)
    position: Mapping[str, int] = {label: i for i, label in enumerate(domains.labels)}
    by_label = {dimension.label: dimension for dimension in domains.dimensions}
    for label in in_order(by_label):
        dimension = by_label[label]
        if dimension.always:
            continue
        on = np.zeros(len(codes), bool)
        for condition in dimension.conditions:
            read = tuple(dict.fromkeys(literal.label for clause in condition for literal in clause))
            on |= alive(domains, condition, read)[tuple(codes[:, position[x]] for x in read)]
        active[:, position[label]] = on
        codes[~on, position[label]] = 0
    return codes, active


def _listed(values: Sequence[str]) -> str:
    return ", ".join(values[:MOST]) + (f" and {len(values) - MOST} more" if len(values) > MOST else "")
