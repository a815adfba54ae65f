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

    climber: Any = names["ClimberCore"]

    class Forgets(climber):
        def reopen(self) -> None:
            pass

    class ForgetsOthers(climber):
        def reopen(self) -> None:
            super().reopen()
            self.again = self.again[:1]

    class ForgetsAtTheSecondCrash(climber):
        def reopen(self) -> None:
            self.again = []
            super().reopen()

    class OneDirection(climber):
        def fits(self, sample: Any) -> bool:
            costs = self.problem.cost_dict(sample)
            new = self.problem.domains.architecture_id(sample) not in self.asked
            return new and all(costs[one.name] <= one.bound for one in self.problem.constraints if one.op == "<=")

    class EndsWithoutAWord(climber):
        def ask(self) -> Any:
            sample = super().ask()
            self.reason = ""
            return sample

    class Repeats(climber):
        def ask(self) -> Any:
            return super().ask() or self.best

    for broken, message in (
        (Forgets, "is lost"),
        (ForgetsOthers, "is lost"),
        (ForgetsAtTheSecondCrash, "is lost"),
        (OneDirection, "an infeasible sample"),
        (EndsWithoutAWord, "no None with a reason"),
        (Repeats, "no None with a reason"),
    ):
        with pytest.raises(PluginError, match=message):
            names["check_core"](broken)
