"""Named architectures of the space: the published designs that a search should beat."""

from __future__ import annotations

from collections.abc import Callable

from ednas_nni.domains import Domains, Sample
from ednas_nni.errors import SampleError, StudyError, did_you_mean


def mobilenet_v2(domains: Domains) -> Sample:
    """Like MobileNetV2 (arXiv 1801.04381): inverted bottlenecks of kernel 3 and expansion 6 throughout, depth 2."""
    return _compose(domains, lambda stage: "ibn_k3_e6")


def efficientnet_edgetpu(domains: Domains) -> Sample:
    """Like EfficientNet-EdgeTPU: fused blocks at fine strides, plain ones with kernel 5 at the coarsest, depth 2."""
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


def _compose(domains: Domains, op: Callable[[int], str], depth: int = 2) -> Sample:
    """One operation per stage (counted from 1) and the same depth everywhere, or the nearest depth there is."""
    sample: Sample = {}
    for dimension in domains.dimensions:
        if dimension.label.endswith("_depth"):
            sample[dimension.label] = min(dimension.values, key=lambda v: (abs(v - depth), v))
        else:
            sample[dimension.label] = op(int(dimension.label.split("_")[0].removeprefix("stage")))
    return domains.canonical(sample)
