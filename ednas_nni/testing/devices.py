"""The contract of a device, for a test of its author: `check_device(MyPhone())`; see docs/adding_a_device.md.

All checks raise `PluginError` with what is wrong and how to repair it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from ednas_nni.cost import registry
from ednas_nni.cost.device import AdditiveDevice, Device, FeatureDevice, OrderDevice, Origin, Values
from ednas_nni.cost.profiles import ReadsProfiles
from ednas_nni.cost.records import LayerRecord, convolution, elementwise, linear
from ednas_nni.cost.registry import checked
from ednas_nni.cost.space_layers import Operation, SpaceLayers
from ednas_nni.errors import EdnasError, PluginError
from ednas_nni.space.domains import Dimension, Domains, Literal

NETWORKS = 16
ALIKE = 1e-9
SIZE = (32, 64)


def check_device(device: Device | type[Device]) -> None:
    """Run what holds for every device, or a class that needs no arguments, and what holds for its kind.

    A `PartsDevice` may measure for minutes, so only its columns are checked here; price a small space with it besides:
    `cost_table(space, [device])`.
    """
    made = checked(device, device)
    check_columns(made)
    if isinstance(made, ReadsProfiles):
        check_profiles(type(made))
    if isinstance(made, AdditiveDevice):
        _check_additive(made)
    elif isinstance(made, OrderDevice):
        codes = np.arange(2)[:, None]
        price = made.for_layers(example_space())
        _check_costs(made, price(codes), 2, lambda row: price(codes[row : row + 1]))


def check_columns(device: Device) -> None:
    """Every column says its unit, where its numbers come from, and what to expect of them."""
    names = [column.name for column in device.columns]
    if not names or len(set(names)) < len(names):
        raise _broken(device, f"has the columns {names}; it needs one at least, each of a name of its own")
    for column in device.columns:
        where = f"column {column.name!r}"
        if not column.name.isidentifier():
            raise _broken(device, f"{where}: a name is of letters, digits and _, such as latency_ms")
        if not column.unit or not column.note.strip():
            raise _broken(device, f"{where}: lacks its unit or its note, such as '1' and what is not counted")
        if column.device != device.name:
            raise _broken(device, f"{where}: belongs to {column.device!r}; write the device's name, {device.name!r}")
        if column.origin not in get_args(Origin):
            raise _broken(device, f"{where}: origin {column.origin!r} is not one of {', '.join(get_args(Origin))}")
        if column.error is not None and not 0 <= column.error < np.inf:
            raise _broken(device, f"{where}: error {column.error} is not a number >= 0; None where nobody compared it")
        if column.origin == "counted" and column.error != 0:
            raise _broken(device, f"{where}: is counted, so its error is 0; write error=0.0, or another origin")
        if column.upper and column.upper not in names:
            raise _broken(device, f"{where}: its upper bound {column.upper!r} is not a column of the device")


def check_profiles(reader: type[ReadsProfiles]) -> None:
    """`from_profile` takes what it is given, and names the field of a file in which nothing is right."""
    where = f"{reader.__name__}.from_profile(data, source, find)"
    if not isinstance(reader.profile_kind, str) or not reader.profile_kind:
        raise PluginError(f"{reader.__name__}: profile_kind is {reader.profile_kind!r}; it is what a file says as kind")
    try:
        inspect.signature(reader.from_profile).bind({}, "file.yml", registry.device)
    except TypeError as error:
        raise PluginError(f"{where} cannot be called so ({error})") from None
    try:
        reader.from_profile({"kind": reader.profile_kind, "no_such_field": 1}, "file.yml", registry.device)
    except EdnasError as error:
        if "file.yml" not in str(error):
            raise PluginError(f"{where}: its message does not name the file: {error}") from None
    except Exception as error:
        raise PluginError(
            f"{where}: a wrong file fails by {type(error).__name__}: {error}; use read_profile"
        ) from error
    else:
        raise PluginError(f"{where}: accepts a file with the field 'no_such_field' alone; use read_profile")


def example_layers() -> tuple[LayerRecord, ...]:
    """One layer of each sort that devices treat differently."""
    small, stem = (8, 16), (16, 32)
    return (
        replace(convolution("stem", 3, 8, SIZE, stem, kernel=(3, 3), stride=(2, 2)), image_elements=3 * 32 * 64),
        elementwise("norm", "batch_norm", 8, 8, stem, stem, params=16),
        elementwise("relu", "activation", 8, 8, stem, stem),
        convolution("depthwise", 8, 8, stem, small, kernel=(3, 3), stride=(2, 2), groups=8, bias=True),
        convolution("grouped", 8, 16, small, small, groups=2),
        elementwise("add", "add", 16, 16, small, small, inputs=2),
        elementwise("multiply", "multiply", 16, 16, small, small, inputs=2),
        elementwise("concat", "concat", 32, 32, small, small),
        elementwise("pad", "pad", 16, 16, small, (10, 18)),
        elementwise("pool", "pool", 16, 16, small, (1, 1)),
        linear("linear", 16, 10, bias=True),
        elementwise("other", "other", 16, 16, small, small),
        replace(elementwise("resize", "resize", 5, 5, small, SIZE), full_size=True),
        replace(elementwise("host", "host", 5, 1, SIZE, SIZE), full_size=True),
    )


def example_space() -> SpaceLayers:
    """Two networks: a convolution or a pooling reads the image, and an addition what they wrote."""
    domains = Domains([Dimension("a", ("x", "y"))])
    x, y = (((Literal("a", frozenset({value})),),) for value in "xy")
    records = (
        convolution("x", 3, 8, SIZE, SIZE, kernel=(3, 3)),
        elementwise("y", "pool", 3, 8, SIZE, SIZE),
        elementwise("z", "add", 8, 8, SIZE, SIZE, inputs=2),
    )
    operations = tuple(
        Operation(records[i].path, condition, (), np.array(i, np.int32), (read,), i + 1)
        for i, (condition, read) in enumerate(((x, 0), (y, 0), ((), 4)))
    )
    return SpaceLayers(domains, records, operations, {4: ((x, 1), (y, 2))}, (3,), 3 * SIZE[0] * SIZE[1])


def network_totals(device: AdditiveDevice, networks: Sequence[Sequence[LayerRecord]]) -> dict[str, Values]:
    """Features of whole networks, added up as in a cost table, each float64 (n,); PluginError: one is negative."""
    totals: dict[str, Values] = {}
    for row, layers in enumerate(networks):
        for layer in layers:
            for name, value in device.layer_features(layer).items():
                if not 0 <= value < np.inf:
                    raise _broken(device, f"feature {name!r} of a {layer.kind} layer is {value}; all must be >= 0")
                values = totals.setdefault(name, np.zeros(len(networks)))
                values[row] = max(values[row], value) if name in device.maxima else values[row] + value
    return totals


def _check_additive(device: AdditiveDevice) -> None:
    rng = np.random.default_rng(0)
    layers = example_layers()
    networks = [[layers[0], *(layers[i] for i in rng.integers(1, len(layers), 12))] for _ in range(NETWORKS)]
    networks[0] = list(layers)
    if any(device.layer_features(layer) != device.layer_features(layer) for layer in layers):
        raise _broken(device, "layer_features gives other numbers for the same layer; it must depend on it alone")
    totals = network_totals(device, networks)
    costs = device.costs(totals)
    _check_costs(
        device, costs, NETWORKS, lambda row: device.costs({name: x[row : row + 1] for name, x in totals.items()})
    )
    larger = device.costs(network_totals(device, [[*network, *layers] for network in networks]))
    for name in costs:
        if (larger[name] < costs[name] * (1 - ALIKE)).any():
            raise _broken(device, f"{name} falls when layers are added; a search would find and use that")
    _check_optional(device, totals, costs)


def _check_costs(
    device: Device, costs: Mapping[str, Values], n: int, alone: Callable[[int], Mapping[str, Values]]
) -> None:
    """One number per network and column, whatever other networks are priced with it."""
    names = [column.name for column in device.columns]
    if sorted(costs) != sorted(names):
        raise _broken(device, f"costs has {sorted(costs)}, its columns are {sorted(names)}; they must be the same")
    for name, values in costs.items():
        if np.shape(values) != (n,) or not np.isfinite(values).all() or (values < 0).any():
            raise _broken(device, f"{name} of {n} networks is {values!r}; {n} finite numbers >= 0 are needed")
        if not all(np.allclose(alone(row)[name], values[row], rtol=ALIKE) for row in range(n)):
            raise _broken(device, f"{name} of a network depends on what else is priced with it")
    for column in device.columns:
        if column.upper and (costs[column.upper] < costs[column.name] * (1 - ALIKE)).any():
            raise _broken(device, f"{column.upper} is below {column.name}, whose upper bound it is")


def _check_optional(device: FeatureDevice, totals: Mapping[str, Values], costs: Mapping[str, Values]) -> None:
    """What a device says beyond its costs agrees with them."""
    for name, values in costs.items():
        bound = device.lower_bound(name)
        if bound is not None:
            below = sum((w * totals.get(x, 0.0) for x, w in bound.weights.items()), np.full(NETWORKS, bound.constant))
            if (below > values * (1 + ALIKE)).any() or any(weight < 0 for weight in bound.weights.values()):
                raise _broken(device, f"lower_bound of {name} is above the cost, or has a negative weight")
        terms = device.terms(name, totals)
        if terms is not None:
            parts = list(terms.values())
            if any((part < 0).any() for part in parts) or not np.allclose(sum(parts), values, rtol=ALIKE):
                raise _broken(device, f"terms of {name} are not numbers >= 0 whose sum is the cost")
    beyond: NDArray[np.bool_] | None = device.extrapolated(totals)
    if beyond is not None and (beyond.shape != (NETWORKS,) or beyond.dtype != bool):
        raise _broken(
            device, f"extrapolated gives {beyond.dtype} {beyond.shape}; it must be bool ({NETWORKS},), or None"
        )


def _broken(device: Device, what: str) -> PluginError:
    return PluginError(f"device {device.name!r}: {what}. The contract: ednas_nni.cost.device, docs/adding_a_device.md")
