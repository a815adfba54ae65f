"""AdaShare's angles, which are not angles between surface normals."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from ednas_nni.tasks.losses.masked import valid_normals
from ednas_nni.tasks.metrics.adashare.quirks import NormalsQuirks
from ednas_nni.tasks.metrics.adashare.resize import to_label_size
from ednas_nni.tasks.metrics.angles import Angles
from ednas_nni.tasks.metrics.normals import angle_deg, dot
from ednas_nni.tasks.metrics.spec import MetricSpec
from ednas_nni.tasks.metrics.totals import Totals, no_values

SPECS = (
    MetricSpec("adashare_mean_deg", "deg", "min", "adashare"),
    MetricSpec("adashare_median_deg", "deg", "min", "adashare"),
    MetricSpec("adashare_within_11_25", "%", "max", "adashare"),
    MetricSpec("adashare_within_22_5", "%", "max", "adashare"),
    MetricSpec("adashare_within_30", "%", "max", "adashare"),
)
_NAMES = tuple(spec.name for spec in SPECS)


class AdashareNormalsMeter:
    """Mean, median and shares of angles as AdaShare's `normal_error` and `eval_fix_policy` have them.

    Both vectors are taken to the bytes of AdaShare's normal images and compared there, over all valid pixels.
    Degrees of this meter are about half of true ones and depend on the surface's direction, see `NormalsQuirks`.

    Args:
        quirks: What differs from the protocol `standard`; None = all that AdaShare does.
    """

    def __init__(self, quirks: NormalsQuirks | None = None):
        self._quirks = quirks or NormalsQuirks()
        self._angles = Angles(inclusive=self._quirks.inclusive)
        self._unusable = Totals()

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add a batch.

        Args:
            prediction: Directions (N, 3, h, w) of any length but zero, see `NormalsQuirks.outputs_are_bytes`.
                There, as in AdaShare, one of length zero scores 90 degrees.
            target: Unit vectors (N, 3, H, W); the zero vector = invalid.
        """
        target = target.as_subclass(Tensor).float()
        guess = _Field(to_label_size(prediction, target).float().unbind(1))
        truth, quirks = _Field(target.unbind(1)), self._quirks
        valid = truth.not_zero() if quirks.any_length else valid_normals(target)[:, 0]
        valid = valid & truth.finite()
        usable = guess.finite() if quirks.outputs_are_bytes else guess.finite() & guess.not_zero()
        self._unusable.add((valid & ~usable).sum())
        if quirks.raw_bytes:
            truth = as_bytes(truth, quirks.axes)
            if quirks.whole_bytes:
                truth = _Field(part.round().clamp(0, 254) for part in truth)  # 255 says "invalid" in its files
            if not quirks.outputs_are_bytes:
                guess = as_bytes(guess.unit(), quirks.axes)
        self._angles.add(_angle(guess, truth, quirks.float32_cosine), valid)

    def compute(self) -> dict[str, float]:
        """The metrics of `SPECS`, or NaN (see the package's two rules)."""
        if self._unusable.list(1)[0]:
            return no_values(_NAMES)
        percent = (100 * share for share in self._angles.within())
        return dict(zip(_NAMES, (self._angles.mean(), self._angles.median(), *percent), strict=True))


class _Field(tuple[Tensor, ...]):
    """Vectors as their three components, each (N, H, W): torch's functions take far longer over dimension 1."""

    __slots__ = ()

    def not_zero(self) -> Tensor:
        return (self[0] != 0) | (self[1] != 0) | (self[2] != 0)

    def finite(self) -> Tensor:
        return sum(part.abs() for part in self) < math.inf  # not true of a NaN either

    def unit(self) -> _Field:
        length = dot(self, self).sqrt_().clamp_(min=1e-12)
        return _Field(part / length for part in self)


def as_bytes(normals: Sequence[Tensor], axes: tuple[str, str, str] = NormalsQuirks.axes) -> _Field:
    """What AdaShare's normal images hold, before rounding: (n + 1) / 2 * 255.

    Args:
        normals: The components of unit vectors, x right, y up, z to the camera.
        axes: Which of these its three channels hold, with a leading "-" where reversed.

    Returns:
        Its three channels.
    """
    parts = [normals["xyz".index(axis[-1])] for axis in axes]
    signs = [-1.0 if axis.startswith("-") else 1.0 for axis in axes]
    return _Field((sign * part + 1) * 127.5 for sign, part in zip(signs, parts, strict=True))


def _angle(a: _Field, b: _Field, float32_cosine: bool) -> Tensor:
    """Angle in degrees between two fields of vectors."""
    if not float32_cosine:
        return angle_deg(tuple(part.double() for part in a), tuple(part.double() for part in b))
    # Scaled to unit length, then divided by the lengths once more, in float32: its own order of operations.
    a, b = a.unit().unit(), b.unit().unit()
    return dot(a, b).clamp_(-1, 1).arccos_().div_(math.pi).mul_(180.0)
