from __future__ import annotations

import numpy as np
import pytest
import torch

from ednas_nni.tasks.masked import valid_normals
from tasks.depth.loss import LOSSES as DEPTH
from tasks.depth.loss import jared
from tasks.normals.loss import LOSSES as NORMALS
from tasks.normals.loss import cosine
from tasks.segmentation.task import cross_entropy


def images(seed=0, n=2, h=3, w=4):
    """A prediction and a target with invalid pixels for each loss, float64."""
    g = torch.Generator().manual_seed(seed)
    depth = torch.rand(n, 1, h, w, generator=g, dtype=torch.float64) * 5 + 0.02
    depth[0, 0, 0] = 0
    normals = torch.nn.functional.normalize(torch.randn(n, 3, h, w, generator=g, dtype=torch.float64), dim=1)
    normals[1, :, 1] = 0
    labels = torch.randint(0, 5, (n, h, w), generator=g)
    labels[0, 1] = 255
    pairs = {name: (torch.rand(n, 1, h, w, generator=g, dtype=torch.float64) * 5 + 0.05, depth) for name in DEPTH}
    for name in NORMALS:
        pairs[name] = (torch.randn(n, 3, h, w, generator=g, dtype=torch.float64), normals)
    pairs["cross_entropy"] = (torch.randn(n, 5, h, w, generator=g, dtype=torch.float64), labels)
    return pairs


def blank(name, target):
    return torch.full_like(target, 255) if name == "cross_entropy" else torch.zeros_like(target)


def valid_pixels(name, target):
    """(N, H, W), written without the package's own masks."""
    if name == "cross_entropy":
        return target.numpy() != 255
    return np.abs(target.numpy()).max(axis=1) > 0


FUNCTIONS = {**DEPTH, **NORMALS, "cross_entropy": cross_entropy}
NAMES = tuple(FUNCTIONS)
MASKED = tuple(name for name in NAMES if name != "cross_entropy")


def reference(name, prediction, target):
    """Pixel by pixel, with the default weight of the relative error."""
    p, t, mask = prediction.numpy(), target.numpy(), valid_pixels(name, target)
    pixels = list(zip(*np.nonzero(mask), strict=True))
    if name in DEPTH:
        return depth_reference(name, [(p[n, 0, y, x], t[n, 0, y, x]) for n, y, x in pixels])
    values = []
    for n, y, x in pixels:
        a = p[n, :, y, x]
        if name == "cross_entropy":
            values.append(np.log(np.exp(a).sum()) - a[t[n, y, x]])
            continue
        cos = a @ t[n, :, y, x] / np.linalg.norm(a) / np.linalg.norm(t[n, :, y, x])
        values.append(1 - cos if name == "cosine" else np.arccos(np.clip(cos, -1, 1)))
    return np.mean(values)


def depth_reference(name, pairs):
    if name == "silog":  # equation 4 of arXiv 1907.10326 with their lambda of 0.85
        d = np.array([np.log(p) - np.log(g) for p, g in pairs])
        return np.sqrt((d**2).mean() - 0.85 * d.mean() ** 2)
    if name == "berhu":
        c = 0.2 * max(abs(p - g) for p, g in pairs)
        return np.mean([abs(p - g) if abs(p - g) <= c else ((p - g) ** 2 + c**2) / (2 * c) for p, g in pairs])
    values = []
    for p, g in pairs:
        error, of = abs(p - g), abs(p - g) / max(g, 0.1)
        values.append(
            {"l1": error, "l1_double": 2 * error, "relative": of, "jared": (error + 3 * of) / 2,
             "jared_half": (error + 3 * of) / 4, "jared_sum": error + 3 * of}[name]
        )  # fmt: skip
    return np.mean(values)


LOOSE = {"silog": 5e-3, "angular": 1e-3}
"""Both bound their gradients by a small constant under a root."""


@pytest.mark.parametrize("name", NAMES)
def test_equals_the_pixelwise_reference(name):
    for seed in range(5):
        prediction, target = images(seed)[name]
        expected = reference(name, prediction, target)
        assert FUNCTIONS[name](prediction, target).item() == pytest.approx(expected, rel=LOOSE.get(name, 1e-5))


@pytest.mark.parametrize("name", NAMES)
def test_gradient_is_right(name):
    prediction, target = images()[name]
    held = torch.zeros_like(prediction, dtype=torch.bool)
    if name == "berhu":  # its threshold, a share of the largest error, counts as a constant
        error = torch.where(target > 0, (prediction - target).abs(), torch.zeros(()))
        held = error == error.max()
    fixed = prediction.clone()
    assert torch.autograd.gradcheck(
        lambda p: FUNCTIONS[name](torch.where(held, fixed, p), target), prediction.requires_grad_()
    )


