"""Search spaces of EDNAS, a plugin package of `ednas_nni`.

Each function is the plugin of one preset. Fields of a preset can be given otherwise as options of the space, for
example `space: {name: nano, sharing: [shared, own_stage4]}`; `presets.OVERRIDES` names them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ednas_nni.nn.template import check_tasks
from search_spaces import presets
from search_spaces.presets import shorten
from search_spaces.space import EdnasSpace

__all__ = [
    "EdnasSpace",
    "compound",
    "edge_tpu",
    "efficientnet_lite",
    "mobile",
    "nano",
    "pretrained",
    "shorten",
    "single_task",
]


def nano(tasks: Mapping[str, int], **overrides: object) -> EdnasSpace:
    """The smallest space, for trials of seconds on a processor.

    Args:
        tasks: Task name to output channels.
        **overrides: Fields of the preset that are given otherwise, each as a whole; docs/search_space.md explains them.

    Raises:
        StudyError: The tasks or a field are wrong.
    """
    return _preset("nano", tasks, overrides)


def compound(tasks: Mapping[str, int], **overrides: object) -> EdnasSpace:
    """From tiny to large, for any device: resolution, widths, depths, fusion and heads are searched together.

    Args:
        tasks: As `nano`.
        **overrides: As `nano`.
    """
    return _preset("compound", tasks, overrides)


def mobile(tasks: Mapping[str, int], **overrides: object) -> EdnasSpace:
    """For phones: IBN with and without squeeze-and-excitation; widths, fusion, heads and sharing are searched.

    Args:
        tasks: As `nano`.
        **overrides: As `nano`.
    """
    return _preset("mobile", tasks, overrides)


def edge_tpu(tasks: Mapping[str, int], **overrides: object) -> EdnasSpace:
    """For systolic arrays: IBN and Fused-IBN; widths, fusion, heads and sharing are searched.

    Args:
        tasks: As `nano`.
        **overrides: As `nano`.
    """
    return _preset("edge_tpu", tasks, overrides)


def single_task(tasks: Mapping[str, int], **overrides: object) -> EdnasSpace:
    """One task alone on the encoder of `nano`: what multi-task networks are compared with.

    Args:
        tasks: As `nano`.
        **overrides: As `nano`.
    """
    return _preset("single_task", tasks, overrides)


def pretrained(
    tasks: Mapping[str, int], encoder_weights: str | dict[str, str | None] | None = None, **overrides: object
) -> EdnasSpace:
    """Encoders of torchvision as a choice; fusion, heads and sharing are searched.

    Args:
        tasks: As `nano`.
        encoder_weights: A folder with one file for each encoder, or encoder -> file (null: at random); without it all
            start at random. Nothing is ever downloaded.
        **overrides: As `nano`; `encoders` lists the encoders.

    Raises:
        StudyError: As `nano`, or a file of weights is missing or does not fit.
    """
    weights = {} if encoder_weights is None else {"encoder_weights": encoder_weights}
    return _preset("pretrained", tasks, {**overrides, **weights})


def efficientnet_lite(
    tasks: Mapping[str, int], encoder_weights: str | dict[str, str | None] | None = "packages", **overrides: object
) -> EdnasSpace:
    """EfficientNet-Lite0, 1 or 2 with ImageNet weights; its depth, fusion, heads, strides and sharing are searched.

    Args:
        tasks: As `nano`.
        encoder_weights: "packages": out of the installed packages of the extra `pretrained`; otherwise as `pretrained`,
            null = at random.
        **overrides: As `pretrained`.

    Raises:
        StudyError: As `pretrained`, or a package is missing.
    """
    weights = {} if encoder_weights is None else {"encoder_weights": encoder_weights}
    return _preset("efficientnet_lite", tasks, {**overrides, **weights})


def _preset(name: str, tasks: Mapping[str, int], options: Mapping[str, Any]) -> EdnasSpace:
    check_tasks(tasks)
    presets.check_overrides(name, [option for option in options if option != "encoder_weights"])
    return EdnasSpace(tasks=dict(tasks), preset=name, **options)
