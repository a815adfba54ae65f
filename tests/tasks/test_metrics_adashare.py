"""Protocol `adashare`: equal to a second implementation, every quirk switchable, and the published figures' setting."""

from __future__ import annotations

import dataclasses
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional

from ednas_nni.tasks.meters import Angles
from tasks.depth.adashare import AdashareDepthMeter, DepthQuirks
from tasks.depth.metrics import DepthMeter
from tasks.normals.adashare import AdashareNormalsMeter, NormalsQuirks
from tasks.normals.metrics import NormalsMeter
from tasks.segmentation.adashare import AdashareSegmentationMeter, SegmentationQuirks
from tasks.segmentation.metrics import SegmentationMeter
from tests.tasks import metric_cases as cases
from tests.tasks import reference_metrics as reference

fill, same, quietly = cases.fill, cases.same, cases.quietly

NO_QUIRKS = {
    SegmentationQuirks: SegmentationQuirks(hit_classes_only=False, void_label=255, image_means=False),
    DepthQuirks: DepthQuirks(valid_above=0.0, image_means=False, negative_is_right=False, inclusive=False),
    NormalsQuirks: NormalsQuirks(raw_bytes=False, any_length=False, float32_cosine=False, inclusive=False),
}
CASE = (cases.SEEDS, cases.SHAPES, st.sampled_from(cases.TRAPS), st.integers(1, 4), st.integers(1, 3))


def enlarged(truth, factor):
    """Labels at a whole multiple of the predictions' size."""
    return np.repeat(np.repeat(truth, factor, axis=-2), factor, axis=-1)


@given(*CASE, st.sampled_from([255, -1]))
def test_segmentation_equals_reference(seed, shape, trap, batch, factor, void_label):
    guess, truth = cases.segmentation_case(seed, shape, trap)
    truth = enlarged(truth, factor)
    meter = AdashareSegmentationMeter(cases.CLASSES, quirks=SegmentationQuirks(void_label=void_label))
    expected = reference.adashare_segmentation(guess, truth, cases.CLASSES, void_label)
    same(fill(meter, guess, truth, batch), expected)


@given(*CASE, st.sampled_from(["m", "1/m", "px", "1"]))
def test_depth_equals_reference(seed, shape, trap, batch, factor, unit):
    guess, truth = cases.depth_case(seed, shape, trap)
    truth = enlarged(truth, factor)
    expected = quietly(reference.adashare_depth, guess, truth, unit)
    same(fill(AdashareDepthMeter(unit), guess, truth, batch), expected)


@given(*CASE)
def test_normals_equal_reference(seed, shape, trap, batch, factor):
    trap = "none" if trap == "extreme" else trap  # in float32, as AdaShare has it, such lengths overflow
    guess, truth = cases.normals_case(seed, shape, trap)
    truth = enlarged(truth, factor)
    expected = quietly(reference.adashare_normals, guess, truth)
    exact = AdashareNormalsMeter(NormalsQuirks(float32_cosine=False))
    same(fill(exact, guess, truth, batch), expected, tolerance=2e-5)  # bytes are float32
    rounded = fill(AdashareNormalsMeter(), guess, truth, batch)
    for name in ("adashare_mean_deg", "adashare_median_deg"):
        assert rounded[name] == pytest.approx(expected[name], abs=0.04, nan_ok=True)


def test_nearest_is_that_of_torch():
    values = torch.arange(5 * 7).reshape(1, 1, 5, 7).float()
    for size in ((10, 21), (11, 9), (3, 64), (480, 640)):
        assert np.array_equal(functional.interpolate(values, size=size), reference.nearest(values.numpy(), size))


def test_segmentation_without_quirks_is_standard():
    guess, truth = cases.segmentation_case(4, (5, 6, 7), "none")
    metrics = fill(AdashareSegmentationMeter(5, quirks=NO_QUIRKS[SegmentationQuirks]), guess, truth)
    same(list_named(metrics), list_named(fill(SegmentationMeter(5), guess, truth)))


def test_depth_without_quirks_is_standard():
    guess, truth = cases.depth_case(4, (5, 6, 7), "none")
    guess = np.abs(guess)  # predictions are not clamped here
    metrics = fill(AdashareDepthMeter(quirks=NO_QUIRKS[DepthQuirks]), guess, truth)
    expected = fill(DepthMeter(), guess, truth)
    del expected["rmse_m"]
    scaled = {name: value * (100 if "delta" in name else 1) for name, value in expected.items()}
    same(list_named(metrics), list_named(scaled))


