"""Named architectures of the space: the published designs that a search should beat."""

from __future__ import annotations

from collections.abc import Callable

from ednas_nni.domains import Domains, Sample
from ednas_nni.errors import SampleError, StudyError, did_you_mean

# MobileNetV2 repeats its block 2, 3, 7 and 4 times at strides 4 to 32 (arXiv 1801.04381, table 2). The small space
# has at most three blocks a stage: a member has a half or a third of those repeats, as far as the space goes.
HALF = (1, 2, 3, 2)
THIRD = (1, 1, 2, 1)


def mobilenet_v2(domains: Domains) -> Sample:
    """Like MobileNetV2 (arXiv 1801.04381): inverted bottlenecks of kernel 3 and expansion 6, half of its repeats."""
    return _compose(domains, lambda stage: "ibn_k3_e6", HALF)


def mobilenet_v2_small(domains: Domains) -> Sample:
    """Like MobileNetV2 scaled down in depth: the same block, a third of its repeats."""
    return _compose(domains, lambda stage: "ibn_k3_e6", THIRD)


def efficientnet_edgetpu(domains: Domains) -> Sample:
    """Like EfficientNet-EdgeTPU: fused blocks at fine strides, plain ones with kernel 5 at the coarsest."""

    def op(stage: int) -> str:
        return "fused_k3_e6" if stage <= 2 else "ibn_k3_e6" if stage == 3 else "ibn_k5_e6"

    return _compose(domains, op, HALF)


MEMBERS: dict[str, Callable[[Domains], Sample]] = {
    "mobilenet_v2": mobilenet_v2,
    "mobilenet_v2_small": mobilenet_v2_small,
    "efficientnet_edgetpu": efficientnet_edgetpu,
}


def member(name: str, domains: Domains) -> Sample:
    """The canonical sample of a named architecture.

    Raises:
        StudyError: The name is unknown, or the space lacks an operation that the architecture needs.
    """
    if name not in MEMBERS:
        raise StudyError(f"Unknown member {name!r} of the search space.{did_you_mean(name, MEMBERS)}")
    try:
        return MEMBERS[name](domains)
    except SampleError as error:
        raise StudyError(f"{name} is not a member of this search space: {error}") from error


def _compose(domains: Domains, op: Callable[[int], str], repeats: tuple[int, ...]) -> Sample:
    """One operation per stage (counted from 1), at these repeats or the nearest depth there is."""
    sample: Sample = {}
    for dimension in domains.dimensions:
        stage = int(dimension.label.split("_")[0].removeprefix("stage"))
        if dimension.label.endswith("_depth"):
            wanted = repeats[min(stage, len(repeats)) - 1]
            sample[dimension.label] = min(dimension.values, key=lambda v, w=wanted: (abs(v - w), v))
        else:
            sample[dimension.label] = op(stage)
    return domains.canonical(sample)
