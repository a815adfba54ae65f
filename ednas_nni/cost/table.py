"""The cost table: prices of samples, exact for the network each sample describes, without building it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ednas_nni.cost import registry
from ednas_nni.cost.device import AdditiveDevice, CostColumn, Device, FeatureDevice, OrderDevice, PartsDevice, Values
from ednas_nni.cost.features import SpaceFeatures, joined, over_sizes, renamed, space_features
from ednas_nni.cost.minimum import Function
from ednas_nni.cost.records import LayerRecord
from ednas_nni.cost.space_layers import SpaceLayers, remembered
from ednas_nni.errors import PluginError, SampleError, StudyError
from ednas_nni.space.domains import Domains, Sample
from ednas_nni.study.objectives import Constraint

if TYPE_CHECKING:
    from ednas_nni.compat.nas import ModelSpace

InOrder: TypeAlias = Callable[[np.ndarray], Mapping[str, Values]]
"""Costs of encoded samples by an `OrderDevice`."""
COUNTS = ("macs", "params")
"""Devices that every table has."""
CHUNK = 1 << 13
"""Samples priced at once: a chunk's indices and sums stay in the processor's cache."""


class CostTable:
    """Prices samples of one space on some devices, at one image size.

    Args:
        features: Features of the space, named `<device number>:<feature>`.
        devices: In the order of their numbers; a second one of a name is called `<name>_2`, see `device_names`.
        deploy_size: Image (height, width) in pixels on the device.
        by_order: Number of an `OrderDevice` -> its costs of encoded samples.
        priced_size: What the network pads such an image to, at which the features were read; None = as it is.
        layers: The operations of the space, at the first of the sizes that choices decide.
    """

    def __init__(
        self,
        features: SpaceFeatures,
        devices: Sequence[Device],
        deploy_size: tuple[int, int],
        by_order: Mapping[int, InOrder] | None = None,
        priced_size: tuple[int, int] | None = None,
        layers: SpaceLayers | None = None,
    ) -> None:
        self.layers = layers
        self._by_order = dict(by_order or {})
        self.domains: Domains = features.domains
        self.deploy_size = deploy_size
        self.priced_size = priced_size or deploy_size
        self.fixed = features.fixed
        self.devices = tuple(devices)
        self.device_names = _device_names(devices)
        self.columns: tuple[CostColumn, ...] = _columns(devices, self.device_names)
        self.names: tuple[str, ...] = tuple(column.name for column in self.columns)
        position = {label: i for i, label in enumerate(self.domains.labels)}
        self._limits = np.array([len(dimension.values) for dimension in self.domains.dimensions])
        # Features that are summed come first, those of which the largest counts last.
        order = sorted(range(len(features.names)), key=lambda i: features.names[i] in features.maxima)
        self.feature_names = tuple(features.names[i] for i in order)
        self._sums = len(order) - len(features.maxima)
        constant, varying = np.zeros((1, len(order))), []
        for term in features.terms:
            flat = term.values.reshape(-1, len(order))[:, order]
            same = (flat == flat[0]).all(axis=0)  # no choice changes these: they are looked up once, not per sample
            _include(constant, np.where(same, flat[:1], 0.0), self._sums)
            if not same.all():
                varying.append((term, np.where(same, 0.0, flat)))
        self._constant = constant
        self._used = np.flatnonzero([any(flat[:, i].any() for _, flat in varying) for i in range(len(order))])
        self._used_sums = int(np.sum(self._used < self._sums))
        self._terms = [
            (
                [position[x] for x in term.labels],
                list(term.values.shape[:-1]),
                np.ascontiguousarray(flat[:, self._used]),
            )
            for term, flat in varying
        ]

    def __call__(self, samples: Sequence[Sample]) -> np.ndarray:
        """Costs of n samples, float64 (n, columns), in the order and the units of `columns`."""
        if len(samples) == 0:
            return np.empty((0, len(self.columns)))
        return self.encoded(np.stack([self.domains.encode(sample) for sample in samples]))

    def encoded(self, codes: np.ndarray) -> np.ndarray:
        """Costs, float64 (n, columns), of samples as `Domains.encode` gives them.

        Codes of inactive labels do not matter.
        """
        totals = self.totals(codes)
        costs: list[Values] = []
        for number, device in enumerate(self.devices):
            with registry.blamed(f"device {device.name!r}: its costs"):
                if isinstance(device, FeatureDevice):
                    priced: Mapping[str, Values] = device.costs(self.own_totals(number, totals))
                else:
                    priced = self._by_order[number](np.asarray(codes))
                costs += [priced[column.name] for column in device.columns]
        return np.stack(costs, axis=1)

    def totals(self, codes: np.ndarray) -> np.ndarray:
        """Features of encoded samples, float64 (n, features) in the order of `feature_names`.

        SampleError: a wrong shape, or a position outside its label's values.
        """
        codes = np.asarray(codes)
        self._check(codes)
        totals = np.repeat(self._constant, len(codes), axis=0)
        if not self._terms:
            return totals
        for start in range(0, len(codes), CHUNK):
            # One contiguous row per label; intp is what take() wants.
            columns = np.ascontiguousarray(codes[start : start + CHUNK].T, dtype=np.intp)
            part = np.repeat(self._constant[:, self._used], columns.shape[1], axis=0)
            for positions, extents, flat in self._terms:
                index = columns[positions[0]]
                for position, extent in zip(positions[1:], extents[1:], strict=True):
                    index = index * extent + columns[position]
                _include(part, flat.take(index, axis=0), self._used_sums)
            totals[start : start + CHUNK, self._used] = part
        return totals

    def lower_bound(self, column: str) -> tuple[float, list[Function]] | None:
        """A constant and functions, as of `minimum`, whose sum no cost of a column undercuts; None if unknown.

        Features of which the largest counts enter with what every sample has of them.
        """
        number, name_of_device = self.owner(column)
        device = self.devices[number]
        bound = device.lower_bound(name_of_device) if isinstance(device, FeatureDevice) else None
        if bound is None:
            return None
        weights = np.array(
            [
                bound.weights.get(name.partition(":")[2], 0.0) * name.startswith(f"{number}:")
                for name in self.feature_names
            ]
        )
        constant = bound.constant + float(self._constant[0] @ weights)
        inner = weights[self._used] * (self._used < self._sums)
        return constant, [(tuple(at), (flat @ inner).reshape(extents)) for at, extents, flat in self._terms]

    def owner(self, column: str) -> tuple[int, str]:
        """Number of the device that a column belongs to, and the device's own name of it."""
        position = self.names.index(column)
        own = [(number, one.name) for number, device in enumerate(self.devices) for one in device.columns]
        return own[position]

    def extrapolated(self, codes: np.ndarray) -> dict[str, np.ndarray]:
        """Device -> bool (n,), for devices that know it: samples beyond what the model was compared with."""
        totals = self.totals(codes)
        beyond = {
            self.device_names[number]: device.extrapolated(self.own_totals(number, totals))
            for number, device in enumerate(self.devices)
            if isinstance(device, FeatureDevice)
        }
        return {name: outside for name, outside in beyond.items() if outside is not None}

    def checked(self, constraint: Constraint) -> Constraint:
        """A constraint as it is checked: a limit from above holds for the upper bound of a cost that has one."""
        upper = {column.name: column.upper for column in self.columns}.get(constraint.name)
        return replace(constraint, name=upper) if upper and constraint.op == "<=" else constraint

    @property
    def size_text(self) -> str:
        """The image's size for people, with what it is padded to."""
        size, padded = (f"{height} x {width} px" for height, width in (self.deploy_size, self.priced_size))
        return size if size == padded else f"{size}, which the network pads to {padded}"

    def _check(self, codes: np.ndarray) -> None:
        if codes.ndim != 2 or codes.shape[1] != len(self.domains) or not np.issubdtype(codes.dtype, np.integer):
            raise SampleError(
                f"codes: {codes.dtype} of shape {codes.shape}; integers of shape (n, {len(self.domains)}) are needed, "
                "one position per label: stack the results of Domains.encode"
            )
        if codes.size and (codes.min() < 0 or (codes.max(0) >= self._limits).any()):
            bad = int(np.argmax((codes.max(0) >= self._limits) | (codes.min(0) < 0)))
            dimension = self.domains.dimensions[bad]
            raise SampleError(
                f"codes: {dimension.label}: positions {codes[:, bad].min()}..{codes[:, bad].max()} are not all in "
                f"0..{len(dimension.values) - 1}"
            )

    def own_totals(self, number: int, totals: np.ndarray) -> dict[str, np.ndarray]:
        """Features of samples, as `totals` gives them, that belong to one device: its own name -> float64 (n,)."""
        prefix = f"{number}:"
        return {
            name[len(prefix) :]: totals[:, i] for i, name in enumerate(self.feature_names) if name.startswith(prefix)
        }


