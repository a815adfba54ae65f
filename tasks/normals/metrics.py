"""Surface-normal metrics of protocol `standard`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from ednas_nni.tasks.masked import valid_normals
from ednas_nni.tasks.meters import Angles, Totals, no_values
from ednas_nni.tasks.protocols import MetricSpec

SPECS = (
    MetricSpec("mean_deg", "deg", "min"),
    MetricSpec("median_deg", "deg", "min"),
    MetricSpec("within_11_25", "1", "max"),
    MetricSpec("within_22_5", "1", "max"),
    MetricSpec("within_30", "1", "max"),
)
_NAMES = tuple(spec.name for spec in SPECS)


class NormalsMeter:
    """Angles between predicted and true surface normals, protocol `standard`.

    Over all valid pixels of the split: `mean_deg`, `median_deg` and the shares of pixels with an angle below 11.25,
    22.5 and 30 degrees. Predictions may have any length but zero, which has no direction. Angles are
    atan2(|p x g|, p . g) in float64: the arc cosine of a float32 is off by up to 0.02 degrees near 0.
    """

    def __init__(self) -> None:
        self._angles = Angles()
        self._unusable = Totals()

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add directions and unit vectors (N, 3, H, W); the zero vector in the target is invalid."""
        target = target.as_subclass(Tensor)
        valid = valid_normals(target)[:, 0]
        guess, truth = prediction.double().unbind(1), target.double().unbind(1)
        length = dot(guess, guess)
        # The arc tangent of infinities is an innocent 45 degrees, so lengths are checked, not angles.
        self._unusable.add((valid & ~((length > 0) & (length < math.inf))).sum())
        self._angles.add(angle_deg(guess, truth), valid)

    def compute(self) -> dict[str, float]:
        """The metrics of `SPECS`, or NaN (see the two rules of `tasks.meters`)."""
        if self._unusable.list(1)[0]:
            return no_values(_NAMES)
        values = (self._angles.mean(), self._angles.median(), *self._angles.within())
        return dict(zip(_NAMES, values, strict=True))


def angle_deg(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    """Angle in degrees between two fields of vectors, each given as its three components; lengths do not matter."""
    # Component by component and in place: cross products over a strided dimension and fresh memory are slow.
    (ax, ay, az), (bx, by, bz) = a, b
    sine = (ay * bz).addcmul_(az, by, value=-1).square_()
    sine += (az * bx).addcmul_(ax, bz, value=-1).square_()
    sine += (ax * by).addcmul_(ay, bx, value=-1).square_()
    return sine.sqrt_().atan2_(dot(a, b)).rad2deg_()


def dot(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    """Scalar product of two fields of vectors, each given as its three components."""
    return (a[0] * b[0]).addcmul_(a[1], b[1]).addcmul_(a[2], b[2])
