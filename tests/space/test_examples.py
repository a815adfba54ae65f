"""The examples in the docstrings of the room are true."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["space.conditions", "space.counting", "space.domains", "plugins"])
def test_examples(name: str) -> None:
    failed, run = doctest.testmod(importlib.import_module(f"ednas_nni.{name}"))
    assert run and not failed
