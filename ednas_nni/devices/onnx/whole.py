"""Whole networks of a space as inference graphs."""

from __future__ import annotations

import torch
from nni.nas.nn.pytorch import ModelSpace

from ednas_nni.devices.onnx.capture import capture
from ednas_nni.devices.onnx.graph import Graph
from ednas_nni.nn.tree import build
from ednas_nni.space.domains import Sample


def network_graph(space: ModelSpace, sample: Sample, size: tuple[int, int]) -> Graph:
    """The inference graph of one network of a space, without weights.

    Args:
        space: Any model space.
        sample: One of its samples.
        size: Image (height, width) in pixels.
    """
    with torch.random.fork_rng(devices=[]):  # constructing a network draws weights
        network = build(space, sample)
    return capture(network, (torch.empty(1, 3, *size, device="meta"),))
