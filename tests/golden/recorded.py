"""Recorded values: where they lie, how they are written, and whether this machine counts as they were counted."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(__file__).parent / "data"
JOURNALS = DATA / "journals"
STUDIES = DATA / "studies"
"""Studies as they shipped when values were recorded: later ones may search otherwise."""


def machine() -> dict[str, str]:
    """What the last digits of floating-point results depend on."""
    capability = torch.backends.cpu.get_cpu_capability()
    return {"torch": torch.__version__, "numpy": np.__version__, "cpu": capability}


def write(name: str, values: Any) -> None:
    """Record values together with the machine: a line for each of the outer entries."""
    lines = [f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}" for key, value in values.items()]
    lines.insert(0, f'"machine":{json.dumps(machine())}')
    DATA.mkdir(exist_ok=True)
    (DATA / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


@cache
def read(name: str) -> dict[str, Any]:
    """Recorded values; floats come back to the last digit."""
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


def same_machine(name: str) -> bool:
    """Whether floating-point results must agree to the last digit here."""
    return read(name)["machine"] == machine()


def plain(values: Any) -> Any:
    """As it comes back from a file."""
    return json.loads(json.dumps(values))