def test_normals_without_quirks_are_standard():
    guess, truth = cases.normals_case(4, (5, 6, 7), "none")
    metrics = fill(AdashareNormalsMeter(NO_QUIRKS[NormalsQuirks]), guess, truth)
    expected = fill(NormalsMeter(), guess, truth)
    scaled = {name: value * (100 if "within" in name else 1) for name, value in expected.items()}
    same(list_named(metrics), list_named(scaled))


def list_named(metrics):
    return {name.removeprefix("adashare_"): value for name, value in metrics.items()}


def hit_or_miss():
    """Class 2 occurs and is never hit; the second image has one labelled pixel, which is right."""
    truth = np.array([[[0, 0, 1, 2, 255]], [[0, 255, 255, 255, 255]]])
    return np.array([[[0, 1, 1, 1, 1]], [[0, 0, 0, 0, 0]]]), truth


def test_classes_without_a_hit_are_dropped():
    guess, truth = hit_or_miss()
    metrics = fill(AdashareSegmentationMeter(3, quirks=SegmentationQuirks(void_label=255)), guess, truth)
    assert metrics["adashare_miou"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert fill(SegmentationMeter(3), guess, truth)["miou"] == pytest.approx((2 / 3 + 1 / 3 + 0) / 3)
    assert math.isnan(fill(AdashareSegmentationMeter(3), np.ones_like(guess), truth * 0)["adashare_miou"])


def test_void_counts_as_error_on_cityscapes_only():
    guess, truth = hit_or_miss()
    accuracy = {
        classes: fill(AdashareSegmentationMeter(classes), guess, truth)["adashare_pixel_accuracy"]
        for classes in (7, 13, 19, 40)
    }
    assert accuracy[7] == accuracy[19] == pytest.approx((2 / 5 + 1 / 5) / 2)
    assert accuracy[13] == accuracy[40] == pytest.approx((2 / 4 + 1 / 1) / 2)
    pooled = SegmentationQuirks(image_means=False)
    assert fill(AdashareSegmentationMeter(40, quirks=pooled), guess, truth)["adashare_pixel_accuracy"] == 3 / 5


def test_an_image_weighs_as_much_as_another():
    truth = np.array([[2, 2, 2, 2], [2, 0, 0, 0]], np.float32).reshape(2, 1, 2, 2)
    guess = np.array([[3, 3, 3, 3], [2, 9, 9, 9]], np.float32).reshape(2, 1, 2, 2)
    assert fill(AdashareDepthMeter(), guess, truth)["adashare_abs_error_m"] == 0.5
    assert fill(DepthMeter(), guess, truth)["abs_error_m"] == 0.8


def test_a_negative_depth_counts_as_right():
    truth, guess = np.full((1, 1, 1, 2), 2, np.float32), np.array([-100, 3], np.float32).reshape(1, 1, 1, 2)
    assert fill(AdashareDepthMeter(), guess, truth)["adashare_delta1"] == 50.0
    assert fill(AdashareDepthMeter(quirks=DepthQuirks(negative_is_right=False)), guess, truth)["adashare_delta1"] == 0
    assert fill(DepthMeter(), guess, truth)["delta1"] == 0


def test_limits_and_the_smallest_label():
    truth = np.array([1, 2, 3e-5, 3.1e-5], np.float32).reshape(1, 1, 2, 2)
    guess = np.array([1.25, 2.5, 1, 3.1e-5], np.float32).reshape(1, 1, 2, 2)
    assert fill(AdashareDepthMeter("1"), guess, truth)["adashare_delta1"] == 100.0
    below = fill(AdashareDepthMeter("1", quirks=DepthQuirks(inclusive=False)), guess, truth)
    assert below["adashare_delta1"] == pytest.approx(100 / 3)
    assert fill(DepthMeter("1"), guess, truth)["delta1"] == 1 / 4


SWITCHES = [(kind, field.name) for kind in NO_QUIRKS for field in dataclasses.fields(kind)]


@pytest.mark.parametrize(("kind", "switch"), SWITCHES, ids=[name for _, name in SWITCHES])
def test_the_comparison_rejects_a_missing_quirk(kind, switch):
    """Each switch is seen by the comparison: turned, the numbers are not AdaShare's."""
    turned = {"axes": ("x", "y", "z"), "outputs_are_bytes": True, "whole_bytes": False}
    value = turned.get(switch, getattr(NO_QUIRKS[kind], switch))
    void_label = 255 if switch == "image_means" else -1  # with -1 all images are judged on equally many pixels
    options = {"void_label": void_label} if kind is SegmentationQuirks else {}
    meter, case, expect = {
        SegmentationQuirks: (
            lambda quirks: AdashareSegmentationMeter(5, quirks=quirks),
            cases.segmentation_case,
            lambda p, g: reference.adashare_segmentation(p, g, 5, void_label),
        ),
        DepthQuirks: (lambda quirks: AdashareDepthMeter(quirks=quirks), cases.depth_case, reference.adashare_depth),
        NormalsQuirks: (AdashareNormalsMeter, cases.normals_case, reference.adashare_normals),
    }[kind]

    def agrees(quirks):
        for seed in range(8):
            for trap in ("none", "exact"):
                guess, truth = case(seed, (4, 5, 5), trap)
                if kind is DepthQuirks:
                    truth[:, :, 0, 0] = 1e-5
                if kind is NormalsQuirks:
                    truth[:, :, 0, 0] = -1 / 255  # mid-grey
                    truth[:, :, 0, 1] = guess[:, :, 0, 1] = np.array([1, 0, 0])
                try:
                    same(fill(meter(quirks), guess, truth), quietly(expect, guess, truth), 2e-5)
                except AssertionError:
                    return False
        return True

    # The arc cosine of a float32 cannot agree with the reference; the test above compares it more coarsely.
    # No random angle lies on a limit; `test_an_angle_on_the_limit` has one.
    base = kind(**options, **({"float32_cosine": False} if kind is NormalsQuirks else {}))
    assert agrees(base)
    if (kind, switch) == (NormalsQuirks, "inclusive"):
        return
    value = True if switch == "float32_cosine" else value
    assert not agrees(dataclasses.replace(base, **{switch: value}))


def test_an_angle_on_the_limit():
    angle, valid = torch.tensor([11.25, 22.5, 30.0, 31.0]), torch.tensor([True] * 4)
    for inclusive, expected in ((True, (0.25, 0.5, 0.75)), (False, (0, 0.25, 0.5))):
        angles = Angles(inclusive=inclusive)
        angles.add(angle, valid)
        assert angles.within() == list(expected)


def rotated(directions, degrees):
    """Unit vectors (n, 3) turned by an angle, each towards another side, the sides spread evenly."""
    across = np.cross(directions, np.array([0.6, 0.64, 0.48]))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    phase = 2 * math.pi * 0.6180339887 * np.arange(len(directions))[:, None]
    side = np.cos(phase) * across + np.sin(phase) * np.cross(directions, across)
    return math.cos(math.radians(degrees)) * directions + math.sin(math.radians(degrees)) * side


def as_image(vectors):
    """(n, 3) -> (1, 3, 1, n)."""
    return np.ascontiguousarray(vectors.T[None, :, None], dtype=np.float32)


def seen_by_camera(rng, n):
    """Directions spread evenly over the half sphere that faces the camera."""
    directions = rng.normal(size=(n, 3))
    directions[:, 2] = np.abs(directions[:, 2])
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("surface", "expected"),
    [
        ("all that a camera sees", (5.17, 10.26, 15.19, 22.13)),
        ("a wall seen head on", (4.56, 9.39, 14.65, 23.29)),
        ("the floor", (3.71, 7.41, 11.06, 16.41)),
    ],
)
def test_true_angles_shrink_to_half(surface, expected):
    rng = np.random.default_rng(0)
    truth = seen_by_camera(rng, 100_000)
    if surface != "all that a camera sees":
        truth = np.tile([0.0, 0.0, 1.0] if "wall" in surface else [0.0, 1.0, 0.0], (20_000, 1))
    for degrees, printed in zip((10, 20, 30, 45), expected, strict=True):
        guess = rotated(truth, degrees)
        assert fill(NormalsMeter(), as_image(guess), as_image(truth))["mean_deg"] == pytest.approx(degrees, abs=1e-4)
        metrics = fill(AdashareNormalsMeter(NormalsQuirks(whole_bytes=False)), as_image(guess), as_image(truth))
        assert metrics["adashare_mean_deg"] == pytest.approx(printed, abs=0.05)


