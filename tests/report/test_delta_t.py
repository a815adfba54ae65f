"""Delta_T in the report: with interval, unit, protocol, reference and n; never called quality."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ednas_nni.baselines import BaselineRecord, Comparison
from ednas_nni.cli import outcome
from ednas_nni.record.journal import load
from ednas_nni.report import data, html, tables, words
from ednas_nni.report.data import SearchView, view

METRICS = {
    "segmentation": {"miou": "max", "pixel_accuracy": "max"},
    "depth": {"abs_error_m": "min", "rel_error": "min", "delta1": "max"},
    "normals": {"mean_deg": "min", "within_30": "max"},
}


def references(seeds: int = 3) -> Comparison:
    """The metrics of a network of quality 0.4, a little better with every seed."""
    base = {
        "miou": 0.34, "pixel_accuracy": 0.65, "abs_error_m": 0.66, "rel_error": 0.25, "delta1": 0.54,
        "mean_deg": 25.2, "within_30": 0.59,
    }  # fmt: skip
    records = {}
    for task, ways in METRICS.items():
        specs = {n: {"unit": "1", "direction": w, "protocol": "standard", "in_delta_t": True} for n, w in ways.items()}
        identity = {"task": task, "data": {"name": "rooms"}, "architecture": {"member": "mobilenet_v2_small"}}
        runs = tuple({name: base[name] * (1 + 0.01 * i) for name in ways} for i in range(seeds))
        records[task] = BaselineRecord(identity, specs, tuple(range(1000, 1000 + seeds)), runs)
    return Comparison(records)


def search(synthetic: Any, folder: Path, objectives: list[str], seeds: int = 3, **changes: Any) -> Path:
    """A journal whose trials measured delta_t; it is their `default` where quality is no objective."""
    against = references(seeds)
    study = {**synthetic.study, "objectives": objectives, "reference": "mobilenet_v2_small"}
    head = {"study": study, "references": json.loads(json.dumps(against.dump())), **changes}
    path = synthetic.write(folder / "abcd", **head)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if line["event"] == "result":
            metrics = line["metrics"]
            metrics["delta_t"] = against.delta_t(against.nested(metrics))
            if "quality" not in objectives:
                metrics |= {"quality": metrics["default"], "default": metrics["delta_t"]}
    return synthetic.dump(folder / "abcd", lines)


@pytest.fixture
def ranked_by_delta_t(synthetic: Any, tmp_path: Path) -> SearchView:
    return view(load(search(synthetic, tmp_path, ["delta_t", "latency_ms"])))


@pytest.fixture
def beside_quality(synthetic: Any, tmp_path: Path) -> SearchView:
    return view(load(search(synthetic, tmp_path, ["quality", "latency_ms"])))


def test_the_interval_is_that_of_the_references(ranked_by_delta_t: SearchView) -> None:
    against = references()
    for trial in ranked_by_delta_t.results:
        found = trial.delta_t
        assert found == against.estimate([trial.metrics])
        assert found.seeds == 1 and found.low < trial.value("delta_t") < found.high
        assert words.delta_t(trial) == f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def test_the_interval_of_confirmed_values_holds_the_spread_of_the_baselines(
    ranked_by_delta_t: SearchView, tmp_path: Path
) -> None:
    """Three equal trainings have no spread of their own; their baselines have."""
    against, trial = references(), ranked_by_delta_t.results[0]
    path = ranked_by_delta_t.history.path
    again = {"event": "confirmed", "time": 1, "architecture": trial.architecture, "metrics": dict(trial.metrics)}
    again["references"] = json.loads(json.dumps(against.dump()))
    with path.open("a") as file:
        file.writelines(json.dumps({**again, "seed": 2000 + n}) + "\n" for n in range(3))
    spread = view(load(path)).record.confirmed[0].interval("delta_t")
    expected = against.estimate([trial.metrics] * 3)
    assert spread.mean == pytest.approx(trial.value("delta_t"))
    assert spread.half == pytest.approx(expected.high - expected.value) and spread.half > 0.1


def test_it_is_the_axis_and_never_called_quality(ranked_by_delta_t: SearchView) -> None:
    found = ranked_by_delta_t
    assert (found.score.key, found.y.key, found.y.axis) == ("delta_t", "delta_t", "delta_t [%]")
    assert found.best.quality == max(t.metrics["delta_t"] for t in found.results)
    assert words.best_line(found).startswith(f"The best delta_t is {found.best.quality:.2f} %, reached by")
    assert found.best.value("quality") == found.best.metrics["quality"] != found.best.quality
    groups = tables.main_columns(found)
    assert [q.key for q in groups[0][1]] == ["delta_t", "quality"]
    cells = {q.key: cell.text for q, cell in zip([q for _, g in groups for q in g], tables.rows(found, groups)[0][1],
                                                 strict=True)}  # fmt: skip
    assert re.fullmatch(r"-?\d+\.\d\d \[-?\d+\.\d\d, -?\d+\.\d\d\]", cells["delta_t"])
    sentences = words.against_members(found)
    assert sentences and all("delta_t" in sentence and "quality" not in sentence for sentence in sentences)


def test_beside_quality(beside_quality: SearchView) -> None:
    found = beside_quality
    assert (found.score.key, found.y.key) == ("quality", "quality")
    assert [q.key for q in tables.main_columns(found)[0][1]] == ["quality", "delta_t"]
    assert found.best.value("quality") == found.best.quality
    assert "Its delta_t is" in words.best_line(found) and "against mobilenet_v2_small" in words.best_line(found)


def test_it_says_what_it_means(beside_quality: SearchView) -> None:
    told = " ".join(words.honest(beside_quality))
    for part in (
        "delta_t [%]", "mobilenet_v2_small trained on one task alone", "n = 3 trainings per task",
        "seeds 1000, 1001, 1002", "protocol standard", "includes the spread of the baselines",
        "spread of a single baseline run stands in", "is optimistic",
    ):  # fmt: skip
        assert part in told, part


def test_without_a_known_spread_there_is_no_interval(synthetic: Any, tmp_path: Path) -> None:
    found = view(load(search(synthetic, tmp_path, ["delta_t"], seeds=1)))
    assert re.fullmatch(r"-?\d+\.\d\d", words.delta_t(found.best))
    assert "delta_t has no interval: a baseline was trained only once." in words.delta_t_means(found)


@pytest.mark.parametrize("damaged", [None, {}, {"depth": {}}, "text", 3])
def test_without_their_record_the_value_stands_alone(damaged: Any, synthetic: Any, tmp_path: Path) -> None:
    found = view(load(search(synthetic, tmp_path, ["delta_t", "latency_ms"], references=damaged)))
    assert found.compared is None and found.best.delta_t is None
    assert "no interval can be given" in words.delta_t_means(found)[0]


def test_a_value_measured_against_other_references_gets_no_interval(beside_quality: SearchView) -> None:
    metrics = dict(beside_quality.best.metrics)
    assert data._estimate(references(), metrics) is not None
    assert data._estimate(references(), {**metrics, "delta_t": metrics["delta_t"] + 0.1}) is None


def test_a_search_without_it_says_nothing(synthetic: Any, tmp_path: Path) -> None:
    found = view(load(synthetic.write(tmp_path / "abcd")))
    assert words.delta_t_means(found) == [] and "delta_t" not in words.best_line(found)
    assert [q.key for q in tables.main_columns(found)[0][1]] == ["quality"]


def test_the_page(synthetic: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = search(synthetic, tmp_path, ["delta_t", "latency_ms"])
    page = html.write(journal, tmp_path / "out").read_text(encoding="utf-8")
    assert "Best delta_t" in page and "Best quality" not in page and "best quality" not in page
    outcome.show(load(journal))
    told = capsys.readouterr().out
    assert "delta_t [%]" in told and "protocol standard" in told and "optimistic" in told
    assert re.search(r"-?\d+\.\d\d \[-?\d+\.\d\d, -?\d+\.\d\d\]", told)
