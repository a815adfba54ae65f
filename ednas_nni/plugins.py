"""The registry: every plugin, the built-ins included, is found by name through entry points.

Names are read eagerly (cheap), code is loaded on use. A broken plugin never stops the others: it is listed with
its reason. A plugin's module must come from the distribution that registered it, so that a user's own folder
called `strategies` in the working directory cannot silently stand in for the installed one.

This module knows no plugin's type: each room declares its own group where the base class or protocol lies, such as
`TASKS: Group[type[Task]] = Group("tasks", Task)` in `ednas_nni.tasks`, and `TASKS.load(name)` is of that type.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import unquote, urlparse

from ednas_nni.errors import PluginError, did_you_mean, place_of, quoted

PREFIX = "ednas_nni."
NNI = "nni"  # its strategies may be named by their path
OURS = (
    "ednas_nni", "search_spaces", "strategies", "tasks", "exporters", "devices", "data_sets", "scenes", "evidence",
    "machines",
)  # fmt: skip
DOORS = {"search_spaces": "nas", "evaluators": "nas", "strategies": "nas_search"}
"""Groups whose plugins may import `nni.nas` by themselves -> the doorway that patches it before they do."""
GROUPS: dict[str, str] = {
    "search_spaces": "model spaces: (tasks, **options) -> NNI ModelSpace",
    "blocks": "what a stage of a network is made of: a kind of block with its options in its name",
    "strategies": "search strategies: (**options) -> nni.nas.strategy.Strategy",
    "evaluators": "how a network is trained and scored: (**options) -> nni.nas Evaluator",
    "tasks": "dense prediction tasks: target type, loss, metrics",
    "label_kinds": "kinds of dense labels: how they are read, fitted, moved, drawn, checked and written",
    "datasets": "data sets with train, search, select and test splits",
    "devices": "cost models of a device",
    "weightings": "how task losses become one scalar",
    "commands": "commands of `ednas`: (parsed arguments) -> exit code, in a module with HELP and configure(parser)",
    "services": "NNI's training services on other machines, without an open port",
    "exporters": "file formats that a trained network is written in and run from",
}


@dataclass(frozen=True)
class Plugin:
    """One registered plugin: where it comes from, not yet loaded."""

    group: str
    name: str
    target: str
    distribution: str
    version: str


T = TypeVar("T")
C = TypeVar("C")


class Group(Generic[T]):
    """One group of plugins with the type that its objects have, declared once by the room that owns the type.

    Args:
        name: One of `GROUPS`.
        base: Base class that every registered class must have; a factory function is taken as it is. Without one
            nothing is checked when a plugin is loaded, and the contract suite of the group tells.

    Example:
        >>> from collections.abc import Callable
        >>> devices: Group[Callable[..., object]] = Group("devices")
        >>> "macs" in devices
        True
    """

    def __init__(self, name: str, base: type | None = None) -> None:
        _full(name)
        self.name = name
        self.base = base

    def names(self) -> list[str]:
        """Registered names, sorted."""
        return names(self.name)

    def __contains__(self, name: object) -> bool:
        return name in _entry_points(self.name)

    def classes(self, base: type[C]) -> dict[str, type[C]]:
        """Those that are classes derived from `base`, by name; without those that cannot be loaded."""
        all_: Mapping[str, object] = self.loadable()
        return {name: plugin for name, plugin in all_.items() if inspect.isclass(plugin) and issubclass(plugin, base)}

    def loadable(self) -> dict[str, T]:
        """All by name, without those that cannot be loaded."""
        made = {}
        for name in self.names():
            with suppress(PluginError):  # `ednas plugins` says why
                made[name] = self.load(name)
        return made

    def load(self, name: str) -> T:
        """Load a plugin, a registered one or `module:attribute`.

        Raises:
            PluginError: As `load`, or it is a class without the group's base class, or without a method of it.
        """
        plugin: T = load(self.name, name)
        if self.base is not None and inspect.isclass(plugin):
            said = f"{self.name} {quoted(name)}: {plugin.__qualname__}"
            base = f"{self.base.__module__}.{self.base.__qualname__}"
            if not issubclass(plugin, self.base):
                raise PluginError(f"{said} is not a subclass of {base}.")
            if missing := ", ".join(sorted(vars(plugin).get("__abstractmethods__", ()))):
                raise PluginError(f"{said} has no {missing}, which {base} asks for.")
        return plugin


def lazy(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package whose public names are imported on first use: name -> module of the package.

    A dotted path below the module may follow a colon; a module of another room is written in full.
    """

    def attribute(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, path = homes[name].partition(":")
        value: Any = importlib.import_module(module if module.startswith("ednas_nni.") else f"{package}.{module}")
        for part in (path or name).split("."):
            value = getattr(value, part)
        return value

    return attribute


def _full(group: str) -> str:
    if group not in GROUPS:
        raise PluginError(f"Unknown plugin group {group!r}.{did_you_mean(group, GROUPS)}")
    return PREFIX + group


@cache
def _registered(group: str) -> metadata.EntryPoints:
    return metadata.entry_points(group=_full(group))


def _entry_points(group: str) -> dict[str, metadata.EntryPoint]:
    return {point.name: point for point in _registered(group)}


def _origin(point: metadata.EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unknown distribution"


def names(group: str) -> list[str]:
    """Names registered in a group, sorted."""
    return sorted(_entry_points(group))


def listing(group: str) -> list[Plugin]:
    """All plugins of a group without loading them."""
    points = sorted(_entry_points(group).items())
    unknown = ("?", "?")
    named = ((name, p, (p.dist.name, p.dist.version) if p.dist else unknown) for name, p in points)
    return [Plugin(group, name, point.value, *distribution) for name, point, distribution in named]


def load(group: str, name: str) -> Any:
    """Load a plugin.

    Args:
        group: One of `GROUPS`.
        name: A registered name, or `module:attribute` for a class of the user's own that is importable. A study is
            data: a path leads to plugins, never into Python's own modules or a library's.

    Returns:
        The registered object (a class or a factory).

    Raises:
        PluginError: The name is unknown (with a suggestion), its module cannot be imported, its attribute is
            missing, it is not a plugin, or another module stands in the way of the registered one.
    """
    if not isinstance(name, str):
        raise PluginError(f"{group}: a plugin is given by its name, not by {quoted(name)}.")
    points = _entry_points(group)
    if name not in points:
        if ":" in name:
            return load_path(group, name)
        raise PluginError(f"Unknown {group} plugin {quoted(name)}.{did_you_mean(name, points)}")
    point = points[name]
    for other in _registered(group):
        if other.name == name and other.value != point.value:
            raise PluginError(
                f"Two distributions register {group} {name!r}: {_origin(point)} ({point.value}) and {_origin(other)} "
                f"({other.value}). Uninstall or rename one of them."
            )
    value = _import(group, name, point.module, point.attr or "")
    _check_origin(group, name, point)
    return _callable(group, name, value)


def load_path(group: str, path: str) -> Any:
    """Load a class or function of the user's own.

    Args:
        group: What it is to be, for messages: a plugin group, or `losses`.
        path: `module:attribute`.

    Raises:
        PluginError: As `load`.
    """
    module, _, attribute = path.partition(":")
    parts = [*module.split("."), *attribute.split(".")]
    if not all(part.isidentifier() and not part.startswith("__") for part in parts):
        raise PluginError(f"{group} {quoted(path)} is not of the form package.module:Name.")
    _check_own(group, path, parts[0])
    value = _import(group, path, module, attribute)
    _callable(group, path, value)
    _check_own(group, path, str(getattr(value, "__module__", module)).partition(".")[0])  # a module imports others
    return value


def _check_own(group: str, path: str, top: str) -> None:
    """Reject modules that are not there to be plugins: `subprocess:run` would be a function with options, too."""
    if top in sys.stdlib_module_names:
        raise PluginError(f"{group} {path!r}: {top!r} is a module of Python itself and holds no plugins.")
    owners = _distributions().get(top, [])
    if owners and not any(_has_plugins(owner) for owner in owners):
        raise PluginError(
            f"{group} {path!r}: {top!r} belongs to {owners[0]}, which registers no plugins of EDNAS. Register it there "
            f"by an entry point of the group {PREFIX + group!r}, as examples/plugin does."
        )


@cache
def _distributions() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()  # half a second: every installed file is listed


def _has_plugins(distribution: str) -> bool:
    if distribution == NNI:
        return True
    return any(point.group.startswith(PREFIX) for point in metadata.distribution(distribution).entry_points)


def _says_nas(module: str) -> bool:
    """Whether a foreign module is NNI's or imports `nni.nas` by itself; the doorway takes seconds that others save."""
    top = module.partition(".")[0]
    if top in (*OURS, NNI):
        return top == NNI
    spec = importlib.util.find_spec(module)
    return bool(spec and spec.origin and spec.origin.endswith(".py") and b"nni.nas" in Path(spec.origin).read_bytes())


def _import(group: str, name: str, module: str, attribute: str) -> Any:
    try:
        if group in DOORS and _says_nas(module):
            importlib.import_module(f"ednas_nni.compat.{DOORS[group]}")
        value: Any = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # a script without a guard ends Python when it is imported
        raise PluginError(
            f"{group} plugin {name!r} cannot be imported from {module!r}: {type(error).__name__}: {error}"
            f"{place_of(error)}"
        ) from error
    for part in filter(None, attribute.split(".")):
        try:
            value = getattr(value, part)
        except AttributeError as error:
            where = getattr(sys.modules.get(module), "__file__", "?")  # namespaces and built-in modules have no file
            raise PluginError(
                f"{group} plugin {name!r}: module {module!r} (loaded from {where}) has no {attribute!r}. "
                "Is another folder of that name in the way, or is an old version installed?"
            ) from error
    return value


def _callable(group: str, name: str, value: Any) -> Any:
    if not callable(value):
        kind = type(value).__name__
        raise PluginError(f"{group} {name!r} is not a class or function but of type {kind}. Write module:Name.")
    return value


def _check_origin(group: str, name: str, point: metadata.EntryPoint) -> None:
    """The loaded module must lie where its distribution put it."""
    top = point.module.partition(".")[0]
    where = getattr(sys.modules.get(point.module), "__file__", None)  # namespaces and built-in modules have no file
    roots = _roots(point, top)
    if where is None or not roots:
        return
    path = Path(where).resolve()
    if not any(path.is_relative_to(root) for root in roots):
        raise PluginError(
            f"{group} plugin {name!r} belongs to {_origin(point)} ({roots[0]}), but Python loaded the module "
            f"{point.module!r} from {path}. Rename that folder or start from another working directory."
        )


def _roots(point: metadata.EntryPoint, top: str) -> list[Path]:
    """Folders in which the distribution's top-level package `top` may lie."""
    if point.dist is None:
        return []
    direct = point.dist.read_text("direct_url.json")
    if direct:
        record = json.loads(direct)
        url = urlparse(record.get("url", ""))
        if record.get("dir_info", {}).get("editable") and url.scheme == "file":
            return [Path(unquote(url.path)).resolve()]
    files = [f for f in point.dist.files or [] if f.parts and f.parts[0] == top]
    return [Path(str(point.dist.locate_file(top))).resolve()] if files else []
