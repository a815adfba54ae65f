"""The strategy of docs/adding_a_strategy.md keeps the contract, as the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ednas_nni.errors import PluginError

ROOT = Path(__file__).resolve().parents[2]
STRATEGY = (ROOT / "examples" / "small" / "climber.py").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "adding_a_strategy.md").read_text(encoding="utf-8")


def test_the_strategy_of_the_page_keeps_the_contract(tmp_path: Path) -> None:
    _, checks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    names: dict[str, Any] = {"folder": tmp_path, "__name__": "page"}
    exec(compile(STRATEGY + checks, "adding_a_strategy.md", "exec", dont_inherit=True), names)

    class Forgets(names["ClimberCore"]):
        def reopen(self) -> None:
            pass

    with pytest.raises(PluginError, match="is lost"):
        names["check_core"](Forgets)
