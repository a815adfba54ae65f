"""Named architectures of a space: the published designs that a search should beat."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress

from ednas_nni.errors import StudyError, did_you_mean
from ednas_nni.nn.blocks.base import operation
from ednas_nni.nn.blocks.bottleneck import FusedBottleneck, InvertedBottleneck
from ednas_nni.space.domains import Dimension, Domains, Sample, Scalar

# MobileNetV2 repeats its block 2, 3, 7 and 4 times at strides 4 to 32 (arXiv 1801.04381, table 2). A member has a half
# or a third of those repeats, as far as the space goes: at the images of a first search more would only be slower.
HALF = (1, 2, 3, 2)
THIRD = (1, 1, 2, 1)
_STAGE = re.compile(r"(?:\w+_)?stage(\d+)_(depth|width|block\d+_op)")
_PLAIN = {"fusion": "fpn", "head": "separable", "sharing": "shared"}


def mobilenet_v2(domains: Domains) -> Sample:
    """Like MobileNetV2 (arXiv 1801.04381): inverted bottlenecks of kernel 3 and expansion 6, half of its repeats."""
    return _compose(domains, lambda stage: InvertedBottleneck(3, 6), HALF)


def mobilenet_v2_small(domains: Domains) -> Sample:
    """Like MobileNetV2 scaled down in depth: the same block, a third of its repeats."""
    return _compose(domains, lambda stage: InvertedBottleneck(3, 6), THIRD)


def efficientnet_edgetpu(domains: Domains) -> Sample:
    """Like EfficientNet-EdgeTPU: fused blocks at fine strides, plain ones with kernel 5 at the coarsest."""

    def op(stage: int) -> InvertedBottleneck:
        return FusedBottleneck(3, 6) if stage <= 2 else InvertedBottleneck(3 if stage == 3 else 5, 6)

    return _compose(domains, op, HALF)


MEMBERS: dict[str, Callable[[Domains], Sample]] = {
    "mobilenet_v2": mobilenet_v2,
    "mobilenet_v2_small": mobilenet_v2_small,
    "efficientnet_edgetpu": efficientnet_edgetpu,
}


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

    Everything is shared, the fusion is an FPN, heads are separable, widths are the middle ones; a space that searches
    these parts otherwise gives the first value that it has.

    Raises:
        StudyError: The name is unknown, or the space lacks a kind of operation that the architecture needs.
    """
    if encoders:
        if name not in encoders:
            raise StudyError(f"Unknown member {name!r} of the search space.{did_you_mean(name, encoders)}")
        chosen = {"encoder": name}
        return domains.canonical({d.label: chosen.get(d.label, _plain(d)) for d in domains.dimensions})
    if name not in MEMBERS:
        raise StudyError(f"Unknown member {name!r} of the search space.{did_you_mean(name, MEMBERS)}")
    try:
        return MEMBERS[name](domains)
    except LookupError as error:
        raise StudyError(f"{name} is not a member of this search space: {error.args[0]}") from None


def _compose(domains: Domains, op: Callable[[int], InvertedBottleneck], repeats: tuple[int, ...]) -> Sample:
    """One operation per stage (counted from 1), at these repeats or the nearest depth there is."""
    return domains.canonical({d.label: _value(d, op, repeats) for d in domains.dimensions})


def _value(dimension: Dimension, op: Callable[[int], InvertedBottleneck], repeats: tuple[int, ...]) -> Scalar:
    match = _STAGE.fullmatch(dimension.label)
    if match is None:
        return _plain(dimension)
    stage = int(match[1])
    if match[2] == "depth":
        wanted = repeats[min(stage, len(repeats)) - 1]
        return min(_numbers(dimension), key=lambda v: (abs(v - wanted), v))
    return _middle(dimension) if match[2] == "width" else _nearest(dimension, op(stage))


def _plain(dimension: Dimension) -> Scalar:
    """The simplest value of a label that belongs to no stage."""
    if dimension.label.endswith("width"):
        return _middle(dimension)
    plain = _PLAIN.get(dimension.label.rsplit("_", 1)[-1])
    return plain if plain in dimension.values else dimension.values[0]


def _numbers(dimension: Dimension) -> list[int]:
    """Values of a depth or a width."""
    return [value for value in dimension.values if isinstance(value, int)]


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
