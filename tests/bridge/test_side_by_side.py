"""A short cut of benchmarks/side_by_side.py: searches that start in the same second."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.nni
def test_three_searches_at_once_come_out_right() -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/side_by_side.py", "--rounds", "1", "--searches", "3"],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "round 1: 3 right, 0 wrong, 0 processes left" in done.stdout
