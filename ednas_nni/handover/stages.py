"""A network part by part: what each reads and writes, and its share of the counted costs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from ednas_nni.cost.records import WEIGHT_KINDS, LayerRecord

if TYPE_CHECKING:
    from torch import nn

    from ednas_nni.search.assembled import Assembled
    from ednas_nni.space.dimensions import Sample


@dataclass(frozen=True)
class NetworkStage:
    """A part of a network: a stage, the stem, the fusion, or a head.

    Attributes:
        name: Its module's, counted from 1 in a list: `stem`, `stage1`, `head segmentation`.
        channels: That it writes.
        height: In pixels, for one image of the deployment size; so is `width`.
        macs: Multiply-adds.
        params: Trainable parameters.
        layers: Its convolutions and linear layers, such as "2 conv 3x3, 1 depthwise 5x5".
    """

    name: str
    channels: int
    height: int
    width: int
    macs: int
    params: int
    layers: str


def stages(assembled: Assembled, sample: Sample) -> tuple[NetworkStage, ...]:
    """The parts of the network of a sample, in the order in which they run. Builds it, trains nothing."""
    from ednas_nni.cost.layers import layer_records  # torch
    from ednas_nni.nn.tree import build  # torch

    height, width = assembled.study.deploy_size
    network = build(assembled.space, sample)
    lists = _lists(network)
    parts: dict[str, list[LayerRecord]] = {}
    for name, layers in groupby(layer_records(network, (height, width)), key=lambda layer: _part(layer.path, lists)):
        parts.setdefault(name, []).extend(layers)
    return tuple(
        NetworkStage(
            name=name,
            channels=layers[-1].out_channels,
            height=layers[-1].out_height,
            width=layers[-1].out_width,
            macs=sum(layer.macs for layer in layers),
            params=sum(layer.params for layer in layers),
            layers=_in_words(layers),
        )
        for name, layers in parts.items()
    )


def _lists(network: nn.Module) -> dict[str, bool]:
    """Name of each child that is a container -> whether its members are numbered."""
    from torch import nn

    return {
        name: isinstance(child, nn.ModuleList)
        for name, child in network.named_children()
        if isinstance(child, nn.ModuleList | nn.ModuleDict)
    }


def _part(path: str, lists: dict[str, bool]) -> str:
    words = path.split(".")
    if words[0] not in lists or len(words) == 1:
        return words[0]
    one = words[0].removesuffix("s")
    return f"{one}{int(words[1]) + 1}" if lists[words[0]] and words[1].isdecimal() else f"{one} {words[1]}"


def _in_words(layers: list[LayerRecord]) -> str:
    kinds = Counter(
        layer.kind + ("" if layer.kind == "linear" else f" {layer.kernel[0]}x{layer.kernel[1]}")
        for layer in layers
        if layer.kind in WEIGHT_KINDS
    )
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())
