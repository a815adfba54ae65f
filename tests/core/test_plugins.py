"""The registry: names, suggestions, broken and shadowed plugins."""

from __future__ import annotations

import sys
import types
from importlib import metadata

import pytest

from ednas_nni import plugins
from ednas_nni.errors import PluginError


def point(name: str, value: str, group: str = "tasks") -> metadata.EntryPoint:
    return metadata.EntryPoint(name=name, value=value, group=plugins.PREFIX + group)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch):
    found: dict[str, metadata.EntryPoint] = {}
    monkeypatch.setattr(plugins, "_entry_points", lambda group: found)
    return found


def test_every_group_has_built_ins() -> None:
    for group in plugins.GROUPS:
        assert plugins.names(group), group


def test_unknown_names_are_answered_with_the_closest(fake: dict) -> None:
    fake["depth"] = point("depth", "math:pi")
    with pytest.raises(PluginError, match="Did you mean 'depth'"):
        plugins.load("tasks", "dept")
    with pytest.raises(PluginError, match="Unknown plugin group 'task'"):
        plugins._full("task")


def test_broken_plugins_say_why(fake: dict) -> None:
    fake["gone"] = point("gone", "no_such_module_here:X")
    fake["lacks"] = point("lacks", "math:no_such_name")
    with pytest.raises(PluginError, match=r"cannot be imported.*ModuleNotFoundError"):
        plugins.load("tasks", "gone")
    with pytest.raises(PluginError, match="has no 'no_such_name'"):
        plugins.load("tasks", "lacks")


def test_module_and_attribute(fake: dict) -> None:
    assert plugins.load("tasks", "math:pi") > 3
    with pytest.raises(PluginError, match="not of the form"):
        plugins.load("tasks", "os; rm -rf:x")


def test_another_folder_of_the_same_name_is_no_stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """A user's `strategies/` in the working directory must not be taken for the installed one."""
    module = types.ModuleType("strategies")
    module.__file__ = str(tmp_path / "strategies" / "__init__.py")
    module.random = object()
    monkeypatch.setitem(sys.modules, "strategies", module)
    with pytest.raises(PluginError, match="loaded the module 'strategies' from"):
        plugins.load("strategies", "random")


def test_the_shadow_check_can_fail(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """Without the check the stand-in would be returned."""
    module = types.ModuleType("strategies")
    module.__file__ = str(tmp_path / "strategies" / "__init__.py")
    module.random = "stand-in"
    monkeypatch.setitem(sys.modules, "strategies", module)
    monkeypatch.setattr(plugins, "_check_origin", lambda *args: None)
    assert plugins.load("strategies", "random") == "stand-in"
