"""AdaShare's angles, which are not angles between surface normals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ednas_nni.tasks.masked import valid_normals
from ednas_nni.tasks.meters import Angles, Totals, no_values, to_label_size
from ednas_nni.tasks.protocols import MetricSpec
from tasks.normals.metrics import angle_deg, dot

SPECS = (
    MetricSpec("adashare_mean_deg", "deg", "min", "adashare"),
    MetricSpec("adashare_median_deg", "deg", "min", "adashare"),
    MetricSpec("adashare_within_11_25", "%", "max", "adashare"),
    MetricSpec("adashare_within_22_5", "%", "max", "adashare"),
    MetricSpec("adashare_within_30", "%", "max", "adashare"),
)
_NAMES = tuple(spec.name for spec in SPECS)


@dataclass(frozen=True)
class NormalsQuirks:
    """Switches of `AdashareNormalsMeter`.

    Attributes:
        raw_bytes: Angles are measured between the *bytes* (n + 1) / 2 * 255 of its normal images, scaled to unit
            length but never shifted back by 127.5. All such vectors lie in the positive octant, so angles come
            out about half as large. False: angles between true directions.
        axes: Which of our axes (x right, y up, z to the camera) its red, green and blue channels hold. The sign
            matters, because bytes near 0 spread angles and bytes near 255 squeeze them. (Its loader reads blue
            first; the order of channels does not change an angle.)
        whole_bytes: True normals are rounded to whole bytes 0..254, as in its files. False: not rounded.
        any_length: Every label that is not exactly zero is valid. Its files hold 1 % of mid-grey pixels (127,
            127, 127), which no direction encodes; they pass its mask (no channel is 255). They reach this
            meter only if the reader keeps them. False: labels must be longer than one half.
        outputs_are_bytes: Predictions are directions in the space of the bytes, in the files' channel order, as
            a network predicts that was trained by AdaShare's own loss. False: predictions are true directions.
        float32_cosine: Angles are the arc cosine of a float32, off by up to 0.03 degrees near 0. False: float64
            and atan2.
        inclusive: An angle equal to a limit is within. False: below only, as in `standard`.
    """

    raw_bytes: bool = True
    axes: tuple[str, str, str] = ("x", "-z", "y")
    whole_bytes: bool = True
    any_length: bool = True
    outputs_are_bytes: bool = False
    float32_cosine: bool = True
    inclusive: bool = True


class AdashareNormalsMeter:
    """Mean, median and shares of angles as AdaShare's `normal_error` and `eval_fix_policy` have them.

    Both vectors are taken to the bytes of AdaShare's normal images and compared there, over all valid pixels.
    Degrees of this meter are about half of true ones and depend on the surface's direction, see `NormalsQuirks`.
    """

    def __init__(self, quirks: NormalsQuirks | None = None):
        self._quirks = quirks or NormalsQuirks()
        self._angles = Angles(inclusive=self._quirks.inclusive)
        self._unusable = Totals()

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add directions (N, 3, h, w) and unit vectors (N, 3, H, W), of which zero ones are invalid.

        Predictions have any length but zero, see `NormalsQuirks.outputs_are_bytes`. There, as in AdaShare, one of
        length zero scores 90 degrees.
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
        """The metrics of `SPECS`, or NaN (see the two rules of `tasks.meters`)."""
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
        return self[0].abs() + self[1].abs() + self[2].abs() < math.inf  # not true of a NaN either

    def unit(self) -> _Field:
        length = dot(self, self).sqrt_().clamp_(min=1e-12)
        return _Field(part / length for part in self)


def as_bytes(normals: Sequence[Tensor], axes: tuple[str, str, str] = NormalsQuirks.axes) -> _Field:
    """The channels of AdaShare's normal images, before rounding: (n + 1) / 2 * 255.

    Given are the components of unit vectors, x right, y up, z to the camera; `axes` says which of these the channels
    hold, with a leading "-" where reversed.
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
