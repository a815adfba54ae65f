"""The view of a search: the front, statuses, odd journals."""

from __future__ import annotations

import json

import pytest

from ednas_nni.cli import outcome
from ednas_nni.record.front import front_keys
from ednas_nni.record.head import CostRecord, TaskRecord
from ednas_nni.record.journal import load
from ednas_nni.record.quantities import cost_quantities, metric_quantities, spelled, unit_in
from ednas_nni.report import words
from ednas_nni.report.choices import blocks, split_label
from ednas_nni.report.data import view
from ednas_nni.study.objectives import parse_objective
from tests.handover.conftest import confirmed, key, made

__all__ = ["made"]


@pytest.fixture
def search(synthetic, tmp_path):
    return view(load(synthetic.write(tmp_path / "abc", trials=30)))


def reference_front(trials, sign=1):
    """Ten lines without numpy: first result of each architecture that no other one dominates."""
    first = {}
    for trial in trials:
        if trial.status == "trained" and trial.quality is not None:
            first.setdefault(trial.architecture, trial)
    points = [(sign * t.quality, -t.costs["latency_ms"], t.number) for t in first.values()]
    return {n for q, c, n in points if not any(a >= q and b >= c and (a, b) != (q, c) for a, b, _ in points)}


def test_front_is_what_nothing_dominates(search):
    assert {trial.number for trial in search.front} == reference_front(search.trials)
    assert len(search.front) > 2
    assert list(search.front) == sorted(search.front, key=lambda trial: trial.costs["latency_ms"])


def test_front_with_a_wrong_direction_is_noticed(search):
    points = {t.number: (t.metrics, t.costs) for t in search.results}
    wrong = set(front_keys(points, (parse_objective("min:quality"), parse_objective("latency_ms"))))
    assert wrong != reference_front(search.trials)
    assert wrong == reference_front(search.trials, sign=-1)


def test_failed_and_running_trials_have_no_quality(search):
    assert all(trial.quality is None for trial in search.trials if trial.status != "trained")
    assert not any(trial.front for trial in search.trials if trial.quality is None)
    assert search.count("failed") == 3


def test_best_is_the_highest_quality(search):
    assert search.best.quality == max(trial.quality for trial in search.trials if trial.quality is not None)


def test_best_meets_the_limits_and_the_next_command_names_what_the_page_calls_best(made):
    """Architecture 5 is outside the limit; 4 led the search, and 2 is better with fresh seeds."""
    search = view(made().history)
    assert search.best.architecture == key(4) and len(search.results) == 5
    again = view(made(extra=[*confirmed(4, 0.2, 0.2), *confirmed(2, 0.38, 0.4)]).history)
    assert key(2) in words.best_line(again)
    assert words.next_commands(again)[-1][0] == f"ednas train made {key(2)}"


def test_inherited_scores_are_not_called_trainings(made):
    search = view(made(inherits=True).history)
    assert "(6 scored)" in words.how_many(search)
    assert all("trained" not in line for line in words.against_members(search))


@pytest.mark.parametrize(("inherits", "cure"), [(True, "evaluator.supernet.steps"), (False, "evaluator.steps")])
def test_scores_that_order_nothing_are_called_that(synthetic, tmp_path, capsys, inherits, cure):
    def told(best: float) -> tuple[str, str]:
        path = synthetic.write(tmp_path / "abc", trials=4, inherits=inherits)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            if line["event"] == "result":
                line["metrics"]["default"] = best - 0.01 * line["trial"]
        history = load(synthetic.dump(tmp_path / "abc", lines))
        outcome.show(history)
        return words.unlearned(view(history)), " ".join(capsys.readouterr().out.split())

    sentence, printed = told(0.0013)
    assert sentence in printed and cure in sentence and "luck" in sentence
    assert told(0.05)[0] == ""


def test_median_of_an_even_count(synthetic, tmp_path):
    path = synthetic.write(tmp_path / "abc", trials=2)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if line["event"] == "ended" and line["trial"] == 1:
            line["time"] += 60
    assert dict(words.seconds_line(view(load(synthetic.dump(tmp_path / "abc", lines)))))["median trial (n = 2)"] == (
        "1:15 min"
    ), "45 s and 105 s"


def test_member_is_marked_by_its_name(search):
    assert [trial.name for trial in search.named] == ["mobilenet_v2"]


def test_member_without_a_readable_space_is_not_an_error(synthetic, tmp_path):
    found = view(load(synthetic.write(tmp_path / "abc", members=None, domains="torn")))
    assert not found.named and found.domains is None and found.front


