"""What ships fits the studies that ship; where a change of the recipe made it stale, `make references` mends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ednas_nni.baselines import files
from ednas_nni.search.assembled import Assembled
from ednas_nni.study import read_experiment

REPOSITORY = Path(__file__).resolve().parents[2]
STUDIES = {"separate.yml": "rooms.json", "streets.yml": "streets.json"}


@pytest.mark.parametrize("name", STUDIES)
def test_the_shipped_references_fit_the_shipped_studies(name: str, cache: Path) -> None:
    if not (files.SHIPPED / STUDIES[name]).exists():
        pytest.skip("not made yet: make references")
    _, study = read_experiment(REPOSITORY / "experiments" / name)
    compared, lacking = Assembled(study, f"experiments/{name}").baselines
    assert lacking == ""
    assert compared.seeds >= 3 and compared.member == study.reference
    assert set(compared.records) == set(study.tasks)
    assert len(files.read(files.SHIPPED / STUDIES[name])) == len(study.tasks), "no record of an older recipe stays"
