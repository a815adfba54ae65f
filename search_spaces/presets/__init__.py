"""Presets: the numbers of a space, one strict YAML file each; a study may give some of them otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ednas_nni.errors import StudyError, did_you_mean
from ednas_nni.nn import encoders, fusion, heads, sharing
from ednas_nni.nn.blocks import parse_op
from ednas_nni.nn.elementwise import ACTIVATIONS
from ednas_nni.nn.spec import StageSpec, TemplateSpec

FOLDER = Path(__file__).parent
_SEARCHED = ("stem", "ops", "stages")
_PARTS = ("fusion", "heads")
OVERRIDES = (*_SEARCHED, "encoders", *_PARTS, "sharing", "activation")
"""Fields that the options of a space may replace."""

_FIELDS = ("description", "base", "max_tasks", *OVERRIDES)
_STAGE_FIELDS = ("channels", "depth", "ops")
_PART_FIELDS = ("kinds", "channels")


def names() -> list[str]:
    """Names of the shipped presets, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yml"))


def load(name: str, overrides: Mapping[str, Any] | None = None) -> TemplateSpec:
    """Read a shipped preset.

    Args:
        name: Its name.
        overrides: Fields among `OVERRIDES` that replace those of the preset, each as a whole.

    Raises:
        StudyError: There is no such preset, or it is not valid with these fields: the message names the field, its
            value, what is allowed.
    """
    if name not in names():
        raise StudyError(f"Unknown preset {name!r}.{did_you_mean(name, names())}")
    check_overrides(name, overrides or {})
    return parse({**_shipped(name), **(overrides or {})}, f"search space {name}")


def check_overrides(name: str, fields: Iterable[str]) -> None:
    """Check names of fields that shall replace those of a preset.

    Raises:
        StudyError: One of them is none of `OVERRIDES`.
    """
    for field in fields:
        if field not in OVERRIDES:
            raise StudyError(f"search space {name}: unknown field {field!r}.{did_you_mean(field, OVERRIDES)}")


def read(path: Path) -> TemplateSpec:
    """Read a preset from a file.

    Raises:
        StudyError: As `load`.
    """
    return parse(_content(path), str(path))


def description(name: str) -> str:
    """What a shipped preset is, in one sentence.

    Raises:
        StudyError: As `load`.
    """
    return str(_shipped(name).get("description", ""))


@cache
def _shipped(name: str) -> Mapping[str, Any]:
    return _content(FOLDER / f"{name}.yml")


