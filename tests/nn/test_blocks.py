"""Blocks against an independent reading: shapes, multiply-adds by the published formula, residuals."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ednas_nni.nn.blocks.base import Slot
from ednas_nni.nn.blocks.bottleneck import IBN
from ednas_nni.nn.elementwise import Activation, Add, Resize
from ednas_nni.nn.fusion import FPN
from ednas_nni.nn.heads import Head

torch.set_num_threads(1)


def macs(module, *inputs):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(*inputs)
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("kernel", "expansion"), [(3, 3), (5, 6), (7, 2)])
def test_macs_follow_the_formula(kernel, expansion, stride):
    inputs, outputs, height, width = 8, 16, 8, 12
    x = torch.rand(1, inputs, height, width)
    pixels = height * width // stride**2
    ibn = IBN(Slot(inputs, outputs, stride), kernel, expansion)
    assert ibn(x).shape == (1, outputs, height // stride, width // stride)
    assert macs(ibn, x) == pixels * expansion * inputs * (stride**2 * inputs + kernel**2 + outputs)
    fused = IBN(Slot(inputs, outputs, stride), kernel, expansion, fused=True)
    assert fused(x).shape == (1, outputs, height // stride, width // stride)
    assert macs(fused, x) == pixels * expansion * inputs * (kernel**2 * inputs + outputs)


def test_expansion_one_has_no_expansion():
    assert IBN(Slot(8, 8), 3, 1).expand is None
    x = torch.rand(1, 8, 4, 4)
    assert macs(IBN(Slot(8, 8), 3, 1), x) == 16 * 8 * (9 + 8)


@pytest.mark.parametrize("block", [IBN, partial(IBN, fused=True)])
def test_residual_is_exactly_the_input(block):
    module = block(Slot(8, 8, residual=True), 3, 3)
    nn.init.zeros_(module.project.norm.weight)
    x = torch.rand(2, 8, 4, 4)
    assert torch.equal(module(x), x)
    assert not torch.equal(block(Slot(8, 8), 3, 3)(x), x)  # no residual unless the position says so


def test_fpn_against_a_plain_version():
    features = [torch.rand(1, c, 16 // 2**i, 32 // 2**i) for i, c in enumerate((8, 16, 24))]
    fpn = FPN((8, 16, 24), 8).eval()
    levels = [lateral(x) for lateral, x in zip(fpn.laterals.values(), features, strict=True)]
    y = levels[2]
    for finer in (levels[1], levels[0]):
        y = finer + nn.functional.interpolate(y, size=finer.shape[2:], mode="bilinear", align_corners=False)
    assert torch.allclose(fpn(*features), fpn.smooth(y), atol=1e-6)


def test_head_scale_and_bias():
    head = Head(8, 5, 8, scale=4)
    assert head.predict.bias.tolist() == [0] * 5 and 0 < float(head.predict.weight.detach().std()) < 0.03
    head.set_output_bias(torch.arange(5.0))
    nn.init.zeros_(head.predict.weight)
    y = head(torch.rand(2, 8, 4, 6))
    assert y.shape == (2, 5, 16, 24)
    assert torch.allclose(y, torch.arange(5.0).view(1, 5, 1, 1).expand_as(y))


def test_elementwise_modules_know_their_channels():
    x = torch.tensor([[-1.0, 3.0, 9.0]])
    assert Activation(3)(x).tolist() == [[0, 3, 6]]
    assert Add(3)(x, x).tolist() == [[-2, 6, 18]]
    assert Resize(4, 2)(torch.rand(1, 4, 3, 5)).shape == (1, 4, 6, 10)
    assert [m.channels for m in (Activation(3), Add(5), Resize(7, 2))] == [3, 5, 7]
    assert "channels=7, scale=2" in repr(Resize(7, 2))


def test_signal_survives_initialisation():
    """Forward variance stays within a factor of 30 through a deep stack, in training and at the start."""
    torch.manual_seed(0)
    stack = nn.Sequential(*(IBN(Slot(16, 16, residual=True), 3, 6) for _ in range(12)))
    with torch.no_grad():
        y = stack.train()(torch.randn(8, 16, 8, 8))
    assert bool(torch.isfinite(y).all()) and 1 / 30 < float(y.var()) < 30
