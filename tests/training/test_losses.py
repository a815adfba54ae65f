from __future__ import annotations

import numpy as np
import pytest
import torch

from ednas_nni import losses


def images(seed=0, n=2, h=3, w=4):
    """A prediction and a target with invalid pixels for each loss, float64."""
    g = torch.Generator().manual_seed(seed)
    depth = torch.rand(n, 1, h, w, generator=g, dtype=torch.float64) * 5 + 0.02
    depth[0, 0, 0] = 0
    normals = torch.nn.functional.normalize(torch.randn(n, 3, h, w, generator=g, dtype=torch.float64), dim=1)
    normals[1, :, 1] = 0
    labels = torch.randint(0, 5, (n, h, w), generator=g)
    labels[0, 1] = 255
    return {
        "l1": (torch.rand(n, 1, h, w, generator=g, dtype=torch.float64) * 5, depth),
        "jared": (torch.rand(n, 1, h, w, generator=g, dtype=torch.float64) * 5, depth),
        "cosine": (torch.randn(n, 3, h, w, generator=g, dtype=torch.float64), normals),
        "cross_entropy": (torch.randn(n, 5, h, w, generator=g, dtype=torch.float64), labels),
    }


def blank(name, target):
    return torch.full_like(target, 255) if name == "cross_entropy" else torch.zeros_like(target)


def valid_pixels(name, target):
    """(N, H, W), written without the package's own masks."""
    if name == "cross_entropy":
        return target.numpy() != 255
    return np.abs(target.numpy()).max(axis=1) > 0


NAMES = ("l1", "jared", "cosine", "cross_entropy")
FUNCTIONS = {name: getattr(losses, name) for name in NAMES}


def reference(name, prediction, target):
    """Pixel by pixel."""
    p, t, mask = prediction.numpy(), target.numpy(), valid_pixels(name, target)
    values = []
    for n, y, x in zip(*np.nonzero(mask), strict=True):
        a = p[n, :, y, x]
        if name == "cross_entropy":
            values.append(np.log(np.exp(a).sum()) - a[t[n, y, x]])
        elif name == "cosine":
            values.append(1 - a @ t[n, :, y, x] / np.linalg.norm(a) / np.linalg.norm(t[n, :, y, x]))
        else:
            error, g = abs(a[0] - t[n, 0, y, x]), t[n, 0, y, x]
            values.append(error if name == "l1" else (error + 3.0 * error / max(g, 0.1)) / 2)
    return np.mean(values)


@pytest.mark.parametrize("name", NAMES)
def test_equals_the_pixelwise_reference(name):
    for seed in range(5):
        prediction, target = images(seed)[name]
        expected = reference(name, prediction, target)
        assert FUNCTIONS[name](prediction, target).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_gradient_is_right(name):
    prediction, target = images()[name]
    assert torch.autograd.gradcheck(lambda p: FUNCTIONS[name](p, target), prediction.requires_grad_())


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


@pytest.mark.parametrize("name", ("l1", "jared", "cosine"))
def test_mask_is_respected(name):
    assert respects_mask(name, FUNCTIONS[name])


def test_cross_entropy_ignores_unlabelled_pixels():
    prediction, target = images()["cross_entropy"]
    changed = prediction.clone()
    changed[0, :, 1] = 1e3
    assert torch.equal(losses.cross_entropy(prediction, target), losses.cross_entropy(changed, target))


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
    assert losses.valid_normals(target).all()
    assert losses.cosine(-target, target).item() == pytest.approx(2, abs=1e-5)


def test_jared_is_half_absolute_half_relative():
    prediction, target = torch.tensor(3.0).reshape(1, 1, 1, 1), torch.tensor(2.0).reshape(1, 1, 1, 1)
    assert losses.jared(prediction, target, relative_scale=0).item() == pytest.approx(0.5)
    assert losses.jared(prediction, target, relative_scale=4).item() == pytest.approx((1 + 4 * 0.5) / 2)


def test_tiny_labels_do_not_explode():
    prediction = torch.full((1, 1, 1, 2), 3.0, requires_grad=True)
    losses.jared(prediction, torch.tensor([1e-6, 2.0]).reshape(1, 1, 1, 2), relative_scale=3.0).backward()
    assert prediction.grad.abs().max() <= (0.5 + 0.5 * 3 / 0.1) / 2 + 1e-6


def test_cosine_gradient_is_bounded_at_zero_output():
    prediction = torch.zeros(1, 3, 1, 1, requires_grad=True)
    losses.cosine(prediction, torch.tensor([0.0, 0.0, 1.0]).reshape(1, 3, 1, 1)).backward()
    assert prediction.grad.abs().max() <= 1.001e3
