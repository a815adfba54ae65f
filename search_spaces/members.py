"""Named architectures of the space: the published designs that a search should beat."""

from __future__ import annotations

from collections.abc import Callable

from ednas_nni.domains import Domains, Sample
from ednas_nni.errors import SampleError, StudyError, did_you_mean

# MobileNetV2 repeats its block 2, 3, 7 and 4 times at strides 4 to 32 (arXiv 1801.04381, table 2). The small space
# has at most three blocks a stage, so the members have half of that, as far as it goes.
HALVED_REPEATS = (1, 2, 3, 2)


def mobilenet_v2(domains: Domains) -> Sample:
    """Like MobileNetV2 (arXiv 1801.04381): inverted bottlenecks of kernel 3 and expansion 6, half of its repeats."""
    return _compose(domains, lambda stage: "ibn_k3_e6")


def efficientnet_edgetpu(domains: Domains) -> Sample:
    """Like EfficientNet-EdgeTPU: fused blocks at fine strides, plain ones with kernel 5 at the coarsest."""
    return _compose(domains, lambda stage: "fused_k3_e6" if stage <= 2 else "ibn_k3_e6" if stage == 3 else "ibn_k5_e6")


MEMBERS: dict[str, Callable[[Domains], Sample]] = {
    "mobilenet_v2": mobilenet_v2,
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


def _compose(domains: Domains, op: Callable[[int], str]) -> Sample:
    """One operation per stage (counted from 1), at the halved repeats or the nearest depth there is."""
    sample: Sample = {}
    for dimension in domains.dimensions:
        stage = int(dimension.label.split("_")[0].removeprefix("stage"))
        if dimension.label.endswith("_depth"):
            wanted = HALVED_REPEATS[min(stage, len(HALVED_REPEATS)) - 1]
            sample[dimension.label] = min(dimension.values, key=lambda v, w=wanted: (abs(v - w), v))
        else:
            sample[dimension.label] = op(stage)
    return domains.canonical(sample)
