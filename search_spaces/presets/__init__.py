"""Presets: the numbers of a space, one strict YAML file each; a study may give some of them otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

import yaml

from ednas_nni.errors import StudyError, did_you_mean
from ednas_nni.nn.spec import TemplateSpec, parse

T = TypeVar("T")
FOLDER = Path(__file__).parent
OVERRIDES = tuple(field for field in TemplateSpec.model_fields if field not in ("description", "max_tasks"))
"""Fields that the options of a space may replace."""


def names() -> list[str]:
    """Names of the shipped presets, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yml"))


def load(name: str, overrides: Mapping[str, object] | None = None) -> TemplateSpec:
    """Read a shipped preset, in which fields among `OVERRIDES` may be replaced, each as a whole.

    Raises:
        StudyError: There is no such preset, or it is not valid with these fields: the message names the field, its
            value, what is allowed.
    """
    if name not in names():
        raise StudyError(f"Unknown preset {name!r}.{did_you_mean(name, names())}")
    check_overrides(name, overrides or {})
    return parse({**_shipped(name), **(overrides or {})}, f"search space {name}")


def check_overrides(name: str, fields: Iterable[str]) -> None:
    """Check that fields which shall replace those of a preset are among `OVERRIDES`."""
    for field in fields:
        if field not in OVERRIDES:
            raise StudyError(f"search space {name}: unknown field {field!r}.{did_you_mean(field, OVERRIDES)}")


@cache
def _shipped(name: str) -> Mapping[str, object]:
    """The fields of a file, with those of its base that it does not give itself."""
    fields = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    base = fields.pop("base", None)
    return fields if base is None else {**_shipped(base), **fields}


def shorten(
    preset: str, widths: int | None = None, values: int | None = None, sharing: int | None = None, **fields: object
) -> dict[str, object]:
    """Options of a space that shorten the lists of a preset; the kinds of choice stay.

    A one-shot strategy holds every candidate of every choice at once, and Proxyless searches no widths at all.
    `EdnasSpace(tasks, "mobile", **shorten("mobile", widths=1))` is what it can search.

    Args:
        preset: Name of a shipped preset.
        widths: At most so many numbers of channels in each list; 1 keeps the middle one. With it there is one
            resolution and one output stride, and all features are fused.
        values: At most so many operations of a block, and so many different depths of a stage.
        sharing: At most so many ways to share, from `shared` on.
        **fields: Of the preset that are given otherwise, see `OVERRIDES`; their lists are shortened as well.

    Raises:
        StudyError: As `load`.
    """
    spec = load(preset, fields)
    stages = []
    for stage in spec.stages:
        least, greatest = stage.depth
        if values is not None:
            greatest = min(greatest, least + values - 1)
        channels, ops = _spread(stage.channels, widths), _spread(stage.ops, values)
        stages.append({"channels": channels, "depth": [least, greatest], "ops": ops})
    options: dict[str, object] = {**fields, "stages": stages} if stages else dict(fields)
    if spec.encoders and values is not None:
        options["encoders"] = list(spec.encoders[:values])
    options["fusion"] = {
        "kinds": list(spec.fusion.kinds),
        "channels": _spread(spec.fusion.channels, widths),
        "doubling": spec.fusion.doubling,
        **({"levels": list(spec.fusion.levels)} if widths is None and spec.fusion.levels else {}),
    }
    if widths is not None:
        # Sizes that choices decide are beyond such strategies: candidates are added up.
        options |= {"stem": _spread(spec.stem, widths)} if spec.stages else {}
        options["resolution"] = list(spec.resolution[:1])
        head = {"channels": _spread(spec.heads.channels, widths), "stride": list(spec.heads.stride[:1])}
        options["heads"] = {"kinds": list(spec.heads.kinds), **head}
    if sharing is not None:
        options["sharing"] = list(spec.sharing[:sharing])
    return options


def _spread(values: Sequence[T], most: int | None) -> list[T]:
    """At most so many of them: the middle one, or some spread evenly from the first to the last."""
    if most is None or len(values) <= most:
        return list(values)
    if most == 1:
        return [values[len(values) // 2]]
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]
