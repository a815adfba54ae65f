"""Records of instantiated networks."""

from __future__ import annotations

import torch
from torch import nn

from ednas_nni.cost import layer_records
from ednas_nni.cost.records import KINDS


class Twice(nn.Module):
    """One convolution that runs twice."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return self.conv(self.conv(x))


def test_fields_of_a_small_network():
    network = nn.Sequential(
        nn.Conv2d(3, 8, (3, 5), stride=2, padding=(1, 2), bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8),
        nn.Conv2d(8, 4, 1, groups=2),
        nn.Upsample(scale_factor=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 5),
    )
    records = layer_records(network, (16, 32))
    kinds = ["conv", "batch_norm", "activation", "depthwise", "conv", "resize", "pool", "linear"]
    assert [record.kind for record in records] == kinds
    assert set(kinds) <= set(KINDS)
    first, norm, activation, depthwise, grouped, resize, pool, head = records
    assert (first.kernel, first.stride, first.out_height, first.out_width) == ((3, 5), (2, 2), 8, 16)
    assert first.macs == 8 * 16 * 8 * 3 * 15
    assert (first.elements_read, first.elements_written) == (3 * 16 * 32, 8 * 8 * 16)
    assert (norm.params, norm.macs, activation.params, activation.macs) == (16, 0, 0, 0)
    assert (depthwise.groups, depthwise.dilation, depthwise.macs, depthwise.params) == (8, (2, 2), 8 * 128 * 9, 80)
    assert (grouped.macs, grouped.params) == (128 * 4 * 4, 4 * 4 + 4)
    assert (resize.out_height, resize.elements_written) == (16, 4 * 16 * 32)
    assert (pool.elements_read, pool.elements_written) == (4 * 16 * 32, 4)
    assert (head.macs, head.params, head.bias) == (20, 25, 5)
    assert sum(record.params for record in records) == sum(p.numel() for p in network.parameters())


def test_shared_module_counts_each_run_but_its_parameters_once():
    network = Twice()
    records = layer_records(network, (8, 8))
    assert [record.macs for record in records] == [64 * 81] * 2
    assert sum(record.params for record in records) == sum(p.numel() for p in network.parameters())


def test_network_is_left_as_it_was():
    network = Twice().train()
    before = network.conv.weight
    layer_records(network, (8, 8))
    assert network.training and network.conv.weight is before and before.device.type == "cpu"
    assert network(torch.zeros(1, 3, 8, 8)).shape == (1, 3, 8, 8)
