"""Hundreds of studies with one wrong field: `ednas check` accepts those alone that somebody has found sensible."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from ednas_nni.bridge.findings import examine
from tests.cli.mutants import Config, accepted, base, mutants

FAST = 97
"""Every so manieth is tried in the fast set."""


def let_through(studies: Iterable[tuple[str, Config]], folder: Path) -> set[str]:
    """Names of the studies without a fault. Whatever `examine` raises is a traceback to a user."""
    path, names = folder / "mutant.yml", set()
    for name, config in studies:
        path.write_text(yaml.safe_dump(config))
        findings = examine(path)
        assert all(line.strip() and "Traceback" not in line for line in findings.errors), name
        if not findings.errors:
            names.add(name)
    return names


@pytest.mark.usefixtures("quick_tables")
def test_nonsense_is_refused(tmp_path: Path) -> None:
    tried = list(mutants())[::FAST]
    wrong = let_through(tried, tmp_path) ^ (accepted() & {name for name, _ in tried})
    assert not wrong, f"accepted without a reason, or refused without one: {sorted(wrong)}"


@pytest.mark.slow
@pytest.mark.usefixtures("quick_tables")
def test_all_nonsense_is_refused(tmp_path: Path) -> None:
    assert let_through(mutants(), tmp_path) == accepted()


@pytest.mark.usefixtures("quick_tables")
def test_the_study_that_is_mutated_is_right_and_a_wrong_one_is_seen(tmp_path: Path) -> None:
    wrong = {**base(), "trialConcurrency": 0}
    assert let_through([("right", base()), ("wrong", wrong)], tmp_path) == {"right"}
