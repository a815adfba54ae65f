"""Choices that decide the sizes of features: at which share of the image a network computes, and the heads' stride.

A network of resolution 0.5 shrinks the image where it enters and enlarges its predictions to the image's own size, so
that all networks of a space are compared at the labels' full size. On a device the shrunk image is what comes in:
whoever grabs it (the camera, the host) scales it anyway, so that neither the device nor the link ever sees the large
one. Costs are counted from the shrunk image on, and exported files take it.

Of an image of 512 x 1024, resolution 0.5 and heads at stride 4:

    image 512 x 1024 | host: 256 x 512 -> device: ... features 64 x 128, predictions 64 x 128 -> | host: 512 x 1024

Everywhere else in a space sizes must not depend on choices: costs are added layer by layer. These labels are the
exception, and stated (`Capabilities.size_labels`): a space is read once for each of their values, one after the other,
with `settled`; see `ednas_nni.cost.table`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

import torch
from torch.nn import functional

from ednas_nni.compat.nas import MutableExpression, MutableModule, choice, current_model, ensure_frozen, frozen_context
from ednas_nni.errors import StudyError
from ednas_nni.nn.elementwise import Factor
from ednas_nni.space.domains import Domains, Sample, Scalar

RESOLUTION = "resolution"
OUTPUT_STRIDE = "output_stride"

settled = frozen_context
"""`with settled({"resolution": 0.5}):` a forward pass through a space has the sizes of this value."""


class Entry(MutableModule):
    """Where the image enters: it is shrunk to one of several shares of its height and width.

    Shrinking averages (bilinear with antialiasing), as Pillow does on a host.
    """

    def __init__(self, shares: Sequence[float]) -> None:
        super().__init__()
        sample = current_model()
        self._share = shares[0] if len(shares) == 1 else choice(RESOLUTION, list(shares))
        if sample is not None:
            self._share = ensure_frozen(self._share, sample=sample)
        elif len(shares) > 1:
            self.add_mutable(self._share)

    @property
    def share(self) -> float:
        """Of the image's height and width; in a space that which is settled, by default the first."""
        share: float = ensure_frozen(self._share, strict=False)
        return share

    def freeze(self, sample: Sample) -> Entry:
        """The entry of a sample's network."""
        return Entry([ensure_frozen(self._share, sample=sample)])

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Shrink images (N, 3, H, W)."""
        height, width = shrunk((image.shape[2], image.shape[3]), self.share)
        if (height, width) == image.shape[2:]:
            return image
        return functional.interpolate(image, (height, width), mode="bilinear", align_corners=False, antialias=True)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"resolution={self._share}"


def shrunk(size: tuple[int, int], share: float) -> tuple[int, int]:
    """Height and width at a resolution; not below the share where it is no whole number of pixels."""
    height, width = (math.ceil(side * Fraction(str(share))) for side in size)
    return height, width


def enlargement(strides: Sequence[int], shares: Sequence[float]) -> Factor:
    """By which predictions are enlarged to the image's size, an expression where it is searched."""
    stride: Factor = strides[0]
    if len(strides) > 1:
        stride = MutableExpression.switch_case(
            choice(OUTPUT_STRIDE, [str(s) for s in strides]), {str(s): s for s in strides}
        )
    if tuple(shares) == (1,):
        return stride
    return stride / (shares[0] if len(shares) == 1 else choice(RESOLUTION, list(shares)))


def cases(domains: Domains, labels: Sequence[str]) -> Iterator[dict[str, Scalar]]:
    """All assignments to the labels that decide sizes, the last label changing fastest; `{}` alone where none does."""
    for values in itertools.product(*(domains[label].values for label in labels)):
        yield dict(zip(labels, values, strict=True))


def check_resolutions(shares: Sequence[float], stride: int, sizes: Mapping[str, tuple[int, int]]) -> None:
    """Reject shares at which a size is no multiple of the networks' stride; 1 always fits, as networks pad.

    Args:
        shares: Of the images' height and width.
        stride: Of the space.
        sizes: Field of the study -> height and width.

    Raises:
        StudyError: It names the share, what it makes of a size, and the shares that fit.
    """
    for share in shares:
        for field, size in sizes.items():
            exact = [side * Fraction(str(share)) for side in size]
            if share != 1 and any(side % stride for side in exact):
                step = math.gcd(*itertools.chain.from_iterable(sizes.values()))
                fitting = sorted({1.0, *(k * stride / step for k in range(1, step // stride + 1))})
                two = ",".join(f"{x:g}" for x in fitting[:-3:-1])
                raise StudyError(
                    f"space.resolution: {share:g} of {field} {size[0]} x {size[1]} is {float(exact[0]):g} x "
                    f"{float(exact[1]):g}, which the networks' stride {stride} does not divide. "
                    f"What fits {' and '.join(sizes)}: {', '.join(f'{x:g}' for x in fitting)}. "
                    f"Write `--set space.resolution=[{two}]`, or so in the study's `space`."
                )