def test_a_trial_trained_twice_counts_once(synthetic, tmp_path):
    path = synthetic.write(tmp_path / "abc", trials=4)
    events = [json.loads(line) for line in path.read_text().splitlines()]
    extra = [dict(e, trial=90) for e in events if e.get("trial") == 1 and e["event"] != "reused"]
    for event in extra:
        if event["event"] == "result":
            event["metrics"] = {**event["metrics"], "default": 0.99}
    found = view(load(synthetic.dump(tmp_path / "abc", events + extra)))
    assert len([trial for trial in found.trials if trial.quality is not None]) == 5
    assert len(found.results) == 4
    assert 90 not in {trial.number for trial in found.front}


def test_only_the_last_run_of_a_resumed_trial_draws_its_curve(synthetic, tmp_path):
    path = synthetic.write(tmp_path / "abc", trials=3)
    events = [json.loads(line) for line in path.read_text().splitlines()]
    reports = [e for e in events if e["event"] == "intermediate" and e["trial"] == 1]
    whole = view(load(path)).trials[1].curve
    torn = reports[:4] + reports
    again = [e for e in events if e not in reports]
    at = next(i for i, e in enumerate(again) if e["event"] == "result" and e["trial"] == 1)
    found = view(load(synthetic.dump(tmp_path / "abc", again[:at] + torn + again[at:]))).trials[1]
    assert found.curve == whole and len(torn) == 10 != len(whole)


def test_front_without_an_objective_leaves_the_trial_out(search):
    points = {t.number: (t.metrics, t.costs) for t in search.results}
    assert front_keys(points, (parse_objective("max:not_there"),)) == []


def test_empty_search(synthetic, tmp_path):
    path = synthetic.dump(tmp_path / "abc", [])
    found = view(load(path))
    assert found.best is None and found.front == () and found.experiment == "abc" and found.x is None


def test_metrics_are_grouped_with_units_from_the_tasks(search):
    metrics = {q.key: q for q in search.metrics}
    assert metrics["depth_abs_error_m"].unit == "m" and metrics["depth_abs_error_m"].primary
    assert metrics["depth_abs_error_m"].direction == "min"
    assert metrics["segmentation_miou"].text(0.3123) == "31.2 %"
    assert metrics["normals_within_11_25"].label == "within 11.25"
    (tasks,) = [search.head.tasks]
    miou, score = metric_quantities(tasks, [{"default": 1.0, "segmentation_miou_int8": 0.3, "quality_int8": 0.4}])
    assert (miou.label, miou.text(0.3123), miou.direction) == ("mIoU, int8", "31.2 %", "max")
    assert (score.label, score.group, score.direction) == ("quality, int8", "quality", "max")
    assert metrics["train_s"].group == "other" and metrics["train_s"].unit == "s"


def test_unknown_metrics_and_tasks_are_shown_as_they_are():
    (found,) = metric_quantities([TaskRecord(name="flow")], [{"default": 1.0, "flow_end_point_error": 2.5}])
    assert (found.key, found.group, found.label, found.direction) == (
        "flow_end_point_error",
        "flow",
        "end point error",
        "",
    )


def test_large_counts_get_one_prefix_per_column():
    macs, params = cost_quantities(
        [CostRecord(name="macs", unit="MAC", origin="counted"), CostRecord(name="params", unit="parameter")],
        [{"macs": 2.4e9, "params": 4.1e5}, {"macs": 9.0e8, "params": 9e5}],
    )
    assert macs.text(9.0e8) == "0.90 GMAC" and macs.origin == "counted"
    assert params.text(4.1e5) == "410.00 k parameters" and params.origin == "unknown origin"


@pytest.mark.parametrize(
    ("name", "unit", "text"),
    [("latency_ms", "ms", "latency"), ("macs", "", "MACs"), ("median_deg", "deg", "median"), ("rmse_m", "m", "RMSE")],
)
def test_names_for_people(name, unit, text):
    assert unit_in(name) == unit and spelled(name, unit) == text


def test_labels_are_read_in_general():
    assert split_label("stage2_block1_op") == ("stage2", "op")
    assert split_label("width") == ("network", "width")
    assert split_label("head_depth_kind") == ("head", "depth_kind")
    assert blocks({"stage1_depth": 1, "stage1_block1_op": "a", "width": 2}) == [
        ("stage1", ["a"]),
        ("network", ["width 2"]),
    ]


def test_time_has_the_supernet_in_it_and_says_so(synthetic, tmp_path):
    def clock(**changes):
        lines = words.seconds_line(view(load(synthetic.write(tmp_path / "abc", trials=6, **changes))))
        return next(line for line in lines if line[0].startswith("wall clock"))

    (name, alone), (named, both) = clock(), clock(prepared_s=3600.0)
    assert "supernet" not in name and named == f"{name}, and 1:00 h before it for the supernet"
    assert both.startswith("1:") and both.endswith(" h") and not alone.endswith(" h")
