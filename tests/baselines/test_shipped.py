"""What ships fits the studies that ship; where a change of the recipe made it stale, `make references` mends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ednas_nni.baselines import files
from ednas_nni.search.assembled import Assembled
from ednas_nni.study import read_experiment

REPOSITORY = Path(__file__).resolve().parents[2]
STUDIES = {
    "rooms.json": ("separate.yml",),
    "rooms_compound.json": ("separate.yml", "space=compound", "reference=mobilenet_v2_050"),
    "streets.json": ("streets.yml",),
}
"""File of records -> its study, and what `make references` sets in it."""


@pytest.mark.parametrize("file", STUDIES)
def test_the_shipped_references_fit_the_shipped_studies(file: str, cache: Path) -> None:
    if not (files.SHIPPED / file).exists():
        pytest.skip("not made yet: make references")
    name, *changes = STUDIES[file]
    _, study = read_experiment(REPOSITORY / "experiments" / name, changes)
    compared, lacking = Assembled(study, f"experiments/{name}").baselines
    assert lacking == ""
    assert compared.seeds >= 3 and compared.member == study.reference
    assert set(compared.records) == set(study.tasks)
    assert len(files.read(files.SHIPPED / file)) == len(study.tasks), "no record of an older recipe stays"
