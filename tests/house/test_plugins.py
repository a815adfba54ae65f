"""The registry: names, suggestions, broken and shadowed plugins."""

from __future__ import annotations

import math
import sys
import types
from fractions import Fraction
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
    with pytest.raises(PluginError, match=r"cannot be imported.*ModuleNotFoundError: [^(]*$"):
        plugins.load("tasks", "gone")
    with pytest.raises(PluginError, match="has no 'no_such_name'"):
        plugins.load("tasks", "lacks")


def test_module_and_attribute(fake: dict, own_module: types.ModuleType) -> None:
    assert plugins.load("tasks", "my_own_tasks:Mine") is own_module.Mine
    assert plugins.load("strategies", "nni.nas.strategy:Random").__name__ == "Random"
    assert plugins.load("evaluators", "ednas_nni.testing.one_step:OneStep").__name__ == "OneStep"


@pytest.fixture
def own_module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module of the user's own, of no distribution."""
    module = types.ModuleType("my_own_tasks")
    exec("class Mine: ...\nfrom subprocess import run\nnumber = 3", vars(module))
    monkeypatch.setitem(sys.modules, "my_own_tasks", module)
    return module


def test_a_group_has_a_type(fake: dict, own_module: types.ModuleType) -> None:
    """A class without the group's base class is rejected; a function is taken, and without a base class so is all."""
    with pytest.raises(PluginError, match=r"Mine is not a subclass of fractions\.Fraction"):
        plugins.Group("tasks", Fraction).load("my_own_tasks:Mine")
    fake["half"] = point("half", "fractions:Fraction")
    fake["gcd"] = point("gcd", "math:gcd")
    group: plugins.Group[type[Fraction]] = plugins.Group("tasks", Fraction)
    assert group.load("half") is Fraction and group.load("gcd") is math.gcd
    assert plugins.Group("tasks").load("my_own_tasks:Mine") is own_module.Mine
    assert "half" in group and "third" not in group and group.names() == ["gcd", "half"]
    with pytest.raises(PluginError, match="Unknown plugin group 'task'"):
        plugins.Group("task")


HOSTILE = [
    ("os; rm -rf:x", "not of the form"),
    ("os:system", "'os' is a module of Python itself"),
    ("subprocess:run", "'subprocess' is a module of Python itself"),
    ("builtins:exec", "'builtins' is a module of Python itself"),
    ("torch:load", "'torch' belongs to torch, which registers no plugins"),
    ("yaml:unsafe_load", "'yaml' belongs to PyYAML, which registers no plugins"),
    ("my_own_tasks:__builtins__", "not of the form"),
    ("my_own_tasks:Mine.__init__.__globals__", "not of the form"),
    ("my_own_tasks:run", "'subprocess' is a module of Python itself"),
    ("my_own_tasks:number", "not a class or function but of type int"),
    (":x", "not of the form"),
    ("x:", "not of the form"),
    ("../../evil:Thing", "not of the form"),
    ("a" * 200 + ":\x1b[2J", "not of the form"),
]


@pytest.mark.parametrize(("path", "message"), HOSTILE, ids=[path[:20] for path, _ in HOSTILE])
def test_a_path_leads_to_plugins_only(fake: dict, own_module: types.ModuleType, path: str, message: str) -> None:
    with pytest.raises(PluginError, match=message) as caught:
        plugins.load("tasks", path)
    assert "\x1b" not in str(caught.value) and len(str(caught.value)) < 400


def test_the_check_of_paths_can_fail(
    fake: dict, own_module: types.ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    """Without it a study would be a way to start programs."""
    import subprocess

    monkeypatch.setattr(plugins, "load_path", lambda group, path: getattr(subprocess, path.partition(":")[2]))
    trace = tmp_path / "trace"
    plugins.load("tasks", "subprocess:getoutput")(f"touch {trace}")
    assert trace.exists()


def test_a_module_that_ends_python_is_an_error(fake: dict, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    (tmp_path / "ends_python.py").write_text("import sys\nsys.exit(0)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(PluginError, match=r"cannot be imported.*SystemExit.*ends_python\.py, line 2\)"):
        plugins.load("tasks", "ends_python:Thing")


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
    module.random = dict  # anything that can be called
    monkeypatch.setitem(sys.modules, "strategies", module)
    monkeypatch.setattr(plugins, "_check_origin", lambda *args: None)
    assert plugins.load("strategies", "random") is dict
