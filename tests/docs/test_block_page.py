"""docs/adding_a_block.md: its block keeps the contract, and what it promises is so."""

from __future__ import annotations

import re
import sys
import types
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import yaml

from ednas_nni import plugins
from ednas_nni.nn.blocks.base import operation
from ednas_nni.nn.tree import build
from ednas_nni.search.assembled import Assembled
from ednas_nni.study import parse

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / "examples" / "small" / "ghost.py").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "adding_a_block.md").read_text(encoding="utf-8")
LINE, CHECK = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
(STUDY,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.S)


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch):
    """The package that the page speaks of, installed."""
    module = types.ModuleType("my_package")
    monkeypatch.setitem(sys.modules, "my_package", module)
    exec(EXAMPLE, vars(module))
    ((group, (line,)),) = eval(f"dict({LINE})")["entry_points"].items()
    name, value = line.split(" = ")
    real = plugins._entry_points
    more = {group.removeprefix("ednas_nni."): {name: metadata.EntryPoint(name, value, group)}}
    monkeypatch.setattr(plugins, "_entry_points", lambda group: {**real(group), **more.get(group, {})})
    operation.cache_clear()
    yield module
    operation.cache_clear()


def test_the_example_keeps_the_contract(package: types.ModuleType) -> None:
    exec(CHECK, vars(package))


def test_a_study_searches_it(package: types.ModuleType) -> None:
    assembled = Assembled(parse({**yaml.safe_load(STUDY), "tasks": ["depth"], "data": "rooms"}))
    space = assembled.space
    assert space.domains["stage2_block1_op"].values[2:] == ("ghost_k3", "ghost_k5_se")
    sample = space.domains.random(np.random.default_rng(0)) | {"stage1_block1_op": "ghost_k5_se"}
    network = build(space, sample)
    assert any(isinstance(module, package.GhostConvolution) for module in network.modules())
    assert "ghost_k5_se" in space.describe(sample)
