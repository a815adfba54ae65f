"""A device by what a study writes: the name of a plugin, or the absolute path of a YAML profile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ednas_nni import plugins
from ednas_nni.cost.device import Device
from ednas_nni.errors import PluginError, did_you_mean, shown
from ednas_nni.study import plain_data
from ednas_nni.study.options import check_options

SUFFIXES = (".yml", ".yaml")


def device(name: str, options: Mapping[str, Any] | None = None, trail: tuple[str, ...] = ()) -> Device:
    """The device.

    Args:
        name: A registered name, `module:attribute`, or a path that ends in .yml and is absolute or begins with ~:
            searches are started in other folders than their file's.
        options: Of a registered device.
        trail: Profiles that lead here by their `base`.

    Raises:
        PluginError: It is unknown, cannot be read, is no profile of a known kind, or does not follow the contract.
        StudyError: An option is unknown or wrong.
    """
    if isinstance(name, str) and name.endswith(SUFFIXES):
        if options:
            raise PluginError(f"device = {name!r}: a profile has no options, but {', '.join(options)} is given.")
        return _from_profile(name, trail)
    found = plugins.load("devices", name)
    if options:
        check_options(found, dict(options), f"device {name}")
        found = found(**options)
    return checked(found, name)


def checked(found: Any, name: Any) -> Device:
    """An object, or an instance of a class, that follows the contract.

    Raises:
        PluginError: It does not follow the contract, or its name cannot begin the name of a cost.
    """
    found = found() if isinstance(found, type) else found
    if not isinstance(found, Device):
        raise PluginError(
            f"devices: {name!r} is a {type(found).__name__} without name, columns, layer_features and costs; see "
            "ednas_nni.cost.Device for the contract"
        )
    if not isinstance(found.name, str) or not found.name.isidentifier():
        raise PluginError(
            f"devices: {name!r} is named {found.name!r}: a device's name is of letters, digits and _, because a second "
            "device's costs begin with it, such as my_phone_latency_ms"
        )
    return found


def _from_profile(name: str, trail: tuple[str, ...]) -> Device:
    path = _path(name)
    if str(path) in trail:
        raise PluginError(f"device = {name!r}: its `base` leads back to itself. Name a device that ships.")
    if not path.is_absolute():
        raise PluginError(
            f"device = {name!r}: write an absolute path (or one that begins with ~), because searches are started in "
            f"different folders. From here it would be {path.resolve()}."
        )
    try:
        data = plain_data.read_yaml(path, PluginError)
    except PluginError as error:
        reason = str(error).removeprefix(str(path)).lstrip(":, ")
        raise PluginError(f"device = {name!r}: cannot be read: {reason}") from None
    fault = plain_data.fault(data)
    if fault:
        raise PluginError(f"device = {name!r}: {fault}.")
    kind = data.get("kind") if isinstance(data, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise PluginError(f"device = {name!r}: kind: {shown(kind)} is unknown.{did_you_mean(kind, KINDS)}")
    return checked(KINDS[kind](data, str(path), (*trail, str(path))), name)


def _path(name: str) -> Path:
    try:
        return plain_data.user_path(name)
    except ValueError as error:
        raise PluginError(f"device = {error}.") from None


def _systolic(data: Any, source: str, trail: tuple[str, ...]) -> Device:
    from ednas_nni.devices.edge_tpu import EdgeTPU
    from ednas_nni.devices.profile import parse_profile

    return EdgeTPU(parse_profile(data, source))


def _calibrated(data: Any, source: str, trail: tuple[str, ...]) -> Device:
    from ednas_nni.devices.calibrated import Calibrated, parse_calibrated

    profile = parse_calibrated(data, source)
    return Calibrated(profile, device(profile.base, trail=trail))


def _roofline(data: Any, source: str, trail: tuple[str, ...]) -> Device:
    from ednas_nni.devices.roofline import Roofline, parse_profile

    return Roofline(parse_profile(data, source))


KINDS = {"systolic": _systolic, "calibrated": _calibrated, "roofline": _roofline}
