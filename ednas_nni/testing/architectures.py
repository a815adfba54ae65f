"""Many random architectures of a space at once, every one of a small space, and what they cost.

`ednas_nni.testing.spaces.check_space` looks closely at a few architectures; the checks here look at many:

    check_architectures(lambda: my_space({"segmentation": 5, "depth": 1}), count=100)

All raise `PluginError` with what is wrong and how to correct it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ednas_nni.compat.nas import ModelSpace
from ednas_nni.cost import AdditiveDevice, CostColumn, LayerRecord, cost_table, layer_records
from ednas_nni.cost.device import Values
from ednas_nni.cost.records import KINDS
from ednas_nni.errors import PluginError
from ednas_nni.nn.tree import build, domains_of, instantiate
from ednas_nni.space.domains import Domains, Sample
from ednas_nni.testing.spaces import check_forward, check_samples, structure


def check_architectures(
    make: Callable[[], ModelSpace],
    count: int = 20,
    size: tuple[int, int] = (64, 128),
    seed: int = 0,
    neighbours: int | None = None,
) -> None:
    """Random architectures run forward and backward; ids tell networks apart, and only networks.

    Beside each architecture stands the sample with one label changed: the same architecture if the label did not
    matter, another one otherwise. Ids and module trees with shapes must then agree one to one over all of them.

    The size is the height and width of the test images, divisible by the space's stride. To so many of the `count`
    architectures a neighbour is made; to all by default.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    space = make()
    domains = domains_of(space)
    trees: dict[str, int] = {}
    ids: dict[int, str] = {}
    for number in range(count):
        sample = domains.random(rng)
        check_samples(domains, sample)
        network = build(space, sample)
        check_forward(space, network, sample, size)
        _one_to_one(space, domains, sample, network, trees, ids)
        if neighbours is None or number < neighbours:
            other = _neighbour(domains, sample, rng)
            _one_to_one(space, domains, other, instantiate(space, other), trees, ids)


def check_size(space: ModelSpace, domains: Domains | None = None, most: int = 4096) -> None:
    """`size()` of a small space (or of given domains) is the number of different networks: each is instantiated."""
    domains = domains or domains_of(space)
    samples = math.prod(len(d.values) for d in domains.dimensions)
    if samples > most:
        raise PluginError(f"{type(space).__name__} has {samples:,} samples; at most {most:,} are tried one by one.")
    every = itertools.product(*(d.values for d in domains.dimensions))
    drawn = [dict(zip(domains.labels, values, strict=True)) for values in every]
    networks = len({structure(instantiate(space, sample)) for sample in drawn})
    names = len({domains.architecture_id(sample) for sample in drawn})
    if not networks == names == domains.size():
        raise PluginError(
            f"{type(space).__name__}: size() is {domains.size():,}, but its {samples:,} samples have {names:,} ids and "
            f"make {networks:,} different networks. Does a label matter that the module tree calls inactive, does "
            "liveness() lack a case, or are two candidates identical?"
        )


def check_costs(space: ModelSpace, samples: Sequence[Sample], size: tuple[int, int] = (64, 128)) -> None:
    """The cost table says of a sample what its network says of itself, layer kind by layer kind.

    Judges are torch's own count of multiply-adds, the number of parameters, and the layers of the instantiated network.
    """
    table = cost_table(space, [_Traffic()], deploy_size=size)
    for sample in samples:
        network = build(space, sample)
        costs = dict(zip(table.names, table([sample])[0].tolist(), strict=True))
        expected: dict[str, float] = {"params": sum(p.numel() for p in network.parameters())}
        for layer in layer_records(network, size):
            expected[layer.kind] = expected.get(layer.kind, 0) + layer.elements_read + layer.elements_written
        network.to("meta").eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.empty(1, 3, *size, device="meta"))
        expected["macs"] = counter.get_total_flops() // 2
        wrong = [name for name, value in costs.items() if value != expected.get(name, 0)]
        if wrong:
            name = wrong[0]
            raise PluginError(
                f"{type(space).__name__}: the cost table says {name} = {costs[name]:,.0f}, the network of {sample} has "
                f"{expected.get(name, 0):,}. A module that is used must say so in the module tree or liveness()."
            )


def _neighbour(domains: Domains, sample: Sample, rng: np.random.Generator) -> Sample:
    free = [d for d in domains.dimensions if len(d.values) > 1]
    if not free:
        return sample
    dimension = free[int(rng.integers(len(free)))]
    others = [value for value in dimension.values if value != sample[dimension.label]]
    return {**sample, dimension.label: others[int(rng.integers(len(others)))]}


def _one_to_one(
    space: ModelSpace, domains: Domains, sample: Sample, network: nn.Module, trees: dict[str, int], ids: dict[int, str]
) -> None:
    """Both ways at once: an id has one network, a network has one id."""
    name, tree = domains.architecture_id(sample), hash(structure(network))
    if trees.setdefault(name, tree) != tree:
        raise PluginError(f"{type(space).__name__}: the id {name} stands for two networks; one of them is {sample}.")
    if ids.setdefault(tree, name) != name:
        raise PluginError(
            f"{type(space).__name__}: {sample} is the same network as another sample, with the ids {name} and "
            f"{ids[tree]}. A label that changes nothing must be inactive, or liveness() lacks a case."
        )


class _Traffic(AdditiveDevice):
    """A device that prices every kind of layer by the elements that it reads and writes."""

    name = "traffic"
    columns = tuple(CostColumn(kind, "elements", "traffic", "counted", "read and written") for kind in KINDS)

    def layer_features(self, layer: LayerRecord) -> dict[str, float]:
        return {layer.kind: layer.elements_read + layer.elements_written}

    def costs(self, totals: Mapping[str, Values]) -> dict[str, Values]:
        none = np.zeros_like(next(iter(totals.values())))
        return {kind: totals.get(kind, none) for kind in KINDS}
