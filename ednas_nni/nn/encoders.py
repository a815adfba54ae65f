"""Published encoders as a choice, torchvision's and EfficientNet-Lite, through features at strides 4, 8, 16 and 32."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from ednas_nni.compat.nas import MutableExpression, choice
from ednas_nni.errors import StudyError
from ednas_nni.nn import efficientnet_lite
from ednas_nni.nn.checkpoint import Checkpoint
from ednas_nni.nn.choice import choice_or_only
from ednas_nni.nn.efficientnet_lite import SCALINGS, EfficientNetLite, Scaling
from ednas_nni.nn.elementwise import Channels
from ednas_nni.nn.layer_graph import layer_graph

LABEL = "encoder"
FEATURES = 4
"""Features of an encoder that is not cut off."""
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


ENCODERS: dict[str, Taps | Scaling] = {
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
    **SCALINGS,
}
"""torchvision's name -> its taps; EfficientNet-Lite's -> which one it is."""


def encoder_choice(names: Sequence[str], files: Mapping[str, Path], levels: int = FEATURES) -> nn.Module:
    """A searched encoder, label `encoder` where there are several of `ENCODERS`.

    It takes images (N, 3, H, W) to features (N, `channels(names)[i]`, H / 4, W / 4) to H / 32. Those without a file
    start at random; `levels` as of `encoder`.
    """
    return choice_or_only({name: partial(encoder, name, files.get(name), levels) for name in names}, LABEL)


def channels(names: Sequence[str], levels: int = FEATURES) -> list[Channels]:
    """Channels of the features: integers, or NNI expressions of the choice among several encoders."""
    columns = [{name: ENCODERS[name].channels[i] for name in names} for i in range(levels)]
    return [
        MutableExpression.switch_case(choice(LABEL, list(names)), column)
        if len(set(column.values())) > 1
        else column[names[0]]
        for column in columns
    ]


def encoder(name: str, file: Path | None = None, levels: int = FEATURES) -> nn.Module:
    """One encoder with its own parameter names, made of layers that cost tables know; nothing is ever downloaded.

    It takes images (N, 3, H, W) to four features, finest first. Stochastic depth and dropout, meant for hundreds of
    epochs, are left out.

    Args:
        name: A key of `ENCODERS`.
        file: State dict of the whole model, with or without its classifier; see `Checkpoint.read`. Weights expect
            normalised images, networks here images in [0, 1]: the normalisation is folded into the first convolution
            and batch norm, so that it costs nothing.
        levels: How many features; fewer than four of EfficientNet-Lite only.

    Raises:
        StudyError: The file cannot be read, or its tensors are not those of the encoder: the message names them.
    """
    published = ENCODERS[name]
    if isinstance(published, Scaling):
        network: nn.Module = EfficientNetLite(published, levels)
        if file is not None:
            whole = EfficientNetLite(published).state_dict() if levels < FEATURES else network.state_dict()
            _load(network, lambda key: key in whole or key.startswith(efficientnet_lite.BEHIND), name, file)
            fold_normalisation(network, efficientnet_lite.MEAN, efficientnet_lite.STD)
        return network
    from ednas_nni.compat.vision import models

    model = models.get_model(name, weights=None)
    network = layer_graph(model, published.modules)
    if file is not None:
        _load(network, model.state_dict().__contains__, f"torchvision's {name}", file)
        fold_normalisation(network, MEAN, STD)
    return network


def _load(network: nn.Module, legal: Callable[[str], bool], name: str, file: Path) -> None:
    """Copy the file's tensors; the classifier's and others of the whole model that are cut off here are passed by."""
    checkpoint = Checkpoint.read(file)
    state = network.state_dict()
    # Counters of batches are not in the oldest of torchvision's files and mean nothing here.
    missing = [key for key in state if key not in checkpoint.tensors and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in checkpoint.tensors if not legal(key)]
    shapes = [k for k, t in checkpoint.tensors.items() if k in state and t.shape != state[k].shape]
    faults = [
        f"{len(keys)} {what} ({', '.join(keys[:4])}{', ...' if len(keys) > 4 else ''})"
        for what, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if keys
    ]
    if faults:
        raise StudyError(
            f"encoder_weights: {file} does not hold the weights of {name}. Tensors {'; '.join(faults)}. Give the state "
            "dict of the whole model."
        )
    network.load_state_dict({k: t for k, t in checkpoint.tensors.items() if k in state}, strict=False)


def fold_normalisation(network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
    """Let the first convolution and its batch norm read images in [0, 1].

    conv((x - m) / s) = conv'(x) - sum(w' m) with w' = w / s. The constant moves into the running mean of the batch norm
    behind it, which subtracts it. Only at the border, where zeros are padded, black now stands for the mean colour.
    """
    convolution = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
    means = next(m.running_mean for m in network.modules() if isinstance(m, nn.BatchNorm2d))
    assert means is not None, "all batch norms of published encoders keep running statistics"
    with torch.no_grad():
        convolution.weight.div_(torch.tensor(std).view(1, 3, 1, 1))
        means.add_((convolution.weight * torch.tensor(mean).view(1, 3, 1, 1)).sum((1, 2, 3)))
