"""docs/adding_a_task.md: its task keeps the contract, and what it promises is so."""

from __future__ import annotations

import dataclasses
import re
import sys
import types
from importlib import metadata
from pathlib import Path

import pytest

from ednas_nni import plugins
from ednas_nni.errors import StudyError
from ednas_nni.study import parse
from ednas_nni.tasks.base import TASKS, Task
from ednas_nni.tasks.quality import key
from ednas_nni.testing.tasks import Labels

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / "examples" / "small" / "obstacles.py").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "adding_a_task.md").read_text(encoding="utf-8")
LINE, CHECK = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The package that the page speaks of, installed."""
    module = types.ModuleType("my_package")
    monkeypatch.setitem(sys.modules, "my_package", module)
    exec(EXAMPLE, vars(module))
    ((group, (line,)),) = eval(f"dict({LINE})")["entry_points"].items()
    name, value = line.split(" = ")
    point = metadata.EntryPoint(name, value, group)
    real = plugins._entry_points
    more = {group.removeprefix("ednas_nni."): {name: point}}
    monkeypatch.setattr(plugins, "_entry_points", lambda group: {**real(group), **more.get(group, {})})
    return module


def test_the_example_keeps_the_contract(package: types.ModuleType) -> None:
    exec(CHECK, vars(package))
    with pytest.raises(StudyError, match="'flor' is not a class"):
        package.Obstacles.for_data(Labels.random("segmentation").info, free=("flor",))


def test_a_study_makes_a_network_of_it(package: types.ModuleType) -> None:
    from ednas_nni.search.assembled import Assembled

    assert TASKS.load("obstacles") is package.Obstacles
    options = {"name": "jared", "task_options": {"obstacles": {"free": ["floor"]}}}
    study = parse({"tasks": ["segmentation", "obstacles"], "data": "rooms", "evaluator": options})
    assert Assembled(study).space.tasks == ("segmentation", "obstacles")
    for wrong in ({"fre": ["floor"]}, {"free": 3}):
        options = {"name": "jared", "task_options": {"obstacles": wrong}}
        with pytest.raises(StudyError, match=r"evaluator\.task_options\.obstacles"):
            _ = Assembled(study.model_copy(update={"evaluator": parse({"evaluator": options}).evaluator})).tasks


def test_another_option_is_measured_anew(package: types.ModuleType) -> None:
    info = Labels.random("segmentation").info
    usual, wider = (package.Obstacles.for_data(info, free=free) for free in (("floor",), ("floor", "wall")))
    assert (key(usual, info), key(wider, info)) == ("obstacles", "obstacles.standard.free=(0, 1)")
    assert wider.settings() == dataclasses.asdict(wider)


def test_a_path_is_rejected(package: types.ModuleType) -> None:
    from ednas_nni.search.assembled import Assembled

    package.Obstacles.__module__ = "my_package"
    with pytest.raises(StudyError, match=r"'my_package:Obstacles' calls itself 'obstacles'.*tasks: \[obstacles\]"):
        _ = Assembled(parse({"tasks": ["my_package:Obstacles"], "data": "rooms"})).tasks


def contract(task: type) -> set[str]:
    """Methods, properties and fields of a class."""
    return {name for name in {*vars(task), *task.__annotations__} if not name.startswith("_")}


def unnamed(task: type, text: str) -> set[str]:
    """Members of a class that a page does not name."""
    return {name for name in contract(task) if not re.search(rf"\b{name}\b", text)}


def test_the_page_names_the_whole_contract() -> None:
    assert contract(Task) > {"name", "likelihood", "channels", "for_data", "constants", "with_constants", "skill"}
    assert unnamed(Task, EXAMPLE + PAGE) == set()


@pytest.mark.parametrize("member", ["likelihood", "with_constants", "skill", "settings"])
def test_a_page_without_a_member_is_noticed(member: str) -> None:
    assert unnamed(Task, re.sub(rf"\b{member}\b", "it", EXAMPLE + PAGE)) == {member}