def test_channel_order_does_not_change_an_angle():
    guess, truth = cases.normals_case(0, (2, 6, 6), "none")
    rgb = fill(AdashareNormalsMeter(), guess, truth)
    bgr = fill(AdashareNormalsMeter(NormalsQuirks(axes=("y", "-z", "x"))), guess, truth)
    same(bgr, rgb, tolerance=1e-3)


_beside = Path(__file__).parents[3] / "shared" / "data" / "nyuv2_adashare_samples"
SAMPLES = Path(os.environ.get("EDNAS_ADASHARE_SAMPLES", _beside))
with_samples = pytest.mark.skipif(
    not (SAMPLES / "normal_mask").is_dir(),
    reason="needs the four frames of AdaShare's repository; EDNAS_ADASHARE_SAMPLES names their folder",
)


@pytest.fixture(scope="module")
def frames():
    """Bytes (4, 480, 640, 3) of the real frames' normals, and what a reader that drops nothing makes of them."""
    stored = np.stack([np.asarray(Image.open(path)) for path in sorted((SAMPLES / "normal_mask").glob("*.png"))])
    n = np.where((stored == 255).any(-1, keepdims=True), 0, 2 * stored.astype(np.float64) / 255 - 1)
    directions = np.stack([n[..., 0], n[..., 2], -n[..., 1]], axis=1)  # its channels hold x, -z and y
    return stored, directions.astype(np.float32)


