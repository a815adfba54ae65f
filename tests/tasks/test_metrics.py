"""Protocol `standard` and what holds for the meters of both protocols."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ednas_nni.data import DataInfo
from ednas_nni.errors import DataError
from ednas_nni.tasks.base import TASKS
from ednas_nni.tasks.meters import Angles
from ednas_nni.tasks.protocols import PROTOCOLS
from tasks.depth.adashare import AdashareDepthMeter
from tasks.depth.metrics import UNIT_SUFFIX, DepthMeter
from tasks.normals.adashare import AdashareNormalsMeter
from tasks.normals.metrics import NormalsMeter
from tasks.segmentation.adashare import AdashareSegmentationMeter
from tasks.segmentation.metrics import SegmentationMeter
from tests.tasks import metric_cases as cases
from tests.tasks import reference_metrics as reference

CLASSES, SEEDS, SHAPES, TRAPS = cases.CLASSES, cases.SEEDS, cases.SHAPES, cases.TRAPS
fill, same, quietly = cases.fill, cases.same, cases.quietly
segmentation_case, depth_case, normals_case = cases.segmentation_case, cases.depth_case, cases.normals_case


@given(SEEDS, SHAPES, st.sampled_from(TRAPS), st.integers(1, 4))
def test_segmentation_equals_reference(seed, shape, trap, batch):
    guess, truth = segmentation_case(seed, shape, trap)
    same(fill(SegmentationMeter(CLASSES), guess, truth, batch), reference.segmentation(guess, truth, CLASSES))


@given(SEEDS, SHAPES, st.sampled_from(TRAPS), st.integers(1, 4), st.sampled_from([*UNIT_SUFFIX]), st.booleans())
def test_depth_equals_reference(seed, shape, trap, batch, unit, bounded):
    guess, truth = depth_case(seed, shape, trap)
    maximum = 5.0 if bounded else None
    expected = quietly(reference.depth, guess, truth, unit, maximum)
    same(fill(DepthMeter(unit, maximum), guess, truth, batch), expected)


@given(SEEDS, SHAPES, st.sampled_from(TRAPS), st.integers(1, 4))
def test_normals_equal_reference(seed, shape, trap, batch):
    guess, truth = normals_case(seed, shape, trap)
    same(fill(NormalsMeter(), guess, truth, batch), quietly(reference.normals, guess, truth))


class BatchMeans:
    """Broken: the mean of the batches' metrics."""

    def __init__(self, make):
        self.make, self.results = make, []

    def update(self, prediction, target):
        meter = self.make()
        meter.update(prediction, target)
        self.results.append(meter.compute())

    def compute(self):
        return {name: float(np.mean([one[name] for one in self.results])) for name in self.results[0]}


class Changed:
    """Broken: a meter that sees changed predictions or targets, or tells a changed result."""

    def __init__(self, meter, inputs=None, result=None):
        self.meter, self.inputs, self.result = meter, inputs, result

    def update(self, prediction, target):
        self.meter.update(*(self.inputs(prediction, target) if self.inputs else (prediction, target)))

    def compute(self):
        return self.result(self.meter, self.meter.compute()) if self.result else self.meter.compute()


class ArcCosine(BatchMeans):
    """Broken: angles by an arc cosine in float32 that is not clamped, so equal vectors may have none."""

    def __init__(self):
        self.angles, self.make = [], None

    def update(self, prediction, target):
        p, g = (torch.nn.functional.normalize(v.float(), dim=1) for v in (prediction, target))
        valid = target.square().sum(dim=1) > 0.25
        self.angles.append(torch.rad2deg(torch.arccos((p * g).sum(dim=1)))[valid].numpy())

    def compute(self):
        return reference._summary(np.concatenate(self.angles).astype(float), NormalsMeter().compute())


def absent_counts_as_zero(meter, metrics):
    return {**metrics, "miou": float(np.nansum(meter.class_iou()) / CLASSES)}


