"""A real experiment through nnictl: what NNI shows, what the journal holds, stop, update, resume; a wrong study."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ednas_nni.bridge.verify import disagreements, nni_records

pytestmark = pytest.mark.nni


def test_it_is_done_without_an_error(run) -> None:
    assert run.seen["status"] == {"status": "DONE", "errors": []}
    assert run.seen["status after resume"] == {"status": "DONE", "errors": []}
    assert "every trial" in run.histories["end"].finished


def test_a_search_is_reachable_from_this_machine_only(run) -> None:
    """The port answered all requests of the other tests on 127.0.0.1."""
    assert run.seen["status"]["status"] == "DONE"
    assert run.seen["open"] == []
    kinds = {note.kind for note in run.histories["end"].notes}
    assert "open_port" not in kinds
    assert "WARNING" not in run.seen["space"]


def test_strangers_are_refused(run) -> None:
    assert run.seen["attacks"] == {"HTTP/1.1 403 Forbidden"}


def test_nni_shows_the_real_space_and_readable_labels(run) -> None:
    domains = run.histories["end"].head.search_space()
    assert run.seen["space"] == domains.as_nni()
    for trial in run.seen["trials"]:
        parameters = json.loads(trial["hyperParameters"][0])["parameters"]
        assert parameters == domains.active(domains.complete(parameters)), "no choice of a block that is not there"
        assert all("layerchoice" not in label for label in parameters)


def test_nni_shows_what_networks_cost(run) -> None:
    """Web UI, `trial ls` and `experiment export` show what the final metric holds; the journal keeps them apart."""
    first = run.histories["first"]
    trained = {t.job: t for t in first.trials if t.status == "trained"}
    rows = {row["trialJobId"]: json.loads(row["value"]) if isinstance(row["value"], str) else row["value"]
            for row in json.loads(run.seen["export"].read_text(encoding="utf-8"))}  # fmt: skip
    assert rows and set(rows) == set(trained)
    for job, trial in trained.items():
        assert trial.costs.items() <= {k: v for k, v in rows[job].items()}.items()
        assert not set(trial.costs) & set(trial.metrics)


def test_the_end_is_announced(run) -> None:
    log = (run.folder / "log" / "nnictl_stdout.log").read_text(encoding="utf-8")
    assert f"Report: ednas report {run.folder.name}" in log


def test_intermediate_results_draw_curves(run) -> None:
    curves: dict[str, int] = {}
    for metric in run.seen["metrics"]:
        if metric["type"] == "PERIODICAL":
            curves[metric["trialJobId"]] = curves.get(metric["trialJobId"], 0) + 1
    trained = [t for t in run.histories["first"].trials if t.status == "trained"]
    assert trained
    assert all(curves[t.job] == 3 == len(t.intermediates) for t in trained)


def test_failures_have_their_cause(run) -> None:
    failed = [t for t in run.histories["end"].trials if t.status == "failed"]
    assert failed
    assert {t.cause for t in failed} == {"the stub evaluator was told to fail for this architecture"}
    assert all(t.quality is None for t in failed)


def test_export_holds_the_finished_trials(run) -> None:
    exported = json.loads(run.seen["export"].read_text(encoding="utf-8"))
    trained = [t for t in run.histories["first"].trials if t.status == "trained"]
    assert {row["trialJobId"] for row in exported} == {t.job for t in trained}


def test_journal_and_nni_agree(run) -> None:
    records = nni_records(run.folder)
    assert len(records) == 7
    assert disagreements(run.histories["end"], records) == []


def test_agreement_check_rejects_swapped_parameters(run) -> None:
    records = [r for r in nni_records(run.folder) if r.proven]
    first, second = records[:2]
    swapped = [
        replace(first, parameters=second.parameters),
        replace(second, parameters=first.parameters),
        *records[2:],
    ]
    assert len(disagreements(run.histories["end"], swapped)) >= 2


def test_constraints_hold(run) -> None:
    assert all(t.costs["latency_ms_upper90"] <= 24 for t in run.histories["end"].trials)


def test_update_trialnum_wakes_a_finished_experiment(run) -> None:
    assert run.histories["first"].finished is not None
    assert len(run.histories["end"].trials) > 4


def test_a_wrong_study_tells_why_in_nni(wrong, run) -> None:
    """Where people look: NNI's interface and the log."""
    wrong.wait(lambda: wrong.manager.status()["status"] == "ERROR", "the error", 60)
    text = "Unknown strategies plugin 'edans'. Did you mean 'ednas'?"
    assert text in wrong.manager.experiment()["params"]["searchSpace"]["error"]["_value"][0]
    log = (wrong.folder / "log" / "dispatcher.log").read_text(encoding="utf-8")
    assert text in log
    assert "Traceback" not in log


def test_stop_leaves_no_process(run) -> None:
    assert run.seen["left after stop"] == []


def test_resume_trains_nothing_twice_and_loses_nothing(run) -> None:
    before, after = run.histories["stopped"], run.histories["end"]
    assert set(before.results) <= set(after.results)
    trained = [t.architecture for t in after.trials if t.status == "trained"]
    assert len(trained) == len(set(trained))
    numbers = [t.trial for t in after.trials]
    assert len(numbers) == len(set(numbers))
    assert [s.mode for s in after.starts] == ["create", "resume"]
    assert not [t for t in after.trials if t.status == "running"]


def test_equal_journals_sequential_and_nnictl(run, monkeypatch, tmp_path) -> None:
    """The same study gives the same architectures, costs and qualities on another engine."""
    import ednas_nni

    bridge = run.histories["end"]
    monkeypatch.setenv("HOME", str(tmp_path))
    search = ednas_nni.experiment(bridge.head.study, engine="sequential", trials=4)
    search.run()
    search.stop()
    sequential = search.journal.history()
    assert _essence(sequential, 4) == _essence(bridge, 4)
    broken = [(a, {**c, "macs": 0.0}, s, q) for a, c, s, q in _essence(sequential, 4)]
    assert broken != _essence(bridge, 4)


def _essence(history, count: int) -> list[tuple]:
    """What a journal says, without times, jobs and processes; a failed trial has no quality."""
    return [(t.architecture, t.costs, t.status, t.quality) for t in history.trials[:count]]
