"""Networks made for phones: MobileNet with Lite R-ASPP, EfficientNet-Lite with a light BiFPN."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import nn

from ednas_nni.compat.nas import MutableConv2d
from ednas_nni.compat.vision import models
from ednas_nni.nn.blocks.conv import ConvNorm
from ednas_nni.nn.choice import choice_or_only
from ednas_nni.nn.efficientnet_lite import EfficientNetLite, Scaling
from ednas_nni.nn.elementwise import Activation, Add, Channels, GlobalPool, Resize, Scale
from ednas_nni.nn.fusion import BiFPN
from ednas_nni.nn.heads import Head, TaskHead, start_small
from ednas_nni.nn.layer_graph import layer_graph
from search_spaces.baselines.base import LABEL, WIDTHS, EarlierNetwork, Widths, scaled


@dataclass(frozen=True)
class Ends:
    """Modules of a torchvision model, under `features`, whose outputs have stride 8 and 16.

    Attributes:
        fine: Number of the former; `channels` are its channels at width 1.
        coarse: Of the latter, `expansion` times as many channels as the block before, which has `last`.
        dilated: From which module on strides become dilations, where the model has no option for it; 0 = it has.
    """

    fine: int
    channels: int
    coarse: int
    last: int
    expansion: int = 6
    dilated: int = 0


MOBILENETS = {
    "mobilenet_v3_large": Ends(4, 40, 16, 160),
    "mobilenet_v3_small": Ends(2, 24, 12, 96),
    "mobilenet_v2": Ends(6, 32, 17, 320, expansion=1, dilated=14),
}
INNER = 128
"""Channels of the head at width 1."""


def mobilenet(name: str, width: float) -> nn.Module:
    """A model of torchvision at a width, dilated from stride 16 on: images to features of stride 8 and 16."""
    taps = MOBILENETS[name]
    options = {} if taps.dilated else {"dilated": True}
    model = models.get_model(name, weights=None, width_mult=width, **options)
    for layer in model.features.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.1  # as everywhere here; that of V3, 0.01, is for some hundred thousand steps
    for layer in model.features[taps.dilated :].modules() if taps.dilated else ():
        if isinstance(layer, nn.Conv2d) and layer.groups > 1:
            layer.stride, layer.dilation, layer.padding = (1, 1), (2, 2), (2, 2)
    return layer_graph(model, (f"features.{taps.fine}", f"features.{taps.coarse}"))


class LiteRAsppHead(TaskHead):
    """Predictions of a fine feature and of a coarse one, which the whole image weights, added and enlarged.

    Source: Howard et al., "Searching for MobileNetV3", ICCV 2019, arXiv 1905.02244, section 6.4; as torchvision has it,
    with the mean of the whole image in the place of large windows.
    """

    def __init__(self, fine: Channels, coarse: Channels, inner: Channels, outputs: int, task: str) -> None:
        super().__init__()
        self.project = ConvNorm(coarse, inner, activation="relu")
        self.pool = GlobalPool(coarse)
        self.context = MutableConv2d(coarse, inner, 1, bias=False)
        self.sigmoid = Activation(inner, "sigmoid")
        self.scale = Scale(inner)
        self.enlarge = Resize(inner, 2)
        self.predict = start_small(MutableConv2d(fine, outputs, 1))
        self.predict_coarse = start_small(MutableConv2d(inner, outputs, 1))
        self.add = Add(outputs)
        self.end(task, outputs, 8)

    def forward(self, fine: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
        """Map features of stride 8 and 16 to (N, outputs, H, W) of the image's size."""
        weighted = self.scale(self.project(coarse), self.sigmoid(self.context(self.pool(coarse))))
        return self.answer(self.add(self.predict(fine), self.predict_coarse(self.enlarge(weighted))))


class LiteRAspp(EarlierNetwork):
    """A MobileNet for all tasks at stride 16, with a Lite R-ASPP head for each.

    Args:
        tasks: Task name to output channels.
        widths: Factors of all channels.
        encoder: Which MobileNet.

    Raises:
        StudyError: An argument is wrong.
    """

    stride = 16

    def __init__(
        self,
        tasks: Mapping[str, int],
        widths: Widths = WIDTHS,
        encoder: Literal["mobilenet_v3_large", "mobilenet_v3_small", "mobilenet_v2"] = "mobilenet_v3_large",
    ) -> None:
        super().__init__()
        self.settle(tasks, widths)
        taps = MOBILENETS[encoder]
        made = {name: partial(mobilenet, encoder, width) for name, width in self.widths.items()}
        self.encoder = choice_or_only(made, LABEL)
        coarse = self.by_width(lambda width: taps.expansion * scaled(taps.last, width))
        fine, inner = self.channels(taps.channels), self.channels(INNER)
        self.heads = nn.ModuleDict({task: LiteRAsppHead(fine, coarse, inner, n, task) for task, n in tasks.items()})

    def predict(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """As `DenseSpace.predict`."""
        features = self.encoder(image)
        return {task: head(*features) for task, head in self.heads.items()}


LEVELS = 4
"""Features of an EfficientNet-Lite."""


def _lite_channels(level: int, width: float) -> int:
    return Scaling(width, 1.0).channels[level]


class LiteBiFPN(EarlierNetwork):
    """EfficientNet-Lite0 for all tasks with a light BiFPN to stride 4, and a separable head for each task.

    The stem has its published width always, as in the family itself. Sources: EfficientDet, arXiv 1911.09070;
    `ednas_nni.nn.efficientnet_lite`.

    Args:
        tasks: Task name to output channels.
        widths: Factors of all channels.
        pyramid: Channels of pyramid and heads at width 1.

    Raises:
        StudyError: An argument is wrong.
    """

    stride = 32

    def __init__(
        self, tasks: Mapping[str, int], widths: Widths = WIDTHS, pyramid: Annotated[int, Field(ge=8, le=512)] = 64
    ) -> None:
        super().__init__()
        self.settle(tasks, widths)
        made = {name: partial(EfficientNetLite, Scaling(width, 1.0)) for name, width in self.widths.items()}
        self.encoder = choice_or_only(made, LABEL)
        features = [self.by_width(partial(_lite_channels, level)) for level in range(LEVELS)]
        channels = self.channels(pyramid)
        self.fusion = BiFPN(features, channels)
        self.heads = nn.ModuleDict({task: Head(channels, n, channels, 4, task=task) for task, n in tasks.items()})

    def predict(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """As `DenseSpace.predict`."""
        fused = self.fusion(*self.encoder(image))
        return {task: head(fused) for task, head in self.heads.items()}
