"""docs/metrics.md: its tables name every metric, and the example that it names prints what it says."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from ednas_nni.data import DataInfo
from ednas_nni.tasks.base import TASKS
from ednas_nni.tasks.protocols import PROTOCOLS

INFO = DataInfo(name="x", size=(4, 6), classes=("a", "b"), counts={}, fingerprint="f")
DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_worked_example():
    assert "`tests/tasks/two_protocols.md`" in DOCUMENT.read_text(encoding="utf-8")
    failed, run = doctest.testfile("two_protocols.md")
    assert run > 8 and not failed


@pytest.mark.parametrize("name", PROTOCOLS)
def test_tables_name_every_metric(name):
    rows = [line.split("|") for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    told = {
        (row[1].strip(), metric): (row[3].strip(), row[4].strip())
        for row in rows
        if len(row) > 6
        for metric in re.findall(r"`(\w+)`", row[2])
    }
    for task in ("segmentation", "depth", "normals"):
        for spec in TASKS.load(task).for_data(INFO, name).metrics:
            assert told[task, spec.name] == (spec.unit, spec.direction)
