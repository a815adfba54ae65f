"""Profiles: devices described as data, in YAML files that each name the `kind` of device that reads them."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Annotated, ClassVar, TypeVar, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.fields import FieldInfo

from ednas_nni.cost.device import Device
from ednas_nni.errors import PluginError, did_you_mean, quoted
from ednas_nni.study.messages import in_words

SUFFIXES = (".yml", ".yaml")

FindDevice = Callable[[str], Device]
"""Name of a registered device, or path of another profile -> the device."""


class ReadsProfiles(ABC):
    """A device class that makes devices from profiles whose `kind` is its `profile_kind`."""

    profile_kind: ClassVar[str]

    @classmethod
    @abstractmethod
    def from_profile(cls, data: Mapping[str, object], source: str, find: FindDevice) -> Device:
        """A device from the parsed YAML of the file `source`; `find` looks up another device that it names.

        Raises:
            PluginError: Names the field, its value and what is allowed.
        """


def _identifier(name: str) -> str:
    if not name.isidentifier():
        raise ValueError("is not a name of letters, digits and _, such as my_phone")
    return name


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A finite number; text and true are none."""
NotNegative = Annotated[Number, Field(ge=0)]
Positive = Annotated[Number, Field(gt=0)]


class Profile(BaseModel):
    """What every profile has: a name of letters, digits and _, and a title for people. Each kind adds its `kind`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, AfterValidator(_identifier)]
    title: Text


P = TypeVar("P", bound=Profile)


def read_profile(model: type[P], data: object, source: str, example: str) -> P:
    """Check and freeze the parsed YAML of `source`; `example` says where to look when a field is missing.

    Raises:
        PluginError: Names the first wrong field, its value and what is allowed.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        # A mistyped field is unknown, and the right one missing: the first message helps.
        first = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    path, field = first["loc"], _field(model, first["loc"])
    name = ".".join(map(str, path))
    if first["type"] == "extra_forbidden":
        raise PluginError(f"{source}: {name!r} is unknown.{did_you_mean(path[-1], _names(model, path[:-1]))}")
    if first["type"] == "missing":
        raise PluginError(f"{source}: {name} is missing; {example}")
    if first["type"] == "literal_error" and field is not None:
        hint = did_you_mean(first["input"], get_args(field.annotation))
        raise PluginError(f"{source}: {name}: {quoted(first['input'])} is unknown.{hint}")
    where = f"{name}: " if name else ""
    raise PluginError(f"{source}: {where}{quoted(first['input'])} {in_words(first)}")


def shipped_profile(package: str, name: object) -> tuple[dict[str, object], Traversable]:
    """The parsed YAML of a profile in the folder `profiles` of a device's package, and its file; else PluginError."""
    files = {file.name.removesuffix(".yml"): file for file in resources.files(package).joinpath("profiles").iterdir()}
    names = sorted(stem for stem, file in files.items() if file.name.endswith(".yml"))
    if not isinstance(name, str) or name not in names:  # not asked of the file: a name could lead elsewhere
        device = package.rpartition(".")[2]
        raise PluginError(f"device {device}: there is no profile {quoted(name)}.{did_you_mean(name, names)}")
    return yaml.safe_load(files[name].read_text(encoding="utf-8")), files[name]


def _field(model: type[BaseModel], path: tuple[int | str, ...]) -> FieldInfo | None:
    """The field that a path leads to, as far as it leads through models."""
    field = None
    for part in path:
        field = _names(model, ()).get(str(part))
        if field is not None and inspect.isclass(field.annotation) and issubclass(field.annotation, BaseModel):
            model = field.annotation
    return field


def _names(model: type[BaseModel], path: tuple[int | str, ...]) -> dict[str, FieldInfo]:
    field = _field(model, path)
    if field is not None and inspect.isclass(field.annotation) and issubclass(field.annotation, BaseModel):
        model = field.annotation
    return model.model_fields
