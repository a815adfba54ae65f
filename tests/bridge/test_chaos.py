"""A short cut of benchmarks/chaos.py, and that its counting can find something."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
COUNT = """
import json, sys
sys.path.insert(0, "benchmarks")
import chaos
from under_fire import Tally
from types import SimpleNamespace
from pathlib import Path
victim = SimpleNamespace(tally=Tally(), id="e", ledger=Path(sys.argv[1]))
chaos._count_ledger(victim, json.loads(sys.argv[2]))
print(json.dumps(victim.tally.faults))
"""


def counted(folder: Path, lines: list[dict[str, Any]], booked: dict[str, float]) -> dict[str, int]:
    ledger = folder / "ledger.jsonl"
    ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = subprocess.run(
        [sys.executable, "-c", COUNT, str(ledger), json.dumps(booked)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


BEGUN, FINISHED = {"event": "begun", "key": "a"}, {"event": "finished", "key": "a", "quality": 0.5}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lines", "booked", "faults"),
    [
        ([BEGUN, BEGUN, FINISHED], {"a": 0.5}, {}),
        ([BEGUN, FINISHED], {}, {"results lost": 1}),
        ([BEGUN, FINISHED], {"a": 0.4}, {"results lost": 1}),
        ([BEGUN, FINISHED, BEGUN], {"a": 0.5}, {"finished architectures trained twice": 1}),
    ],
)
def test_the_ledger_finds_what_went_wrong(
    tmp_path: Path, lines: list[dict[str, Any]], booked: dict[str, float], faults: dict[str, int]
) -> None:
    assert counted(tmp_path, lines, booked) == faults


@pytest.mark.slow
@pytest.mark.nni
@pytest.mark.parametrize(("start", "seed"), [("prefork", 2), ("plain", 5)])
def test_three_kills_lose_nothing(tmp_path: Path, start: str, seed: int) -> None:
    words = ["--kills", "3", "--trials", "5", "--seconds", "0.5", "--seed", str(seed), "--start", start]
    words += ["--folder", str(tmp_path), "--json", str(tmp_path / "found.json")]
    done = subprocess.run(
        [sys.executable, "benchmarks/chaos.py", *words],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    record = SimpleNamespace(**json.loads((tmp_path / "found.json").read_text()))
    assert set(record.found.values()) == {0}
    assert record.results >= 1
