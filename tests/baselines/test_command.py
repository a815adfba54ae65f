"""`ednas reference`, and what `ednas check` says of references."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ednas_nni.baselines import making
from ednas_nni.baselines.identity import single_task
from ednas_nni.cli import main
from ednas_nni.search.assembled import Assembled
from ednas_nni.study import Study
from tests.bridge.experiments import write_experiment

Build = Callable[..., Study]


@pytest.fixture
def write(tmp_path: Path, make_study: Build) -> Callable[..., str]:
    """An experiment's file; keyword arguments replace fields of the study."""

    def make(**fields: Any) -> str:
        study = {name: value for name, value in make_study(**fields).dump().items() if value is not None}
        return str(write_experiment(tmp_path, "tiny", study, trials=2))

    return make


@pytest.fixture(autouse=True)
def _pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(assembled: Assembled, task: str, seed: int) -> dict[str, float]:
        metrics = assembled.of(single_task(assembled.study, task)).tasks[task].metrics
        return {"train_s": 1.0} | {f"{task}_{m.name}": 0.5 + (seed - 1000) / 100 for m in metrics}

    monkeypatch.setattr(making, "train", train)


def test_it_prints_and_records(
    write: Callable[..., str], cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(objectives=["delta_t", "macs"], device=["macs"])
    assert main(["reference", file, "--seeds", "2", "--workers", "1"]) == 0
    told = capsys.readouterr().out
    row = next(line for line in told.splitlines() if "abs_error_m" in line)
    assert row.split() == ["depth", "abs_error_m", "m", "smaller", "0.505", "0.00707", "2", "standard"]
    assert "rmse_m *" in told and "* does not enter delta_t. 4 trained now." in told and "scored on search" in told
    assert told.count("wrote ") == 2 and str(cache / "references") in told

    assert main(["check", file]) == 0
    told = capsys.readouterr().out
    against = "mobilenet_v2_small: delta_t against 2 single-task trainings per task, protocol standard"
    assert next(line for line in told.splitlines() if line.startswith("  reference")).split(maxsplit=1)[1] == against
    assert "high delta_t, low macs (delta_t: mean gain over one network per task, in percent)" in told
    assert main(["reference", file, "--seeds", "2"]) == 0
    assert "0 trained now" in capsys.readouterr().out


def test_a_single_training_is_said_to_be_one(
    write: Callable[..., str], cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reference", write(tasks=["depth"]), "--seeds", "1", "--workers", "1"]) == 0
    found = capsys.readouterr()
    assert "depth: one training says nothing of the spread; delta_t will have no interval." in found.err
    assert next(line for line in found.out.splitlines() if "rel_error" in line).split()[-3:] == ["-", "1", "standard"]


@pytest.mark.parametrize(
    ("fields", "arguments", "told"),
    [
        ({"reference": None}, [], "reference: is missing. Name the member"),
        ({"reference": "mobilenet"}, [], "reference: Unknown member 'mobilenet' of the search space. Did you mean"),
        ({}, ["--seeds", "0"], "seeds is 0; at least 1 training is needed"),
        ({}, ["--workers", "0"], "workers is 0"),
        ({"evaluator": {"steps": -1}}, [], "evaluator.steps = -1: must be at least 1."),
    ],
)
def test_mistakes(
    fields: dict[str, Any],
    arguments: list[str],
    told: str,
    write: Callable[..., str],
    cache: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["reference", write(**fields), *arguments]) == 1
    found = capsys.readouterr().err
    assert told in found and "Traceback" not in found


def test_a_check_without_references_is_only_a_warning(
    write: Callable[..., str], cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(objectives=["quality", "macs"], device=["macs"])
    assert main(["check", file]) == 0
    found = capsys.readouterr()
    assert "not measured on one task alone yet, so there is no delta_t" in found.out
    assert "note: no delta_t (gain over one network per task): " in found.err and f"ednas reference {file}" in found.err
