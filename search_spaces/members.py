"""Named architectures of a space: the published designs that a search should beat."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from ednas_nni.errors import StudyError, did_you_mean
from ednas_nni.nn.blocks.base import operation
from ednas_nni.nn.blocks.bottleneck import FusedBottleneck, InvertedBottleneck
from ednas_nni.nn.fusion import LEVELS
from ednas_nni.nn.sizes import OUTPUT_STRIDE
from ednas_nni.space.domains import Dimension, Domains, Sample, Scalar

# MobileNetV2 repeats its block 2, 3, 7 and 4 times at strides 4 to 32 (arXiv 1801.04381, table 2). A member has a half
# or a third of those repeats, as far as the space goes: at the images of a first search more would only be slower.
HALF = (1, 2, 3, 2)
THIRD = (1, 1, 2, 1)
_STAGE = re.compile(r"(?:\w+_)?stage(\d+)_(depth|width|block(\d+)_op)")
_PLAIN = {"fusion": "fpn", "head": "separable", "sharing": "shared"}


Op = Callable[[int, int], InvertedBottleneck]
"""Operation of a block, by the numbers of its stage and of itself, from 1."""


@dataclass(frozen=True)
class Family:
    """A published family that is scaled by hand, as far as it goes at strides 4, 8 and 16.

    Attributes:
        stem: Channels of the stem at width 1; `channels` are those of the stages, where a stage holds blocks of two
            widths the later one.
        repeats: Blocks of each stage.
        op: Operations.
    """

    stem: int
    channels: tuple[int, ...]
    repeats: tuple[int, ...]
    op: Op


FAMILIES = {
    # Table 2 of arXiv 1801.04381; at stride 16 it has four blocks of 64 channels and three of 96.
    "mobilenet_v2": Family(32, (24, 32, 96), (2, 3, 7), lambda stage, block: InvertedBottleneck(3, 6)),
    # Table 1 of arXiv 1905.02244 ("Large"), without squeeze-and-excitation and hard swish.
    "mobilenet_v3": Family(
        16,
        (24, 40, 112),
        (2, 3, 6),
        lambda stage, block: InvertedBottleneck(5 if stage == 2 else 3, 6 if stage == 3 and block > 4 else 3),
    ),
    # EfficientNet-B0 (table 1 of arXiv 1905.11946) without squeeze-and-excitation, with ReLU6: Lite0.
    "efficientnet_lite": Family(
        32,
        (24, 40, 112),
        (2, 2, 6),
        lambda stage, block: InvertedBottleneck(5 if stage == 2 or (stage == 3 and block > 3) else 3, 6),
    ),
}
WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.4)
"""Multipliers of all channels, those that MobileNetV2 was published at."""
_FUSED, _HEAD = 48, 32
"""Channels of the fused feature and of heads at width 1."""


def _efficientnet_edgetpu(stage: int, block: int) -> InvertedBottleneck:
    return FusedBottleneck(3, 6) if stage <= 2 else InvertedBottleneck(3 if stage == 3 else 5, 6)


def scaled(family: Family, multiplier: float, domains: Domains) -> Sample:
    """A family at a width: of each searched width the value that is nearest to its own times the multiplier.

    Predictions are made at stride 8 where there is a choice, as the families' own segmentation networks do (Lite
    R-ASPP, arXiv 1905.02244).

    Raises:
        LookupError: The space does not search all widths from the stem on, or lacks an operation.
    """
    if "stem_width" not in domains.labels:
        raise LookupError("it is for spaces that search the stem's width, such as compound.")

    def value(dimension: Dimension) -> Scalar:
        match = _STAGE.fullmatch(dimension.label)
        if dimension.label.endswith("width"):
            kinds = {"stem_width": family.stem, "fusion_width": _FUSED}
            stage = family.channels[min(int(match[1]), len(family.channels)) - 1] if match else _HEAD
            return _near(dimension, multiplier * kinds.get(dimension.label, stage))
        if dimension.label == OUTPUT_STRIDE:
            return str(max(map(int, map(str, dimension.values))))
        return _plain(dimension) if match is None else _staged(dimension, match, family.op, family.repeats)

    return domains.canonical({d.label: value(d) for d in domains.dimensions})


MEMBERS: dict[str, Callable[[Domains], Sample]] = {
    # Inverted bottlenecks of kernel 3 and expansion 6 (arXiv 1801.04381), and the same scaled down in depth.
    "mobilenet_v2": lambda domains: _compose(domains, FAMILIES["mobilenet_v2"].op, HALF),
    "mobilenet_v2_small": lambda domains: _compose(domains, FAMILIES["mobilenet_v2"].op, THIRD),
    # Fused blocks at fine strides, plain ones with kernel 5 at the coarsest.
    "efficientnet_edgetpu": lambda domains: _compose(domains, _efficientnet_edgetpu, HALF),
    **{
        f"{name}_{round(100 * multiplier):03}": partial(scaled, family, multiplier)
        for name, family in FAMILIES.items()
        for multiplier in WIDTHS
    },
}
"""Name -> its sample; `mobilenet_v2_035` is that family at width 0.35."""


def names(domains: Domains, encoders: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of the architectures that a space contains; published encoders, where there are any, are the names."""
    if encoders:
        return tuple(encoders)
    possible = []
    for name, compose in MEMBERS.items():
        with suppress(LookupError):
            compose(domains)
            possible.append(name)
    return tuple(possible)


