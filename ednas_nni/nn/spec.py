"""The numbers of a multi-task space, what is fixed and what is searched: strict models of a preset's YAML."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from ednas_nni.compat.nas import choice
from ednas_nni.errors import StudyError, did_you_mean, quoted
from ednas_nni.nn.blocks.base import operation
from ednas_nni.nn.efficientnet_lite import SCALINGS
from ednas_nni.nn.elementwise import ACTIVATIONS, Channels
from ednas_nni.nn.encoders import ENCODERS, FEATURES
from ednas_nni.nn.fusion import FUSIONS
from ednas_nni.nn.heads import HEADS
from ednas_nni.nn.sharing import options as ways_to_share

SEARCHED = ("stem", "ops", "stages")
"""Fields of an encoder that is searched; `encoders` takes their place."""


def _width(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 8 <= value <= 2048 or value % 8:
        allowed = "must be a multiple of 8 from 8 to 2048 (devices work on groups of 8 channels)"
        raise ValueError(f"{allowed}; {quoted(value)} is not one")
    return value


def _widths(value: object) -> tuple[int, ...]:
    values = list(value) if isinstance(value, list | tuple) else [value]
    if not values or len(set(map(str, values))) != len(values):
        raise ValueError("must be a number of channels or a list of different ones")
    return tuple(map(_width, values))


def _depth(value: object) -> tuple[int, int]:
    match [value, value] if type(value) is int else value:
        case [int(least), int(greatest)] if 1 <= least <= greatest <= 9:
            return least, greatest
    raise ValueError("must be a number of blocks from 1 to 9, or [least, greatest]")


def _different(value: object, what: str) -> list[object]:
    if not isinstance(value, list | tuple) or not value or len(set(map(str, value))) != len(value):
        raise ValueError(f"must be a list of different {what}")
    return list(value)


def _ops(value: object) -> tuple[str, ...]:
    names = tuple(map(str, _different(value, "operations, for example [ibn_k3_e6]")))
    for name in names:
        try:
            operation(name)
        except StudyError as error:
            raise ValueError(str(error)) from None
    return names


def _name(value: object, allowed: Collection[str]) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be one of {', '.join(allowed)}; {quoted(value)} is not one")
    if value not in allowed:
        raise ValueError(f"unknown name {quoted(value)}.{did_you_mean(value, allowed)}")
    return value


def _names(value: object, allowed: Collection[str]) -> tuple[str, ...]:
    return tuple(_name(name, allowed) for name in _different(value, f"names among {', '.join(allowed)}"))


def _strides(value: object) -> tuple[int, ...]:
    values = list(value) if isinstance(value, list | tuple) else [value]
    if values not in ([4], [8], [4, 8], [8, 4]) or not all(type(v) is int for v in values):
        raise ValueError("must be 4, 8 or [4, 8]")
    return tuple(values)


def _levels(value: object) -> tuple[int, ...]:
    values = list(value) if isinstance(value, list | tuple) else []
    if not values or any(type(v) is not int or not 2 <= v <= 5 for v in values) or len(set(values)) < len(values):
        raise ValueError("must be a list of different numbers of features, from 2 to the number of stages")
    return tuple(values)


def _shares(value: object) -> tuple[int | float, ...]:
    given = list(value) if isinstance(value, list | tuple) else [value]
    values = [v for v in given if isinstance(v, int | float) and not isinstance(v, bool) and 0.1 <= v <= 1]
    if not values or len(values) < len(given) or len(set(values)) != len(values):
        raise ValueError("must be a share of the image's height and width, from 0.1 to 1, or a list of different ones")
    return tuple(1 if v == 1 else v for v in values)  # as JSON has it: 1.0 would be another id


Widths = Annotated[tuple[int, ...], BeforeValidator(_widths)]
"""One number of channels, or several to choose from."""

Ops = Annotated[tuple[str, ...], BeforeValidator(_ops)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StageSpec(_Strict):
    """One stage of the encoder.

    Attributes:
        channels: Output channels.
        depth: Least and greatest number of blocks, or one number.
        ops: Names of each block's candidates; empty = those of the whole template.
    """

    channels: Widths
    depth: Annotated[tuple[int, int], BeforeValidator(_depth)]
    ops: Ops = ()


class FusionSpec(_Strict):
    """The fusion.

    Attributes:
        kinds: Keys of `FUSIONS` to choose from.
        channels: Of the fused feature.
        levels: How many features are fused, from the finest on; what lies behind them is not part of the network.
            () = all that there are.
        doubling: Whether `aspp` enlarges in steps of 2 instead of at once: NPUs map no larger half-pixel enlargement
            (Arm's Vela 5.2, tflite_supported_operators.py). The last enlargement is left to the host in any case.
    """

    kinds: Annotated[tuple[str, ...], BeforeValidator(partial(_names, allowed=FUSIONS))]
    channels: Widths
    levels: Annotated[tuple[int, ...], BeforeValidator(_levels)] = ()
    doubling: StrictBool = False


class HeadSpec(_Strict):
    """The heads.

    Attributes:
        kinds: Keys of `HEADS` to choose from, for each task.
        channels: Inner channels, for each task.
        stride: At which features are fused and predictions made, for all tasks.
    """

    kinds: Annotated[tuple[str, ...], BeforeValidator(partial(_names, allowed=HEADS))]
    channels: Widths
    stride: Annotated[tuple[int, ...], BeforeValidator(_strides)] = (4,)


class TemplateSpec(_Strict):
    """A multi-task space.

    Attributes:
        description: One sentence for people.
        max_tasks: How many tasks there may be; None = any number.
        stem: Channels of the stem, a 3 x 3 convolution of stride 2; 0 with `encoders`.
        ops: Candidates of the blocks of all stages that name none of their own.
        stages: Encoder stages; each halves the resolution, so stage i (from 1) ends at stride 2^(i + 1).
            None with `encoders`.
        encoders: Names of published encoders to choose from, instead of stem and stages.
        fusion: How features become one.
        heads: What stands before each task's prediction.
        sharing: Where a task may leave the shared network: `shared` (its head alone is its own), `own_fusion`,
            `own_stage4` (that stage, all after it and the fusion) and so on.
        activation: Name of the activation of all blocks.
        resolution: Shares of the image's height and width to choose from, see `ednas_nni.nn.sizes`.
    """

    description: str = ""
    max_tasks: Annotated[int, Field(ge=1, strict=True)] | None = None
    stem: Widths = (0,)
    ops: Ops = ()
    stages: tuple[StageSpec, ...] = ()
    encoders: Annotated[tuple[str, ...], BeforeValidator(partial(_names, allowed=ENCODERS))] = ()
    fusion: FusionSpec
    heads: HeadSpec
    sharing: tuple[str, ...] = ("shared",)
    activation: Annotated[str, BeforeValidator(partial(_name, allowed=ACTIVATIONS))] = "relu6"
    resolution: Annotated[tuple[int | float, ...], BeforeValidator(_shares)] = (1,)

    @model_validator(mode="before")
    @classmethod
    def _has_one_encoder(cls, data: object) -> object:
        if isinstance(data, Mapping):
            both = [field for field in SEARCHED if field in data and "encoders" in data]
            if both:
                raise ValueError(f"encoders take the place of {', '.join(both)}; give either")
            required = ("encoders",) if "encoders" in data else ("stem", "stages")
            missing = [field for field in (*required, "fusion", "heads") if field not in data]
            if missing:
                raise ValueError(f"lacks {', '.join(missing)}")
        return data

    @field_validator("stages", mode="before")
    @classmethod
    def _some_stages(cls, value: object) -> object:
        if not isinstance(value, list | tuple) or not 2 <= len(value) <= 5:
            raise ValueError("must be a list of 2 to 5 stages")
        return value

    @field_validator("stages")
    @classmethod
    def _with_ops(cls, stages: tuple[StageSpec, ...], info: ValidationInfo) -> tuple[StageSpec, ...]:
        ops = info.data.get("ops")
        if ops == () and not all(stage.ops for stage in stages):
            raise ValueError("have no operations: give `ops`, for example [ibn_k3_e3, ibn_k3_e6]")
        return tuple(stage if stage.ops else stage.model_copy(update={"ops": ops}) for stage in stages)

    @field_validator("sharing", mode="before")
    @classmethod
    def _ways(cls, value: object, info: ValidationInfo) -> tuple[str, ...]:
        stages = info.data.get("stages")  # missing where they are wrong themselves
        return () if stages is None else _names(value, ways_to_share(len(stages)))

    @model_validator(mode="after")
    def _fits(self) -> TemplateSpec:
        levels = self.fusion.levels
        whole = [name for name in self.encoders if name not in SCALINGS]
        if levels and whole:
            raise ValueError(f"fusion.levels: {whole[0]} is not cut off, only {', '.join(SCALINGS)} are")
        if levels and (max(levels) > FEATURES if self.encoders else max(levels) != len(self.stages)):
            raise ValueError(
                f"fusion.levels = {list(levels)}: the largest must be at most {FEATURES}"
                if self.encoders
                else f"fusion.levels = {list(levels)}: the largest must be the number of stages, {len(self.stages)}; "
                "leave out stages that no network needs"
            )
        if len(levels) > 1 and any(way.startswith("own_stage") for way in self.sharing):
            raise ValueError(
                "fusion.levels cannot be searched together with own stages in `sharing`; give one of them up"
            )
        return self


def parse(data: object, source: str) -> TemplateSpec:
    """Check strictly what the YAML file of a preset holds.

    Raises:
        StudyError: It is not valid; a line for each fault names the field, its value and what is allowed.
    """
    try:
        return TemplateSpec.model_validate(data)
    except ValidationError as error:
        raise StudyError("\n".join(source + _fault(fault) for fault in error.errors())) from None


_MODELS: dict[str, type[BaseModel]] = {"": TemplateSpec, "stages": StageSpec, "fusion": FusionSpec, "heads": HeadSpec}


def _fault(fault: ErrorDetails) -> str:
    """One of pydantic's findings as the rest of a sentence that begins with a source: ": stem = 12 must be ..."."""
    *above, last = fault["loc"] or ("",)
    fields = list(_MODELS[str(above[0]) if above else ""].model_fields)
    if fault["type"] == "extra_forbidden":
        return f"{_place(above)}: unknown field {quoted(last)}.{did_you_mean(last, fields)}"
    if fault["type"] == "missing":
        return f"{_place(above)} lacks {last}."
    place, value = _place(fault["loc"]), quoted(fault["input"])
    if fault["type"] == "model_type":
        names = ", ".join(_MODELS[str(fault["loc"][0]) if fault["loc"] else ""].model_fields)
        return f"{place} must be a mapping with the fields {names}, not {value}."
    text = str(fault["ctx"]["error"]) if fault["type"] == "value_error" else fault["msg"]
    if text.startswith("must "):
        return f"{place} = {value} {text}."
    return f"{place}{' ' if text.startswith(('lacks ', 'have ')) else ': '}{text.removesuffix('.')}."


def _place(loc: Sequence[str | int]) -> str:
    """`("stages", 0, "depth")` -> ": stages[1].depth"; people count from 1."""
    parts = (f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in loc)
    return f": {''.join(parts).removeprefix('.')}" if loc else ""


def width(label: str, channels: tuple[int, ...]) -> Channels:
    """The number of channels, as a choice named `label` where there are several."""
    return choice(label, list(channels)) if len(channels) > 1 else channels[0]