BROKEN = {
    "segmentation, mean of batches": ("segmentation", lambda: BatchMeans(lambda: SegmentationMeter(CLASSES))),
    "segmentation, absent class counts 0": (
        "segmentation",
        lambda: Changed(SegmentationMeter(CLASSES), result=absent_counts_as_zero),
    ),
    "segmentation, unlabelled pixels count": (
        "segmentation",
        lambda: Changed(SegmentationMeter(CLASSES), lambda p, g: (p.clamp(0, 4), g.masked_fill(g == 255, 0))),
    ),
    "segmentation, a bad prediction is passed over": (
        "segmentation",
        lambda: Changed(SegmentationMeter(CLASSES), lambda p, g: (p, torch.where((p < 0) | (p > 4), 255, g))),
    ),
    "depth, mean of batches": ("depth", lambda: BatchMeans(DepthMeter)),
    "depth, not clamped": ("depth", lambda: DepthMeter(maximum=None)),
    "depth, negative is right": ("depth", lambda: Changed(DepthMeter(maximum=5.0), lambda p, g: (p.abs(), g))),
    "depth, a bad prediction is passed over": (
        "depth",
        lambda: Changed(DepthMeter(maximum=5.0), lambda p, g: (p.nan_to_num(1, 1, 1), g)),
    ),
    "depth, holes count": ("depth", lambda: Changed(DepthMeter(maximum=5.0), lambda p, g: (p, g.nan_to_num(1) + 1e-3))),
    "normals, mean of batches": ("normals", lambda: BatchMeans(NormalsMeter)),
    "normals, arc cosine": ("normals", ArcCosine),
    "normals, scaled first": (
        "normals",
        lambda: Changed(NormalsMeter(), lambda p, g: (p / p.square().sum(1, keepdim=True).sqrt(), g)),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_comparison_rejects(name):
    """Each broken meter fails the same comparison, on some case that hypothesis may draw."""
    task, make = BROKEN[name]
    case = {"segmentation": segmentation_case, "depth": depth_case, "normals": normals_case}[task]
    expect = {
        "segmentation": lambda p, g: reference.segmentation(p, g, CLASSES),
        "depth": lambda p, g: reference.depth(p, g, maximum=5.0),
        "normals": reference.normals,
    }[task]

    def rejected(seed, trap):
        guess, truth = case(seed, (4, 4, 5), trap)
        try:
            same(quietly(fill, make(), guess, truth), quietly(expect, guess, truth))
        except AssertionError:
            return True
        return False

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        assert any(rejected(seed, trap) for seed in range(6) for trap in TRAPS)


ALL = {
    "standard segmentation": (lambda: SegmentationMeter(CLASSES), segmentation_case),
    "standard depth": (DepthMeter, depth_case),
    "standard normals": (NormalsMeter, normals_case),
    "adashare segmentation": (lambda: AdashareSegmentationMeter(CLASSES), segmentation_case),
    "adashare depth": (AdashareDepthMeter, depth_case),
    "adashare normals": (AdashareNormalsMeter, normals_case),
}


@given(SEEDS, st.sampled_from([*ALL]), st.sampled_from(TRAPS), st.permutations(range(5)), st.integers(1, 5))
def test_batch_size_and_order_do_not_matter(seed, name, trap, order, batch):
    make, case = ALL[name]
    guess, truth = case(seed, (5, 4, 6), trap)
    shuffled = fill(make(), guess[order], truth[order], batch)
    same(quietly(fill, make(), guess, truth, 5), shuffled, tolerance=1e-9)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ALL)
def test_one_broken_prediction_spoils_everything(name, poison):
    make, case = ALL[name]
    _, truth = case(1, (2, 3, 3), "none")
    invalid = 255 if "segmentation" in name else 0
    truth[0, ..., 1, 1] = 1 / math.sqrt(3) if "normals" in name else 1
    guess = np.where(np.isfinite(truth) & (truth != invalid), truth, 1).astype(truth.dtype)
    assert all(math.isfinite(value) for value in fill(make(), guess, truth).values())
    broken = guess.copy()
    broken[0, ..., 1, 1] = -1 if "segmentation" in name else poison
    assert all(math.isnan(value) for value in fill(make(), broken, truth).values())
    # ... also when later batches are fine, and not when the broken pixel is invalid.
    meter = make()
    fill(meter, broken, truth)
    assert all(math.isnan(value) for value in fill(meter, guess, truth).values())
    truth[0, ..., 1, 1] = invalid
    assert all(math.isfinite(value) for value in fill(make(), broken, truth).values())


@pytest.mark.parametrize("name", ["standard normals", "adashare normals"])
def test_a_vanishing_normal_has_no_angle(name):
    up = np.array([0.0, 1, 0]).reshape(1, 3, 1, 1)
    assert all(math.isnan(value) for value in fill(ALL[name][0](), np.zeros_like(up), up).values())


def test_one_pixel():
    meter = SegmentationMeter(3)
    meter.update(torch.tensor([[[2]]]), torch.tensor([[[1]]]))
    assert meter.compute() == {"miou": 0.0, "pixel_accuracy": 0.0}
    assert [math.isnan(iou) for iou in meter.class_iou()] == [True, False, False]
    depth = fill(DepthMeter(), np.full((1, 1, 1, 1), 3.0), np.full((1, 1, 1, 1), 2.0))
    assert list(depth.values()) == [1, 0.5, 1, 0, 1, 1]
    up, side = np.array([0.0, 1, 0]).reshape(1, 3, 1, 1), np.array([1.0, 0, 0]).reshape(1, 3, 1, 1)
    assert list(fill(NormalsMeter(), side, up).values()) == pytest.approx([90, 90, 0, 0, 0])


def test_small_and_opposite_angles_are_exact():
    for degrees in (0.0, 1e-6, 0.01, 0.1, 179.99, 180.0):
        angle = math.radians(degrees)
        a = np.array([1, 0, 0.0]).reshape(1, 3, 1, 1)
        b = np.array([math.cos(angle), math.sin(angle), 0.0]).reshape(1, 3, 1, 1)
        assert fill(NormalsMeter(), a, b)["mean_deg"] == pytest.approx(degrees, rel=1e-9, abs=1e-9)


def test_extra_class_in_predictions_lowers_miou():
    truth = np.zeros((1, 2, 2), np.int64)
    guess = np.array([[[0, 0], [0, 3]]])
    assert fill(SegmentationMeter(4), guess, truth)["miou"] == pytest.approx((0.75 + 0) / 2)


def test_an_unknown_label_is_named():
    for meter in (SegmentationMeter(13), AdashareSegmentationMeter(13)):
        with pytest.raises(DataError, match=r"2 pixels have a label .* 13 classes \(0\.\.12\) .* ignored value 255"):
            fill(meter, np.zeros((1, 2, 2), int), np.array([[[13, 0], [254, 255]]]))


def test_predictions_are_clamped_but_never_into_being_right():
    truth = np.array([10, 10, 1e-38, 1e-38], np.float32).reshape(1, 1, 2, 2)
    guess = np.array([1e9, -3, -1, 0], np.float32).reshape(1, 1, 2, 2)
    metrics = fill(DepthMeter(maximum=10.0), guess, truth)
    assert metrics["abs_error_m"] == pytest.approx(10 / 4)  # 0, 10, 0, 0: there is no depth below 0 or beyond 10 m
    assert metrics["delta3"] == 1 / 4


@given(st.lists(st.integers(0, 18_000), min_size=1, max_size=60), st.integers(1, 7))
def test_a_large_split_has_a_median_within_half_a_bin(hundredths, batch):
    angles = torch.tensor(hundredths).double() / 100
    valid = torch.ones_like(angles, dtype=torch.bool)
    valid[1::3] = False
    exact, binned = Angles(), Angles(exact_pixels=3)
    for part, mask in zip(angles.split(batch), valid.split(batch), strict=True):
        exact.add(part, mask)
        binned.add(part, mask)
    assert exact.median() == pytest.approx(float(np.median(angles[valid].float().numpy())), rel=1e-7)
    assert binned.median() == pytest.approx(exact.median(), abs=0.0101)  # a bin's edge may fall on the value itself
    assert binned.mean() == exact.mean() and binned.within() == exact.within()


def test_half_precision_predictions_are_measured_in_double():
    guess, truth = depth_case(5, (2, 4, 4), "none")
    half = torch.as_tensor(guess).clamp(-9, 9).half()
    assert fill(DepthMeter(), half, truth) == fill(DepthMeter(), half.double(), truth)


@pytest.mark.parametrize("name", ALL)
def test_updates_read_nothing_back(name):
    """On a GPU that would make the host wait. A tensor without data can be computed with, but not read."""
    make, case = ALL[name]
    guess, truth = (torch.as_tensor(array).to("meta") for array in case(0, (2, 4, 4), "none"))
    make().update(guess, truth)
    with pytest.raises((RuntimeError, NotImplementedError)):
        Changed(make(), lambda p, g: (p, g[g.isfinite()])).update(guess, truth)  # picking pixels has to count them


def specs(task, name, unit="m"):
    info = DataInfo(name="x", size=(4, 6), classes=("a", "b"), counts={}, fingerprint="f", depth_unit=unit)
    return TASKS.load(task).for_data(info, name).metrics


@pytest.mark.parametrize("unit", UNIT_SUFFIX)
@pytest.mark.parametrize("name", PROTOCOLS)
def test_errors_of_depth_say_their_unit(name, unit):
    depth = {spec.name.removeprefix("adashare_"): spec.unit for spec in specs("depth", name, unit)}
    assert depth[f"abs_error{UNIT_SUFFIX[unit]}"] == ("" if unit == "1" else unit)
    meter = {"standard": DepthMeter, "adashare": AdashareDepthMeter}[name](unit)
    assert [spec.name for spec in specs("depth", name, unit)] == list(meter.compute())


@pytest.mark.parametrize("name", PROTOCOLS)
def test_metric_sets_of_delta_t(name):
    def entering(task, unit="m"):
        prefix = "" if name == "standard" else f"{name}_"
        return [spec.name.removeprefix(prefix) for spec in specs(task, name, unit) if spec.in_delta_t]

    assert entering("segmentation") == ["miou", "pixel_accuracy"]
    assert entering("depth", "px") == ["abs_error_px", "rel_error", "delta1", "delta2", "delta3"]
    assert entering("normals") == ["mean_deg", "median_deg", "within_11_25", "within_22_5", "within_30"]


def test_wrong_names_are_helped():
    with pytest.raises(DataError, match=r"depth_unit is 'pix'. Did you mean 'px'.*Allowed: 1, 1/m, m, px"):
        DepthMeter("pix")
    with pytest.raises(DataError, match="depth_max is -1"):
        DepthMeter("m", -1)
