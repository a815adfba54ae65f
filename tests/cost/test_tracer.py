"""What the tracer writes down of a pass, and that the pass leaves no traces."""

from __future__ import annotations

import nni
import pytest
import torch
from torch import nn

from ednas_nni import compat

compat.apply()

from ednas_nni.compat.nas import LayerChoice, ModelSpace, MutableConv2d  # noqa: E402
from ednas_nni.cost.tracer import ModuleCall, Operator, trace, trace_image  # noqa: E402
from ednas_nni.errors import StudyError  # noqa: E402


class Net(nn.Module):
    """relu(conv(x)) + x, as in the file's example."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 3, 1), nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.conv(x)) + x


def rows(seen):
    """(what, where, memories read, memory written)."""
    return [
        (
            event.name if isinstance(event, Operator) else type(event.module).__name__,
            type(event.module).__name__ if isinstance(event, Operator) else "",
            tuple(value.memory for value in event.reads),
            event.output.memory,
        )
        for event in seen.events
    ]


def test_the_example_is_what_happens():
    seen = trace(Net(), (torch.empty(1, 3, 4, 4),))
    assert rows(seen) == [
        ("convolution", "Conv2d", (0,), 1),
        ("Conv2d", "", (0,), 1),
        ("relu_", "ReLU", (1,), 1),
        ("ReLU", "", (1,), 1),
        ("add", "Net", (1, 0), 2),
        ("Net", "", (0,), 2),
    ]
    assert seen.macs == 3 * 3 * 16
    assert [value.memory for value in (*seen.inputs, *seen.outputs)] == [0, 2]
    assert seen.shapes == ((1, 3, 4, 4),) * 3
    assert seen.weights.keys() == {"conv.weight", "conv.bias"}


def test_weights_and_what_is_made_of_them_are_constants():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.full((3, 1, 1), 2.0))

        def forward(self, x):
            return x * torch.relu(self.scale)

    seen = trace(Scaled(), (torch.empty(1, 3, 4, 4),), weights=True)
    (product,) = (event for event in seen.events if isinstance(event, Operator))
    assert product.name == "mul" and product.reads == seen.inputs
    assert product.arguments[1].constant.flatten().tolist() == [2.0, 2.0, 2.0]


def test_views_share_memory_and_are_values_of_their_own():
    class Flat(nn.Module):
        def forward(self, x):
            return x.flatten(1).sum(1)

    view, total = (e for e in trace(Flat(), (torch.empty(1, 3, 4, 4),)).events if isinstance(e, Operator))
    assert view.shares and view.output.memory == view.reads[0].memory and view.output is not view.reads[0]
    assert not total.shares and total.output.memory == 1


class Space(ModelSpace):
    """Two candidates of different widths."""

    def __init__(self):
        super().__init__()
        self.stem = MutableConv2d(3, nni.choice("width", [4, 8]), 1)
        self.choice = LayerChoice({"a": nn.Conv2d(4, 2, 1), "b": nn.Identity()}, label="choice")

    def forward(self, x):
        return self.choice(self.stem(x))


def test_every_candidate_runs_and_the_result_stands_for_all():
    seen = trace_image(Space(), (4, 4))
    (merged,) = seen.merged
    assert [value for value, _ in merged.options] == ["a", "b"]
    assert [option.memory for _, option in merged.options] == [2, 1]
    assert merged.default is merged.options[0][1] and seen.outputs == (merged.result,)
    assert merged.result.memory == 3


def test_a_pass_leaves_no_traces():
    space = Space().train()
    before = {name: value.clone() for name, value in space.state_dict().items()}
    trace_image(space, (4, 4))
    assert all(m.training and not m._forward_hooks and not m._forward_pre_hooks for m in space.modules())
    assert all("forward" not in m.__dict__ for m in space.modules())
    assert all(torch.equal(value, before[name]) for name, value in space.state_dict().items())


def test_an_image_that_does_not_fit_is_said():
    class Odd(nn.Module):
        def forward(self, x):
            return x[:, :, ::2] + x

    with pytest.raises(StudyError, match="cannot take an image of 4x4"):
        trace_image(Odd(), (4, 4))
    with pytest.raises(StudyError, match=r"\[0, 4\] is not a size"):
        trace_image(Odd(), (0, 4))


def test_calls_of_modules_have_what_they_were_given():
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Inner()

        def forward(self, x):
            return self.inner({"a": x}, factor=2)

    class Inner(nn.Module):
        def forward(self, features, factor):
            return features["a"] * factor

    calls = [e for e in trace(Outer(), (torch.empty(1, 3, 4, 4),)).events if isinstance(e, ModuleCall)]
    args, kwargs = calls[0].arguments
    assert args[0]["a"].shape == (1, 3, 4, 4) and kwargs == {"factor": 2}
