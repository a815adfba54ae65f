"""AdaShare's depth errors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ednas_nni.tasks.meters import Totals, no_values, to_label_size
from ednas_nni.tasks.protocols import MetricSpec
from tasks.depth.metrics import unit_suffix


def specs(unit: str = "m") -> tuple[MetricSpec, ...]:
    """The metrics of a depth unit, primary first: errors in that unit, deltas in percent."""
    suffix, printed = unit_suffix(unit), unit if unit != "1" else ""
    return (
        MetricSpec(f"adashare_abs_error{suffix}", printed, "min", "adashare"),
        MetricSpec("adashare_rel_error", "1", "min", "adashare"),
        MetricSpec("adashare_delta1", "%", "max", "adashare"),
        MetricSpec("adashare_delta2", "%", "max", "adashare"),
        MetricSpec("adashare_delta3", "%", "max", "adashare"),
    )


@dataclass(frozen=True)
class DepthQuirks:
    """Switches of `AdashareDepthMeter`.

    Attributes:
        valid_above: Labels must exceed this, in the labels' unit. On its CityScapes files (16-bit disparity
            divided by 65535) that excludes 0 = "not measured" and 1 = zero disparity.
        image_means: Absolute and relative error are means of the images' means; deltas are over all pixels
            either way. False: over all pixels.
        negative_is_right: A prediction below zero has negative ratios p/g and g/p, which are below every
            threshold, so it counts as right in delta 1 to 3. False: only positive predictions can be right.
        inclusive: A ratio equal to 1.25^k is within. False: below only, as in `standard`.
    """

    valid_above: float = 3e-5
    image_means: bool = True
    negative_is_right: bool = True
    inclusive: bool = True


class AdashareDepthMeter:
    """Absolute error, relative error and deltas as AdaShare's `depth_error` has them.

    Errors per image, then their mean over images; deltas over all pixels, in percent. On CityScapes it feeds
    disparity / 65535, so its 0.016 is neither metres nor pixels. Images without a valid pixel are left out; its
    code divides by zero there. Predictions are not clamped.
    """

    def __init__(self, unit: str = "m", quirks: DepthQuirks | None = None):
        self._names = tuple(spec.name for spec in specs(unit))
        self._quirks = quirks or DepthQuirks()
        self._totals = Totals()

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add depth (N, 1, h, w) and labels (N, 1, H, W), in the meter's unit; see `DepthQuirks.valid_above`."""
        target = target.as_subclass(Tensor).float()
        prediction = to_label_size(prediction, target).float()
        valid = (target > self._quirks.valid_above) & target.isfinite()
        truth, guess = torch.where(valid, target, 1.0), torch.where(valid, prediction, 1.0)
        error = torch.where(valid, (guess - truth).abs(), 0.0)
        ratio = torch.maximum(guess / truth, truth / guess)
        right = valid if self._quirks.negative_is_right else valid & (guess > 0)
        limits = [1.25**k for k in (1, 2, 3)]
        within = [right & (ratio <= limit if self._quirks.inclusive else ratio < limit) for limit in limits]
        pixels = valid.sum(dim=(1, 2, 3))
        images = pixels > 0
        weight = 1 / pixels.clamp(min=1).double() if self._quirks.image_means else torch.ones_like(pixels)
        absolute = error.sum(dim=(1, 2, 3), dtype=torch.float64)
        relative = (error / truth).sum(dim=(1, 2, 3), dtype=torch.float64)
        count = images.sum() if self._quirks.image_means else pixels.sum()
        sums = [(absolute * weight).sum(), (relative * weight).sum(), count, *(inside.sum() for inside in within)]
        # Zero, or NaN if a prediction is infinite or not a number.
        self._totals.add(*sums, pixels.sum(), (guess - guess).sum())

    def compute(self) -> dict[str, float]:
        """The metrics of `specs(unit)`, or NaN (see the two rules of `tasks.meters`)."""
        absolute, relative, count, *within, pixels, unusable = self._totals.list(8)
        if unusable or not pixels:
            return no_values(self._names)
        values = (absolute / count, relative / count, *(100 * inside / pixels for inside in within))
        return dict(zip(self._names, values, strict=True))
