"""Small model spaces that between them hold every construct a cost table must understand."""

from __future__ import annotations

import nni
import torch
from torch import nn

from ednas_nni.compat.nas import LayerChoice, ModelSpace, MutableBatchNorm2d, MutableConv2d, MutableLinear, Repeat
from ednas_nni.nn.blocks.base import Slot
from ednas_nni.nn.blocks.bottleneck import IBN
from ednas_nni.nn.blocks.conv import ConvNorm
from ednas_nni.nn.elementwise import Activation, Add
from ednas_nni.space.domains import Literal


class Residual(nn.Module):
    """A block whose shortcut is a 1x1 convolution."""

    def __init__(self, inputs, outputs, kernel):
        super().__init__()
        self.body = ConvNorm(inputs, outputs, kernel, activation=None)
        self.shortcut = MutableConv2d(inputs, outputs, 1)
        self.add = Add(outputs)

    def forward(self, x):
        return self.add(self.body(x), self.shortcut(x))


class Own(nn.Module):
    """A branch of its own, with choices below a choice."""

    def __init__(self, width):
        super().__init__()
        blocks = {"k3": Residual(width, width, 3), "k5": Residual(width, width, 5)}
        self.block = LayerChoice(blocks, label="own_op")

    def forward(self, low, fused):
        return self.block(low)


class Shared(nn.Module):
    """The branch that takes the shared feature."""

    def forward(self, low, fused):
        return fused


class Everything(ModelSpace):
    """Searched widths and kernel, repeats, nested choices with two arguments, a part that only some samples need."""

    def __init__(self, outputs=2):
        super().__init__()
        wide = nni.choice("width", [8, 16, 24])
        kernel = nni.choice("kernel", [3, 5])
        self.stem = MutableConv2d(3, wide, kernel, stride=2, padding=kernel // 2)
        self.norm = MutableBatchNorm2d(wide)
        self.activation = Activation(wide)
        self.rest = Repeat(
            lambda i: LayerChoice(
                {"ibn": IBN(Slot(wide, wide, residual=True), 3, 2), "wide": Residual(wide, wide, 3)},
                label=f"block{i}_op",
            ),
            (1, 3),
            label="depth",
        )
        self.fused = ConvNorm(wide, wide, 3)
        self.branch = LayerChoice({"shared": Shared(), "own": Own(wide)}, label="branch")
        self.head = MutableLinear(wide, outputs)

    def liveness(self):
        return {"fused": ((Literal("branch", frozenset({"shared"})),),)}

    def forward(self, image):
        low = self.rest(self.activation(self.norm(self.stem(image))))
        fused = self.fused(low) if self.uses_fused else low
        return self.head(self.branch(low, fused).mean((2, 3)))

    @property
    def uses_fused(self):
        return isinstance(self.branch, LayerChoice | Shared)


class Instantiated(nn.Module):
    """A network of ``Everything`` without the part that nobody reads."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        if not network.uses_fused:
            network.fused = nn.Identity()

    def forward(self, image):
        return self.network(image)


class Stock(ModelSpace):
    """Searched widths between torch's own layers and bare operators, one activation in two places."""

    def __init__(self):
        super().__init__()
        wide, narrow = nni.choice("wide", [8, 16]), nni.choice("narrow", [4, 12])
        self.pad = nn.ZeroPad2d(1)
        self.stem = MutableConv2d(3, wide, 3, stride=2)
        self.norm = MutableBatchNorm2d(wide)
        self.relu = nn.ReLU(inplace=True)
        self.side = MutableConv2d(wide, wide, 1)
        self.options = LayerChoice(
            {"pool": nn.AvgPool2d(3, 1, 1), "none": nn.Identity(), "conv": MutableConv2d(wide, wide, 3, padding=1)},
            label="option",
        )
        self.narrow = MutableConv2d(2 * wide, narrow, 1)
        self.up = nn.Upsample(scale_factor=2)
        self.drop = nn.Dropout()
        self.head = MutableLinear(narrow, 5)

    def forward(self, image):
        x = self.relu(self.norm(self.stem(self.pad(image))))
        y = self.options(x) * torch.sigmoid(self.side(x).mean((2, 3), keepdim=True)) + x
        z = self.up(self.relu(self.narrow(torch.cat([y, x], 1))))
        return self.head(self.drop(z).amax((2, 3)).flatten(1))


class OneLayer(ModelSpace):
    """A space around one module."""

    def __init__(self, make, inputs=3):
        super().__init__()
        self.layer = make()
        self.choice = LayerChoice({"a": nn.Identity(), "b": Activation(inputs)}, label="choice")

    def forward(self, image):
        return self.layer(self.choice(image))


class Product(nn.Module):
    """A matrix product that no layer accounts for."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        y = self.conv(x).flatten(2)
        return torch.matmul(y, y.transpose(1, 2))
