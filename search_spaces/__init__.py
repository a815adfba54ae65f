"""Search spaces of EDNAS, a plugin package of `ednas_nni`.

Each function is the plugin of one preset. Fields of a preset can be given otherwise as options of the space, for
example `space: {name: nano, sharing: [shared, own_stage4]}`; `presets.OVERRIDES` names them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ednas_nni.nn.dense import check_tasks
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


def _preset(name: str, summary: str) -> Callable[..., EdnasSpace]:
    def space(tasks: Mapping[str, int], **overrides: Any) -> EdnasSpace:
        check_tasks(tasks)
        given = {option: value for option, value in overrides.items() if (option, value) != ("encoder_weights", None)}
        presets.check_overrides(name, [option for option in given if option != "encoder_weights"])
        return EdnasSpace(tasks=dict(tasks), preset=name, **given)

    fields = "Fields of the preset that are given otherwise, each as a whole; docs/search_space.md explains them."
    space.__name__ = space.__qualname__ = name
    space.__doc__ = f"""{summary}

    Args:
        tasks: Task name to output channels.
        **overrides: {fields if name == "nano" else "As `nano`."}

    Raises:
        StudyError: The tasks or a field are wrong.
    """
    return space


nano = _preset("nano", "The smallest space, for trials of seconds on a processor.")
compound = _preset(
    "compound",
    "From tiny to large, for any device: resolution, widths, depths, fusion and heads are searched together.",
)
mobile = _preset(
    "mobile", "For phones: IBN with and without squeeze-and-excitation; widths, fusion, heads and sharing are searched."
)
edge_tpu = _preset(
    "edge_tpu", "For systolic arrays: IBN and Fused-IBN; widths, fusion, heads and sharing are searched."
)
single_task = _preset(
    "single_task", "One task alone on the encoder of `nano`: what multi-task networks are compared with."
)


def pretrained(
    tasks: Mapping[str, int], encoder_weights: str | dict[str, str | None] | None = None, **overrides: object
) -> EdnasSpace:
    """Encoders of torchvision as a choice; fusion, heads and sharing are searched.

    Args:
        tasks: As `nano`.
        encoder_weights: A folder with one file for each encoder, or encoder -> file (null: at random).
        **overrides: As `nano`; `encoders` lists the encoders.

    Raises:
        StudyError: As `nano`, or a file of weights is missing or does not fit.
    """
    return _preset("pretrained", "")(tasks, **overrides, encoder_weights=encoder_weights)


def efficientnet_lite(
    tasks: Mapping[str, int], encoder_weights: str | dict[str, str | None] | None = "packages", **overrides: object
) -> EdnasSpace:
    """EfficientNet-Lite0, 1 or 2 with ImageNet weights; its depth, fusion, heads, strides and sharing are searched.

    Args:
        tasks: As `nano`.
        encoder_weights: "packages" (extra `pretrained`), or as `pretrained`.
        **overrides: As `pretrained`.

    Raises:
        StudyError: As `pretrained`, or a package is missing.
    """
    return _preset("efficientnet_lite", "")(tasks, **overrides, encoder_weights=encoder_weights)