def as_its_code(stored, prediction):
    """Mean, median and shares of a prediction in the bytes' space (4, 3, 480, 640), with the calls AdaShare makes."""
    truth = torch.from_numpy(stored).permute(0, 3, 1, 2)
    rows = [field.permute(0, 2, 3, 1).reshape(-1, 3) for field in (truth, torch.from_numpy(prediction))]
    known = rows[0].max(dim=1)[0] != 255
    truth, guess = (functional.normalize(row[known].float(), dim=1) for row in rows)
    cosine = torch.nn.CosineSimilarity()(truth, guess).numpy()
    angle = np.arccos(np.clip(cosine, -1, 1)) / np.pi * 180.0
    return [np.mean(angle), np.median(angle), *(100 * np.mean(np.less_equal(angle, x)) for x in (11.25, 22.5, 30.0))]


@with_samples
def test_real_frames_as_its_code(frames):
    stored, directions = frames
    rng = np.random.default_rng(0)
    guess = np.moveaxis(stored, -1, 1).astype(np.float32) + rng.normal(0, 40, size=directions.shape).astype(np.float32)
    metrics = fill(AdashareNormalsMeter(NormalsQuirks(outputs_are_bytes=True)), guess, directions, 1)
    assert list(metrics.values()) == pytest.approx(as_its_code(stored, guess), abs=2e-4)


@with_samples
def test_real_frames_constant_predictor(frames):
    """AdaShare-type degrees flatter: without looking at the image 19 degrees, where true normals are 47 degrees off."""
    stored, directions = frames
    known = stored[(stored != 255).all(-1)].astype(np.float64)
    constant = (known / np.linalg.norm(known, axis=1, keepdims=True)).mean(0)
    guess = np.broadcast_to(constant.astype(np.float32)[None, :, None, None], directions.shape).copy()
    quirks = NormalsQuirks(outputs_are_bytes=True)
    metrics = fill(AdashareNormalsMeter(quirks), guess, directions, 1)
    assert list(metrics.values()) == pytest.approx([19.1, 17.2, 16.5, 66.8, 88.8], abs=0.05)
    # Mid-grey pixels are 1 % of the labels, and a reader that drops them changes little.
    dropped = np.where(np.linalg.norm(directions, axis=1, keepdims=True) < 0.5, np.float32(0), directions)
    metrics = fill(AdashareNormalsMeter(quirks), guess, dropped, 1)
    assert list(metrics.values()) == pytest.approx([19.0, 16.9, 16.8, 66.3, 88.6], abs=0.05)
    sums = dropped.sum(axis=(0, 2, 3), dtype=np.float64)
    guess = np.broadcast_to(sums.astype(np.float32)[None, :, None, None], dropped.shape).copy()
    assert fill(NormalsMeter(), guess, dropped, 1)["mean_deg"] == pytest.approx(47.5, abs=0.05)


@with_samples
def test_real_frames_true_angles(frames):
    """Every pixel that AdaShare takes for a normal, a mid-grey one read as the direction (-1, -1, -1)."""
    _, directions = frames
    truth = np.moveaxis(directions, 1, -1)[(directions != 0).any(axis=1)][::7].astype(np.float64)
    truth /= np.linalg.norm(truth, axis=1, keepdims=True)
    for degrees, shown in ((10, 5.48), (20, 10.84), (30, 15.96), (45, 22.96)):
        metrics = fill(AdashareNormalsMeter(), as_image(rotated(truth, degrees)), as_image(truth))
        assert metrics["adashare_mean_deg"] == pytest.approx(shown, abs=0.03)
