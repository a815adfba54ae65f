"""A device by what a study writes: the name of a plugin, `plugin/value`, or the path of a YAML profile.

Nobody imports a concrete device: registered classes are loaded by name, and a profile's `kind` leads to the registered
class that reads profiles of that kind.
"""

from __future__ import annotations

import inspect
from abc import ABCMeta
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache

from ednas_nni.cost.device import AdditiveDevice, Device, OrderDevice, PartsDevice
from ednas_nni.cost.profiles import SUFFIXES, ReadsProfiles
from ednas_nni.errors import EdnasError, PluginError, did_you_mean, quoted
from ednas_nni.plugins import Group
from ednas_nni.study import plain_data
from ednas_nni.study.options import check_options

DEVICES: Group[Callable[..., Device]] = Group("devices")
KINDS = (AdditiveDevice, PartsDevice, OrderDevice)


def device(name: str, options: Mapping[str, object] | None = None, trail: tuple[str, ...] = ()) -> Device:
    """The device.

    Args:
        name: A registered name or `module:attribute`, after a slash perhaps the value of its first option, such as
            `ethos_u/u55-256`; or a path that ends in .yml and is absolute or begins with ~: searches are started in
            other folders than their file's.
        options: Of a registered device.
        trail: Profiles that lead here by their `base`.

    Raises:
        PluginError: It is unknown, cannot be read, is not a profile of a known kind, or does not follow the contract.
        StudyError: An option is unknown or wrong.
    """
    if isinstance(name, str) and name.endswith(SUFFIXES):
        if options:
            raise PluginError(f"device = {name!r}: a profile has no options, but {', '.join(options)} is given.")
        return _from_profile(name, trail)
    plugin, _, value = name.partition("/") if isinstance(name, str) else (name, "", "")
    if plugin not in DEVICES:
        plugin, value = name, ""
    factory = DEVICES.load(plugin)
    if value:
        first = next(iter(inspect.signature(inspect.unwrap(factory)).parameters), None)
        if first is None or first in (options or {}):
            raise PluginError(f"device = {name!r}: {plugin} has no option for {quoted(value)}; remove it.")
        options = {first: int(value) if value.isdecimal() else value, **(options or {})}
    if options:
        check_options(factory, dict(options), f"device {plugin}")
    return checked(_made(factory, options or {}, name), name)


def checked(candidate: object, name: object) -> Device:
    """An object, or an instance of a class, that follows the contract.

    PluginError: it does not, or its name cannot begin the name of a cost.
    """
    candidate = _made(candidate, {}, name)
    if not isinstance(candidate, KINDS):
        raise PluginError(
            f"devices: {name!r} is a {type(candidate).__name__}, not an AdditiveDevice, PartsDevice or OrderDevice; "
            f"{_CONTRACT}"
        )
    if not isinstance(candidate.name, str) or not candidate.name.isidentifier():
        raise PluginError(
            f"devices: {name!r} is named {candidate.name!r}: a device's name is of letters, digits and _, because a "
            "second device's costs begin with it, such as my_phone_latency_ms"
        )
    return candidate


def _made(candidate: object, options: Mapping[str, object], name: object) -> object:
    """The device of a class or a factory function; a device itself is one already."""
    if inspect.isclass(candidate) and issubclass(candidate, ReadsProfiles) and not issubclass(candidate, KINDS):
        raise PluginError(
            f"devices: {name!r} is described by a profile: name the absolute path of a YAML file of kind "
            f"{candidate.profile_kind!r} instead"
        )
    if isinstance(candidate, ABCMeta) and candidate.__abstractmethods__:
        lacks = ", ".join(sorted(candidate.__abstractmethods__))
        raise PluginError(f"devices: {name!r}: {candidate.__name__} lacks {lacks}; {_CONTRACT}")
    if inspect.isclass(candidate) or inspect.isroutine(candidate):
        written = ", ".join(f"{option}={quoted(value)}" for option, value in options.items())
        with blamed(f"devices: {name!r}: {candidate.__name__}({written})"):
            return candidate(**options)
    return candidate


@contextmanager
def blamed(what: str) -> Iterator[None]:
    """Run an author's code: our errors pass, of all others a user reads one line that names what failed."""
    try:
        yield
    except EdnasError:
        raise
    except Exception as error:
        raise PluginError(f"{what} failed: {type(error).__name__}: {error}") from error


_CONTRACT = "see ednas_nni.cost.device for the contract and docs/adding_a_device.md for an example"


@cache
def profile_readers() -> dict[str, type[ReadsProfiles]]:
    """Kind of profile -> the registered device class that reads it."""
    return {reader.profile_kind: reader for reader in DEVICES.classes(ReadsProfiles).values()}  # type: ignore[type-abstract]  # none is made


def _from_profile(name: str, trail: tuple[str, ...]) -> Device:
    path = plain_data.absolute(name, PluginError, "device")
    if str(path) in trail:
        raise PluginError(f"device = {name!r}: its `base` leads back to itself. Name a device that ships.")
    try:
        content = plain_data.read_yaml(path, PluginError)
    except PluginError as error:
        reason = str(error).removeprefix(str(path)).lstrip(":, ")
        raise PluginError(f"device = {name!r}: cannot be read: {reason}") from None
    if fault := plain_data.fault(content):
        raise PluginError(f"device = {name!r}: {fault}.")
    data = content if isinstance(content, dict) else {}
    kind, readers = data.get("kind"), profile_readers()
    if kind is None:
        raise PluginError(f"device = {name!r}: has no line `kind: ...`. Allowed: {', '.join(sorted(readers))}.")
    if not isinstance(kind, str) or kind not in readers:
        raise PluginError(f"device = {name!r}: kind: {quoted(kind)} is unknown.{did_you_mean(kind, readers)}")
    further = (*trail, str(path))
    with blamed(f"device = {name!r}: {readers[kind].__name__}.from_profile(data, source, find)"):
        made = readers[kind].from_profile(data, str(path), lambda base: device(base, trail=further))
    return checked(made, name)
