"""What the pages under docs/ say is true of the code."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_the_task_page_shows_the_line_that_registers_it() -> None:
    (line,) = re.findall(r"```python\n(.*?)\n```", page("adding_a_task.md"))
    assert line in (ROOT / "setup.py").read_text(encoding="utf-8")


def test_the_task_page_names_the_whole_contract() -> None:
    from ednas_nni.tasks import Task

    text = page("adding_a_task.md")
    methods = {n for n in vars(Task) if not n.startswith("_")} - {"for_data", "constants", "with_constants"}
    assert {name for name in methods if f"`{name}" not in text and f"{name}(" not in text} == set()


def test_the_study_of_the_task_page_makes_a_network() -> None:
    from ednas_nni import assembly
    from ednas_nni.study import parse

    (snippet,) = re.findall(r"```yaml\n(.*?)```", page("adding_a_task.md"), flags=re.S)
    space = assembly.space(parse(yaml.safe_load(snippet)))
    assert space.tasks == ("segmentation", "edges")


def test_every_loss_and_weighting_is_on_its_page() -> None:
    from ednas_nni import compat, losses, plugins

    compat.apply()
    named = set(re.findall(r"`(\w+)`", page("losses.md")))
    assert {*losses.DEPTH, *losses.NORMALS, *plugins.names("weightings")} <= named