@pytest.mark.parametrize("name", NAMES)
def test_no_valid_pixel_gives_zero_and_a_zero_gradient(name):
    prediction, target = images()[name]
    prediction.requires_grad_()
    loss = FUNCTIONS[name](prediction, blank(name, target))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(prediction.grad, torch.zeros_like(prediction))


def respects_mask(name, loss) -> bool:
    """Whatever happens on invalid pixels, in prediction or gradient, changes nothing and stays finite."""
    prediction, target = images()[name]
    invalid = torch.from_numpy(~valid_pixels(name, target))[:, None].expand_as(prediction)
    before = loss(prediction, target)
    for poison in (1e3, float("nan"), float("inf")):
        poisoned = torch.where(invalid, torch.full_like(prediction, poison), prediction).requires_grad_()
        after = loss(poisoned, target)
        after.backward()
        clean = poisoned.grad.isfinite().all() and bool((poisoned.grad[invalid] == 0).all())
        if not torch.allclose(before, after) or not clean:
            return False
    return True


@pytest.mark.parametrize("name", MASKED)
def test_mask_is_respected(name):
    assert respects_mask(name, FUNCTIONS[name])


def test_cross_entropy_ignores_unlabelled_pixels():
    prediction, target = images()["cross_entropy"]
    changed = prediction.clone()
    changed[0, :, 1] = 1e3
    assert torch.equal(cross_entropy(prediction, target), cross_entropy(changed, target))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_right_under_mixed_precision(name, dtype):
    """A network's low-precision output gives the loss and the gradient of the same numbers in full precision."""
    prediction, target = images()[name]
    target = target if name == "cross_entropy" else target.float()
    low = prediction.to(dtype).requires_grad_()
    full = low.detach().float().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = FUNCTIONS[name](low, target)
    wanted = FUNCTIONS[name](full, target)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-4)
    loss.backward()
    wanted.backward()
    assert low.grad.isfinite().all()
    assert torch.allclose(low.grad.float(), full.grad, rtol=2e-2, atol=1e-4)


def forgets_mask(prediction, target):
    return (prediction - target).abs().mean()


def divides_by_all_pixels(prediction, target):
    return ((prediction - target).abs() * (target > 0)).nansum() / target.numel()


def masks_too_late(prediction, target):
    """The usual slip: 0 x NaN in the backward pass."""
    error = (prediction - target).abs() / target
    return torch.where(target > 0, error, torch.zeros_like(error)).mean()


@pytest.mark.parametrize("broken", [forgets_mask, masks_too_late])
def test_mask_check_rejects_broken_losses(broken):
    assert not respects_mask("l1", broken)


def test_reference_rejects_a_loss_that_averages_over_all_pixels():
    prediction, target = images()["l1"]
    expected = reference("l1", prediction, target)
    assert divides_by_all_pixels(prediction, target).item() != pytest.approx(expected, rel=1e-3)


def test_normals_whose_components_cancel_are_valid():
    target = torch.tensor([1.0, -1.0, 0.0]).div(2**0.5).reshape(1, 3, 1, 1)
    assert valid_normals(target).all()
    assert cosine(-target, target).item() == pytest.approx(2, abs=1e-5)


def test_jared_is_half_absolute_half_relative():
    prediction, target = torch.tensor(3.0).reshape(1, 1, 1, 1), torch.tensor(2.0).reshape(1, 1, 1, 1)
    assert jared(prediction, target, relative_scale=0).item() == pytest.approx(0.5)
    assert jared(prediction, target, relative_scale=4).item() == pytest.approx((1 + 4 * 0.5) / 2)


def test_tiny_labels_do_not_explode():
    prediction = torch.full((1, 1, 1, 2), 3.0, requires_grad=True)
    jared(prediction, torch.tensor([1e-6, 2.0]).reshape(1, 1, 1, 2), relative_scale=3.0).backward()
    assert prediction.grad.abs().max() <= (0.5 + 0.5 * 3 / 0.1) / 2 + 1e-6


def test_cosine_gradient_is_bounded_at_zero_output():
    prediction = torch.zeros(1, 3, 1, 1, requires_grad=True)
    cosine(prediction, torch.tensor([0.0, 0.0, 1.0]).reshape(1, 3, 1, 1)).backward()
    assert prediction.grad.abs().max() <= 1.001e3