def _content(path: Path) -> Any:
    """The fields of a file, with those of its base that it does not give itself."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise StudyError(f"Preset {path} cannot be read: {error}") from error
    if not isinstance(data, Mapping) or "base" not in data:
        return data
    bases = [name for name in names() if name != path.stem]
    if data["base"] not in bases:
        raise StudyError(f"{path}: base = {data['base']!r} is no preset.{did_you_mean(data['base'], bases)}")
    return {**_shipped(data["base"]), **data}


def parse(data: Any, source: str) -> TemplateSpec:
    """Check the content of a preset strictly.

    Args:
        data: What the YAML file holds.
        source: Where it comes from, for messages.

    Raises:
        StudyError: As `load`.
    """
    published = isinstance(data, Mapping) and "encoders" in data
    _mapping(data, source, _FIELDS, (*(("encoders",) if published else _SEARCHED), *_PARTS))
    both = [field for field in _SEARCHED if published and field in data]
    if both:
        raise StudyError(f"{source}: encoders take the place of {', '.join(both)}; give either.")
    for part in _PARTS:
        _mapping(data[part], f"{source}: {part}", _PART_FIELDS, required=_PART_FIELDS)
    stages = () if published else _stages(data, source)
    most = data.get("max_tasks")
    if most is not None and (type(most) is not int or most < 1):
        raise StudyError(f"{source}: max_tasks = {most!r} must be a whole number of at least 1.")
    ways = sharing.options(len(stages))
    return TemplateSpec(
        stem=0 if published else _width(data["stem"], f"{source}: stem"),
        stages=stages,
        fusions=_names(data["fusion"]["kinds"], f"{source}: fusion.kinds", fusion.KINDS),
        fusion=_widths(data["fusion"]["channels"], f"{source}: fusion.channels"),
        heads=_names(data["heads"]["kinds"], f"{source}: heads.kinds", heads.KINDS),
        head=_width(data["heads"]["channels"], f"{source}: heads.channels"),
        sharing=_names(data.get("sharing", ["shared"]), f"{source}: sharing", ways),
        activation=_names([data.get("activation", "relu6")], f"{source}: activation", ACTIVATIONS)[0],
        encoders=_names(data["encoders"], f"{source}: encoders", encoders.ENCODERS) if published else (),
        max_tasks=most,
    )


def _stages(data: Mapping[str, Any], source: str) -> tuple[StageSpec, ...]:
    shared = _ops(data["ops"], f"{source}: ops")
    if not isinstance(data["stages"], list) or not 2 <= len(data["stages"]) <= 5:
        raise StudyError(f"{source}: stages = {data['stages']!r} must be a list of 2 to 5 stages.")
    stages = []
    for i, entry in enumerate(data["stages"], 1):
        where = f"{source}: stages[{i}]"
        _mapping(entry, where, _STAGE_FIELDS, required=("channels", "depth"))
        ops = _ops(entry["ops"], f"{where}.ops") if "ops" in entry else shared
        stages.append(StageSpec(_widths(entry["channels"], f"{where}.channels"), _depth(entry["depth"], where), ops))
    return tuple(stages)


def _mapping(data: Any, where: str, allowed: tuple[str, ...], required: tuple[str, ...]) -> None:
    if not isinstance(data, Mapping):
        raise StudyError(f"{where} must be a mapping with the fields {', '.join(required)}, not {data!r}.")
    for field in data:
        if field not in allowed:
            raise StudyError(f"{where}: unknown field {field!r}.{did_you_mean(field, allowed)}")
    missing = [field for field in required if field not in data]
    if missing:
        raise StudyError(f"{where} lacks {', '.join(missing)}.")


def _width(value: Any, where: str) -> int:
    if type(value) is not int or not 8 <= value <= 2048 or value % 8:
        raise StudyError(
            f"{where} = {value!r} must be a multiple of 8 from 8 to 2048 (devices work on groups of 8 channels)."
        )
    return value


def _widths(value: Any, where: str) -> tuple[int, ...]:
    values = value if isinstance(value, list) else [value]
    if not values or len(set(map(str, values))) != len(values):
        raise StudyError(f"{where} = {value!r} must be a number of channels or a list of different ones.")
    return tuple(_width(v, where) for v in values)


def _names(value: Any, where: str, allowed: Iterable[str]) -> tuple[str, ...]:
    allowed = tuple(allowed)
    if not isinstance(value, list) or not value or len(set(map(str, value))) != len(value):
        raise StudyError(f"{where} = {value!r} must be a list of different names among {', '.join(allowed)}.")
    for name in value:
        if name not in allowed:
            raise StudyError(f"{where}: unknown name {name!r}.{did_you_mean(name, allowed)}")
    return tuple(value)


def _depth(value: Any, where: str) -> tuple[int, int]:
    if not (
        isinstance(value, list)
        and len(value) == 2
        and all(type(v) is int for v in value)
        and 1 <= value[0] <= value[1] <= 9
    ):
        raise StudyError(
            f"{where}.depth = {value!r} must be [least, greatest] with 1 <= least <= greatest <= 9 blocks."
        )
    return value[0], value[1]


def _ops(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or len(set(map(str, value))) != len(value):
        raise StudyError(f"{where} = {value!r} must be a list of different operations, for example [ibn_k3_e6].")
    for op in value:
        try:
            parse_op(op)
        except StudyError as error:
            raise StudyError(f"{where}: {error}") from None
    return tuple(value)
