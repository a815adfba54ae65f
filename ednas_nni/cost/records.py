"""What one layer of a network costs, in numbers that do not depend on any device.

Convention, used everywhere in EDNAS: one multiply-add is one MAC. Only convolutions and linear layers have MACs; all
other kinds, a bias and a folded batch norm count 0. Parameters are everything trainable. docs/hardware.md, "What is
counted", has the table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

Kind = Literal[
    "conv", "depthwise", "linear", "batch_norm", "activation", "add", "multiply", "resize", "concat", "pool", "pad",
    "argmax", "other", "host",
]  # fmt: skip
KINDS: tuple[str, ...] = get_args(Kind)
WEIGHT_KINDS = frozenset({"conv", "depthwise", "linear"})
"""Kinds that multiply by weights; the only ones with MACs."""
FOLDED_KINDS = frozenset({"batch_norm", "activation"})
"""Kinds that a device computes where the layer before them writes, so that they need no tensor of their own."""
ON_DEVICE_KINDS = frozenset(KINDS) - FOLDED_KINDS - {"host"}
"""Kinds that write an output of their own."""


@dataclass(frozen=True)
class LayerRecord:
    """One call of one layer for one image (batch 1). Pairs are (rows, columns); sizes are in pixels, 1 for vectors.

    Attributes:
        path: Module path in the network, such as `stem.0`.
        kind: What the layer does; see `KINDS`.
        in_channels: Channels read (the sum over inputs for `concat`).
        kernel: (1, 1) where the layer has none.
        macs: Multiply-adds, by the convention above.
        params: Trainable parameters; 0 for the second and later calls of one module.
        bias: Trainable bias values among `params`.
        elements_read: Activation elements; so is `elements_written`.
        image_elements: Elements of the network's image where this layer reads it, else 0.
        full_size: Whether the output has the height and width of the image that predictions are of.
        function: Of an activation: its name in `nn.elementwise`, or torch's, in lower case.
    """

    path: str
    kind: Kind
    in_channels: int
    out_channels: int
    in_height: int
    in_width: int
    out_height: int
    out_width: int
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    groups: int = 1
    dilation: tuple[int, int] = (1, 1)
    macs: int = 0
    params: int = 0
    bias: int = 0
    elements_read: int = 0
    elements_written: int = 0
    image_elements: int = 0
    full_size: bool = False
    function: str = ""

    @property
    def out_pixels(self) -> int:
        """Output positions, `out_height * out_width`."""
        return self.out_height * self.out_width

    @property
    def reduction(self) -> int:
        """Products summed into one output element: kernel area times input channels of a group."""
        return self.kernel[0] * self.kernel[1] * (self.in_channels // self.groups)


def convolution(
    path: str,
    in_channels: int,
    out_channels: int,
    in_size: tuple[int, int],
    out_size: tuple[int, int],
    *,
    kernel: tuple[int, int] = (1, 1),
    stride: tuple[int, int] = (1, 1),
    groups: int = 1,
    dilation: tuple[int, int] = (1, 1),
    bias: bool = False,
    first_call: bool = True,
) -> LayerRecord:
    """The record of a convolution; `depthwise` when every input channel is its own group.

    Sizes are (height, width) in pixels, other pairs (rows, columns). `first_call` is false when the same module ran
    before: its parameters are then already counted.
    """
    depthwise = groups == in_channels and groups > 1
    weights = out_channels * (in_channels // groups) * kernel[0] * kernel[1]
    biases = out_channels * bias * first_call
    params = weights * first_call + biases
    kind: Kind = "depthwise" if depthwise else "conv"
    plain = elementwise(path, kind, in_channels, out_channels, in_size, out_size, params=params)
    macs = weights * out_size[0] * out_size[1]
    return replace(plain, kernel=kernel, stride=stride, groups=groups, dilation=dilation, macs=macs, bias=biases)


def linear(
    path: str, in_features: int, out_features: int, *, rows: int = 1, bias: bool = False, first_call: bool = True
) -> LayerRecord:
    """The record of a linear layer applied to `rows` vectors."""
    biases = out_features * bias * first_call
    params = in_features * out_features * first_call + biases
    plain = elementwise(path, "linear", in_features, out_features, (rows, 1), (rows, 1), params=params)
    return replace(plain, macs=rows * in_features * out_features, bias=biases)


def elementwise(
    path: str,
    kind: Kind,
    in_channels: int,
    out_channels: int,
    in_size: tuple[int, int],
    out_size: tuple[int, int],
    *,
    params: int = 0,
    inputs: int = 1,
    positions: int | None = None,
) -> LayerRecord:
    """The record of a layer without MACs; sizes are (height, width) in pixels.

    So many `inputs` of that shape are read (2 for an addition of two); where they differ in size, `positions` are those
    read per channel.
    """
    return LayerRecord(
        path=path,
        kind=kind,
        in_channels=in_channels,
        out_channels=out_channels,
        in_height=in_size[0],
        in_width=in_size[1],
        out_height=out_size[0],
        out_width=out_size[1],
        params=params,
        elements_read=in_channels * (inputs * in_size[0] * in_size[1] if positions is None else positions),
        elements_written=out_channels * out_size[0] * out_size[1],
    )