def member(name: str, domains: Domains, encoders: Sequence[str] = ()) -> Sample:
    """The canonical sample of a named architecture.

    Everything is shared, the fusion is an FPN of all levels, heads are separable, the image has its whole resolution,
    and widths are the middle ones where the name says none; a space that searches these parts otherwise gives the first
    value that it has.

    Raises:
        StudyError: The name is unknown, or the space lacks a kind of operation that the architecture needs.
    """
    if encoders:
        if name not in encoders:
            raise StudyError(f"Unknown member {name!r} of the search space.{did_you_mean(name, encoders)}")
        chosen = {"encoder": name}
        return domains.canonical({d.label: chosen.get(d.label, _plain(d)) for d in domains.dimensions})
    if name not in MEMBERS:
        raise StudyError(f"Unknown member {name!r} of the search space.{did_you_mean(name, names(domains))}")
    try:
        return MEMBERS[name](domains)
    except LookupError as error:
        raise StudyError(f"{name} is not a member of this search space: {error.args[0]}") from None


def _compose(domains: Domains, op: Op, repeats: tuple[int, ...]) -> Sample:
    """These operations, at these repeats or the nearest depth there is, and the middle widths."""
    if "stem_width" in domains.labels:
        raise LookupError("this space has it at several widths: take one of those.")

    def value(dimension: Dimension) -> Scalar:
        match = _STAGE.fullmatch(dimension.label)
        return _plain(dimension) if match is None else _staged(dimension, match, op, repeats)

    return domains.canonical({d.label: value(d) for d in domains.dimensions})


def _staged(dimension: Dimension, match: re.Match[str], op: Op, repeats: tuple[int, ...]) -> Scalar:
    """A value of a stage's label."""
    stage = int(match[1])
    if match[2] == "depth":
        return _near(dimension, repeats[min(stage, len(repeats)) - 1])
    return _middle(dimension) if match[2] == "width" else _nearest(dimension, op(stage, int(match[3])))


def _plain(dimension: Dimension) -> Scalar:
    """The simplest value of a label that belongs to no stage."""
    if dimension.label.endswith("width"):
        return _middle(dimension)
    if dimension.label == LEVELS:
        return max(map(str, dimension.values))
    plain = _PLAIN.get(dimension.label.rsplit("_", 1)[-1])
    return plain if plain in dimension.values else dimension.values[0]


def _numbers(dimension: Dimension) -> list[int]:
    """Values of a depth or a width."""
    return [value for value in dimension.values if isinstance(value, int)]


def _near(dimension: Dimension, wanted: float) -> int:
    return min(_numbers(dimension), key=lambda value: (abs(value - wanted), value))


def _middle(dimension: Dimension) -> int:
    return sorted(_numbers(dimension))[len(dimension.values) // 2]


def _nearest(dimension: Dimension, wanted: InvertedBottleneck) -> Scalar:
    """The operation of that kind and squeeze-and-excitation whose kernel, then expansion, is nearest."""
    blocks = {str(name): operation(str(name)) for name in dimension.values}
    distances = {
        name: (abs(block.kernel - wanted.kernel), abs(block.expansion - wanted.expansion), name)
        for name, block in blocks.items()
        if isinstance(block, InvertedBottleneck) and type(block) is type(wanted) and block.squeeze == wanted.squeeze
    }
    if not distances:
        raise LookupError(f"{dimension.label} offers no {type(wanted).__name__}, only {', '.join(blocks)}.")
    return min(distances, key=distances.__getitem__)
