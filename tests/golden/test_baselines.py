"""Identities of the shipped single-task baselines, and what `delta_t` some fixed metrics get against them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.golden import recorded
from tests.golden.product import Assembled, Comparison, files, find, identities, parse, read_experiment

STUDIES = {"ednas.yml": "rooms.json", "streets.yml": "streets.json"}


def study_of(name: str) -> Any:
    """By the name at the time of recording, when the study that trains every network alone was the shipped one."""
    former, today = recorded.STUDIES / "separate.yml", recorded.REPOSITORY / "experiments" / name
    return read_experiment(former if name == "ednas.yml" else today)[1]


def metrics(compared: Comparison) -> list[dict[str, float]]:
    """Of three trainings: a fixed relative change of each metric of the references."""
    runs = []
    for run in range(3):
        flat, number = {}, 0
        for task, means in sorted(compared.means().items()):
            for name, value in sorted(means.items()):
                number += 1
                flat[f"{task}_{name}"] = value * (1 + 0.01 * ((number * 7 + run * 3) % 11 - 4))
        runs.append(flat)
    return runs


def facts(name: str, nowhere: Path = Path("nowhere"), factor: float = 1.0) -> dict[str, Any]:
    """Identities and delta_t of a study; only shipped references count."""
    wanted = identities(Assembled(study_of(name)))
    compared = find(wanted, nowhere)
    runs = [{metric: value * factor for metric, value in run.items()} for run in metrics(compared)]
    return recorded.plain(
        {
            "identities": wanted,
            "runs": {task: len(record.runs) for task, record in compared.records.items()},
            "means": compared.means(),
            "delta_t": [compared.delta_t(compared.nested(run)) for run in runs],
            "once": asdict(compared.estimate(runs[:1])),
            "three times": asdict(compared.estimate(runs)),
        }
    )


def record() -> None:
    recorded.write("baselines", {name: facts(name) for name in STUDIES})


@pytest.mark.parametrize("name", STUDIES)
def test_identities_and_delta_t(name: str) -> None:
    found, expected = facts(name), recorded.read("baselines")[name]
    assert found["identities"] == expected["identities"]
    for key in ("runs", "means"):
        assert found[key] == expected[key]
    for key in ("delta_t", "once", "three times"):
        assert _close(found[key], expected[key]), key


@pytest.mark.parametrize("name", STUDIES)
def test_the_shipped_records_have_these_identities(name: str) -> None:
    shipped = {known.identity["task"]: known.identity for known in files.read(files.SHIPPED / STUDIES[name])}
    assert recorded.plain(shipped) == recorded.read("baselines")[name]["identities"]


def _close(found: Any, expected: Any) -> bool:
    """To the last digits that a sum in another order may change."""
    if isinstance(expected, dict):
        return set(found) == set(expected) and all(_close(found[k], expected[k]) for k in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(_close, found, expected))
    return found == (pytest.approx(expected, rel=1e-12) if isinstance(expected, float) else expected)


def test_another_recipe_or_metric_is_noticed() -> None:
    """The broken variants: other steps are another identity, a percent more of each metric another delta_t."""
    plain, expected = study_of("ednas.yml").dump(), recorded.read("baselines")["ednas.yml"]
    changed = parse({**plain, "evaluator": {**plain["evaluator"], "steps": 501}})
    assert recorded.plain(identities(Assembled(changed))) != expected["identities"]
    assert not _close(facts("ednas.yml", factor=1.01)["three times"], expected["three times"])
