"""Depth losses: functions of prediction and label, float (N, 1, H, W) in the label's unit, to a scalar.

Labels that are 0, negative or not finite are invalid and left out. Every loss is finite, with a zero gradient, when no
pixel is valid. Inputs in half precision are computed in float32. All are called alike: `relative_scale` (lambda, in the
label's unit) weighs the relative error where a loss has one. Below, p is the prediction, g the label, means run over
valid pixels. With p = 3 m, g = 2 m and lambda = 3 m: `l1` is 1 m, `relative` 3 * 1 / 2 = 1.5 m, `jared` 1.25 m,
`jared_half` 0.625 m.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from ednas_nni.tasks.masked import masked_mean, valid_depth, wide

FLOOR = 0.1
"""Smallest denominator of relative errors, in the label's unit.

Tasks call the losses in units of their scale, about a third of the median depth: the floor is a thirtieth of it.
It bounds the gradient of tiny labels, whose relative error is noise of the sensor or of a resize."""

LOG_FLOOR = 1e-6
"""Smallest depth of which `silog` takes the logarithm, in the label's unit."""


class DepthLoss(Protocol):
    """What all of them are."""

    def __call__(self, prediction: Tensor, target: Tensor, *, relative_scale: float = ...) -> Tensor:
        """The loss, a scalar."""


def l1(prediction: Tensor, target: Tensor, *, relative_scale: float = 0.0) -> Tensor:
    """Mean absolute error, |p - g|."""
    mask, prediction, target = _select(prediction, target)
    return masked_mean((prediction - target).abs(), mask)


def l1_double(prediction: Tensor, target: Tensor, *, relative_scale: float = 0.0) -> Tensor:
    """Twice the mean absolute error: the control for the weight that `jared_sum` gives depth against other tasks."""
    return 2 * l1(prediction, target)


def relative(prediction: Tensor, target: Tensor, *, relative_scale: float = 1.0) -> Tensor:
    """Mean relative error |p - g| / max(g, FLOOR), times `relative_scale`, which makes it comparable to `l1`."""
    mask, prediction, target = _select(prediction, target)
    return relative_scale * masked_mean((prediction - target).abs() / target.clamp(min=FLOOR), mask)


def jared(prediction: Tensor, target: Tensor, *, relative_scale: float = 3.0) -> Tensor:
    """Joint absolute-relative depth loss, normalised: (|p - g| + relative_scale |p - g| / max(g, FLOOR)) / 2.

    The name and the purpose (steer absolute and relative error together, because the absolute error alone is ruled by
    far pixels and the relative error alone by near ones) are those of JAReD in Vu et al., "Toward Edge-Efficient Dense
    Predictions with Synergistic Multi-Task Neural Architecture Search", WACV 2023, arXiv 2210.01384. This exact
    weighting is ours: the halves keep the weight of depth against the other tasks what it is with `l1`, and the floor
    bounds the gradient at tiny labels. The ratio of absolute to relative error of a plain L1 model, as
    `relative_scale`, makes both halves equally large: about 3 m for `rooms`.
    """
    return jared_sum(prediction, target, relative_scale=relative_scale) / 2


def jared_half(prediction: Tensor, target: Tensor, *, relative_scale: float = 3.0) -> Tensor:
    """Half of `jared`: depth weighs half as much against the other tasks as with `l1`.

    Less noisy than `l1` and better over all tasks, by a protocol written beforehand (docs/losses.md).
    """
    return jared(prediction, target, relative_scale=relative_scale) / 2


def jared_sum(prediction: Tensor, target: Tensor, *, relative_scale: float = 3.0) -> Tensor:
    """`jared` without the half: |p - g| + relative_scale |p - g| / max(g, FLOOR).

    With the usual lambda both terms are as large as `l1`, so depth weighs twice as much against the other tasks, which
    pay for it (docs/losses.md has the figures); `l1_double` is the control that tells the two apart.
    """
    mask, prediction, target = _select(prediction, target)
    weight = 1 + relative_scale / target.clamp(min=FLOOR)
    return masked_mean((prediction - target).abs() * weight, mask)


def berhu(prediction: Tensor, target: Tensor, *, relative_scale: float = 0.0) -> Tensor:
    """Reverse Huber: |e| up to c, (e^2 + c^2) / (2 c) beyond; c = a fifth of the batch's largest error.

    Source: Laina et al., "Deeper Depth Prediction with Fully Convolutional Residual Networks", 3DV 2016,
    arXiv 1606.00373, equation 1. c is a constant for the gradient.
    """
    mask, prediction, target = _select(prediction, target)
    error = (prediction - target).abs()
    # The floor keeps a batch without an error (or without a valid pixel) away from a division by zero.
    c = (0.2 * error.detach().amax()).clamp(min=1e-6)
    return masked_mean(torch.where(error <= c, error, (error.square() + c * c) / (2 * c)), mask)


def silog(prediction: Tensor, target: Tensor, *, relative_scale: float = 0.0) -> Tensor:
    """Scale-invariant logarithmic error: sqrt(mean d^2 - 0.85 (mean d)^2), d = ln p - ln g; without a unit.

    A prediction below `LOG_FLOOR` counts as that, without a gradient. Of the square of an error that all pixels share
    (depth of twice the scale) only 15 % counts.

    Source: Eigen, Puhrsch, Fergus, "Depth Map Prediction from a Single Image using a Multi-Scale Deep Network",
    NIPS 2014, arXiv 1406.2283, equation 4, with 0.85 in the place of their 0.5 and the root, as in Lee et al.,
    "From Big to Small", arXiv 1907.10326, section 3.4 (without their factor 10).
    """
    mask, prediction, target = _select(prediction, target)
    d = prediction.clamp(min=LOG_FLOOR).log() - target.clamp(min=LOG_FLOOR).log()
    mean = masked_mean(d, mask)
    # Equal to the formula above; a difference of two large means would lose the digits, and its sign.
    square = masked_mean((d - mean).square(), mask) + (1 - 0.85) * mean.square()
    # The root's slope at zero is infinite; the constant bounds it.
    return (square + 1e-6).sqrt() - 1e-3


LOSSES: Mapping[str, DepthLoss] = {
    "jared": jared,
    "jared_half": jared_half,
    "jared_sum": jared_sum,
    "l1": l1,
    "l1_double": l1_double,
    "relative": relative,
    "berhu": berhu,
    "silog": silog,
}
"""By the name that a study writes."""

DEFAULT = "jared_half"
"""The one that a study has where it writes none. A choice, not a claim: docs/losses.md says what speaks for it."""


def _select(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mask, and both inputs with invalid pixels replaced by 1 so that no NaN enters the arithmetic."""
    mask = valid_depth(target)
    prediction = wide(prediction)
    ones = torch.ones_like(prediction)
    return mask, torch.where(mask, prediction, ones), torch.where(mask, target.to(prediction.dtype), ones)