def _include(totals: np.ndarray, part: np.ndarray, sums: int) -> None:
    """Add the part of one term to features, in place: the first `sums` are added, of the others the largest stays."""
    if sums == totals.shape[1]:
        totals += part
        return
    totals[:, :sums] += part[:, :sums]
    np.maximum(totals[:, sums:], part[:, sums:], out=totals[:, sums:])


def cost_table(
    space: ModelSpace,
    devices: Sequence[str | Device] = (),
    deploy_size: tuple[int, int] = (512, 1024),
    folder: Path | None = None,
    classes: Collection[str] = (),
) -> CostTable:
    """Build the cost table of a model space.

    Args:
        space: An NNI model space; only its structure is read.
        devices: Names of registered devices, absolute paths of YAML profiles, or device objects; `macs` and
            `params` are always added.
        deploy_size: Image (height, width) in pixels that the network will run at on the device. Where it is no multiple
            of the space's stride, the network pads it, and the costs are those of the padded image.
        folder: Cache folder in which a space's operations are kept for later processes; None = nowhere.
        classes: Tasks of which the device gives the classes instead of their scores.

    Raises:
        PluginError: A device is unknown or does not follow the contract.
        StudyError: The space cannot be priced; the message names the layer.
    """
    from ednas_nni.cost.reading import read_space  # torch and NNI are needed to read a space, not to price samples
    from ednas_nni.nn.capabilities import capabilities_of
    from ednas_nni.nn.heads import answering_classes
    from ednas_nni.nn.sizes import cases, check_resolutions, settled
    from ednas_nni.nn.tree import domains_of

    resolved = [registry.device(x) if isinstance(x, str) else registry.checked(x, x) for x in devices]
    names = {device.name for device in resolved}
    resolved += [registry.device(name) for name in COUNTS if name not in names]

    additive = {number: device for number, device in enumerate(resolved) if isinstance(device, AdditiveDevice)}

    def features(layer: LayerRecord) -> dict[str, float]:
        own: dict[str, float] = {}
        for number, device in additive.items():
            what = f"a {layer.kind} layer, {layer.in_channels} -> {layer.out_channels} channels,"
            with registry.blamed(f"device {device.name!r}: layer_features of {what}"):
                own |= {f"{number}:{name}": float(value) for name, value in device.layer_features(layer).items()}
        return own

    said, domains = capabilities_of(space), domains_of(space)
    check_resolutions(said.resolutions, said.stride, {"deploy_size": deploy_size})
    height, width = (-(-side // said.stride) * said.stride for side in deploy_size)
    maxima = {f"{number}:{name}" for number, device in additive.items() for name in device.maxima}
    read: list[SpaceFeatures] = []
    first: SpaceLayers | None = None
    by_order: dict[int, list[InOrder]] = {i: [] for i, device in enumerate(resolved) if isinstance(device, OrderDevice)}
    for case in cases(domains, said.size_labels):
        with settled(case), answering_classes(classes):
            size = (height, width) if said.resolution == 1 else deploy_size
            layers = remembered(space, size, folder, partial(read_space, space, size), case)
            first = first or layers
            kinds = [(one.path.split("."), layers.records[one.records.flat[0]].kind) for one in layers.operations]
            if not {path[1] for path, kind in kinds if kind == "argmax"}.issuperset(classes):
                raise StudyError(
                    "deploy_outputs = 'classes': the space's heads give scores alone. Let them end in "
                    "`TaskHead.answer` (ednas_nni/nn/heads.py), or write `deploy_outputs: raw`"
                )
            features_here = space_features(layers, features, maxima)
            for number, device in enumerate(resolved):
                if isinstance(device, PartsDevice):
                    with registry.blamed(f"device {device.name!r}: space_features"):
                        own = renamed(device.space_features(space, size), f"{number}:")
                    features_here = joined(features_here, own)
                elif isinstance(device, OrderDevice):
                    with registry.blamed(f"device {device.name!r}: for_layers"):
                        by_order[number].append(device.for_layers(layers))
        read.append(features_here)
    whole = {number: _over_sizes(domains, said.size_labels, priced) for number, priced in by_order.items()}
    return CostTable(over_sizes(said.size_labels, read), resolved, deploy_size, whole, (height, width), first)


def _over_sizes(domains: Domains, labels: Sequence[str], priced: Sequence[InOrder]) -> InOrder:
    """Prices of samples by the one that belongs to their sizes."""
    if not labels:
        return priced[0]
    columns = [domains.labels.index(label) for label in labels]
    extents = [len(domains[label].values) for label in labels]

    def price(codes: np.ndarray) -> Mapping[str, Values]:
        case = np.ravel_multi_index(tuple(codes[:, columns].T), extents)
        costs: dict[str, Values] = {}
        for number, one in enumerate(priced):
            rows = np.flatnonzero(case == number)
            for name, values in one(codes[rows]).items():
                costs.setdefault(name, np.empty(len(codes)))[rows] = values
        return costs

    return price


def _device_names(devices: Sequence[Device]) -> tuple[str, ...]:
    """Names that differ: `cpu`, `cpu_2` for two of one name, such as one machine with one thread and with four."""
    names: list[str] = []
    for device in devices:
        further = (f"{device.name}_{n}" for n in count(2))
        names.append(next(name for name in chain([device.name], further) if name not in names))
    return tuple(names)


def _columns(devices: Sequence[Device], names: Sequence[str]) -> tuple[CostColumn, ...]:
    """All columns. A cost whose name an earlier device's has is called `<device>_<name>`, and its upper bound alike."""
    columns: list[CostColumn] = []
    for device, called in zip(devices, names, strict=True):
        taken = {earlier.name for earlier in columns}
        bounds = {column.upper: column.name for column in device.columns if column.upper}
        new = {
            column.name: f"{called}_{column.name}" if {column.name, bounds.get(column.name)} & taken else column.name
            for column in device.columns
        }
        for column in device.columns:
            if new[column.name] in taken:
                raise PluginError(f"devices: two costs are called {new[column.name]!r}. Rename one of the devices")
            columns.append(replace(column, name=new[column.name], upper=new.get(column.upper, ""), device=called))
    return tuple(columns)
