"""What AdaShare's evaluation does differently, each under a name. The defaults are as its code has them."""

from __future__ import annotations

from dataclasses import dataclass

CITYSCAPES_CLASS_COUNTS = (2, 7, 19)
"""Label sets that AdaShare's CityScapes loader offers; their unlabelled pixels are -1 in its files."""


@dataclass(frozen=True)
class SegmentationQuirks:
    """Switches of `AdashareSegmentationMeter`.

    Attributes:
        hit_classes_only: mIoU is the mean over classes with at least one right pixel. A class that occurs but
            is never hit is dropped, so missing it altogether costs nothing. False: as in `standard`.
        void_label: The value of unlabelled pixels *in AdaShare's files*. Pixel accuracy looks at labels below
            the number of classes: 255 (NYUv2) is left out, but -1 (CityScapes) passes and counts as an error on
            every void pixel. Our labels say `ignore_index` in both cases, so None takes -1 for the class counts
            of its CityScapes loader (2, 7, 19) and 255 otherwise. mIoU never counts void pixels.
        image_means: Pixel accuracy is the mean of the images' accuracies (its test batch holds one image), so
            an image with few labelled pixels weighs as much as a full one. False: over all pixels.
    """

    hit_classes_only: bool = True
    void_label: int | None = None
    image_means: bool = True

    def void_is_wrong(self, classes: int) -> bool:
        """Whether pixel accuracy counts unlabelled pixels as errors, with C classes."""
        label = self.void_label
        if label is None:
            label = -1 if classes in CITYSCAPES_CLASS_COUNTS else 255
        return label < classes


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
