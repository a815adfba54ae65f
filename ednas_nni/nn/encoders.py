"""Published encoders of torchvision as a choice, through their features at strides 4, 8, 16 and 32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from ednas_nni.compat.nas import MutableExpression, choice
from ednas_nni.errors import StudyError
from ednas_nni.nn.checkpoint import Checkpoint
from ednas_nni.nn.choice import choice_or_only
from ednas_nni.nn.elementwise import Channels
from ednas_nni.nn.layer_graph import layer_graph

LABEL = "encoder"
STRIDE = 32
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the RGB images in [0, 1] that torchvision's weights were trained on."""


@dataclass(frozen=True)
class Taps:
    """Paths of the four modules of a torchvision model whose outputs have stride 4 to 32, and their channels.

    What comes later (the wide last convolution before the classifier, the classifier) is cut off.
    """

    modules: tuple[str, ...]
    channels: tuple[int, ...]


def _layers(*channels: int) -> Taps:
    return Taps(("layer1", "layer2", "layer3", "layer4"), channels)


def _trunk(*channels: int) -> Taps:
    return Taps(tuple(f"trunk_output.block{i}" for i in (1, 2, 3, 4)), channels)


def _features(modules: Sequence[int], *channels: int) -> Taps:
    return Taps(tuple(f"features.{i}" for i in modules), channels)


ENCODERS: dict[str, Taps] = {
    "resnet18": _layers(64, 128, 256, 512),
    "resnet34": _layers(64, 128, 256, 512),
    "resnet50": _layers(256, 512, 1024, 2048),
    "mobilenet_v2": _features((3, 6, 13, 17), 24, 32, 96, 320),
    "mobilenet_v3_small": _features((1, 3, 8, 11), 16, 24, 48, 96),
    "mobilenet_v3_large": _features((3, 6, 12, 15), 24, 40, 112, 160),
    "efficientnet_b0": _features((2, 3, 5, 7), 24, 40, 112, 320),
    "efficientnet_b1": _features((2, 3, 5, 7), 24, 40, 112, 320),
    "efficientnet_v2_s": _features((2, 3, 5, 6), 48, 64, 160, 256),
    "regnet_x_400mf": _trunk(32, 64, 160, 400),
    "regnet_x_800mf": _trunk(64, 128, 288, 672),
    "regnet_y_400mf": _trunk(48, 104, 208, 440),
    "regnet_y_800mf": _trunk(64, 144, 320, 784),
}
"""torchvision's name -> its taps."""


def encoder_choice(names: Sequence[str], files: Mapping[str, Path]) -> nn.Module:
    """A searched encoder, label `encoder` where there are several of `ENCODERS`.

    It takes images (N, 3, H, W) to features (N, `channels(names)[i]`, H / 4, W / 4) to H / 32. Those without a file
    start at random.
    """
    return choice_or_only({name: partial(encoder, name, files.get(name)) for name in names}, LABEL)


def channels(names: Sequence[str]) -> list[Channels]:
    """Channels of the four features: integers, or NNI expressions of the choice among several encoders."""
    columns = [{name: ENCODERS[name].channels[i] for name in names} for i in range(4)]
    return [
        MutableExpression.switch_case(choice(LABEL, list(names)), column)
        if len(set(column.values())) > 1
        else column[names[0]]
        for column in columns
    ]


def encoder(name: str, file: Path | None = None) -> nn.Module:
    """One encoder of torchvision with its own parameter names, made of layers that cost tables know.

    It takes images (N, 3, H, W) to four features, finest first. It is constructed with `weights=None`: nothing is ever
    downloaded. Stochastic depth and dropout, meant for hundreds of epochs, are left out.

    Args:
        name: A key of `ENCODERS`.
        file: State dict of the torchvision model, with or without its classifier; see `read_checkpoint`. torchvision's
            weights expect normalised images, networks here images in [0, 1]: the normalisation is folded into the first
            convolution and batch norm, so that it costs nothing.

    Raises:
        StudyError: The file cannot be read, or its tensors are not those of the encoder: the message names them.
    """
    from ednas_nni.compat.vision import models

    whole = models.get_model(name, weights=None)
    taps = ENCODERS[name].modules
    network = layer_graph(whole, taps)
    if file is not None:
        _load(network, set(whole.state_dict()), name, file)
        _fold_normalisation(network)
    return network


def _load(network: nn.Module, legal: set[str], name: str, file: Path) -> None:
    """Copy the file's tensors; the classifier's and others of the whole model that are cut off here are passed by."""
    checkpoint = Checkpoint.read(file)
    state = network.state_dict()
    # Counters of batches are not in the oldest of torchvision's files and mean nothing here.
    missing = [key for key in state if key not in checkpoint.tensors and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in checkpoint.tensors if key not in legal]
    shapes = [k for k, t in checkpoint.tensors.items() if k in state and t.shape != state[k].shape]
    faults = [
        f"{len(keys)} {what} ({', '.join(keys[:4])}{', ...' if len(keys) > 4 else ''})"
        for what, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if keys
    ]
    if faults:
        raise StudyError(
            f"encoder_weights: {file} does not hold the weights of torchvision's {name}. Tensors {'; '.join(faults)}. "
            f"Give the state dict of torchvision.models.{name}."
        )
    network.load_state_dict({k: t for k, t in checkpoint.tensors.items() if k in state}, strict=False)


def _fold_normalisation(network: nn.Module) -> None:
    """Let the first convolution and its batch norm read images in [0, 1].

    conv((x - m) / s) = conv'(x) - sum(w' m) with w' = w / s. The constant moves into the running mean of the batch norm
    behind it, which subtracts it. Only at the border, where zeros are padded, black now stands for the mean colour.
    """
    convolution = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
    means = next(m.running_mean for m in network.modules() if isinstance(m, nn.BatchNorm2d))
    assert means is not None, "all batch norms of torchvision's models keep running statistics"
    with torch.no_grad():
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
        convolution.weight.div_(std)
        means.add_((convolution.weight * mean).sum((1, 2, 3)))
