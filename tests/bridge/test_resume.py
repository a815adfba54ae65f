"""Resume, with a scripted manager that says things in NNI's real order."""

from __future__ import annotations

import copy
import errno
import json
import logging
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ednas_nni.bridge import catching_up
from ednas_nni.bridge import session as sessions
from ednas_nni.bridge.search import Search
from ednas_nni.errors import JournalError
from ednas_nni.record import events
from ednas_nni.record.journal import History, TrialRecord
from ednas_nni.search.shell import AskTellStrategy
from tests.bridge.scripted_nni import STUDY, Nni, first_session, prepared, session, until


def by_job(search: Search, nni: Nni) -> dict[str, TrialRecord]:
    """The first trial of the architecture that each job of NNI has."""
    trials = {trial.architecture: trial for trial in reversed(search.journal.history().trials)}
    return {job: trials[search.key_in(nni.record(job)["parameters"])] for job in nni.jobs}


def play_resume(nni: Nni, folder: Path, kind: type[Search] = Search, strategy: str = "ednas") -> Search:
    """What NNI does on a resume, in its order; returns the search after everything has ended."""
    # Meanwhile: J1 ended with a result, J2 was cancelled. J3 and J5 wait to run again, J4 runs again already.
    nni.metric("J1", {"default": 0.6})
    nni.end("J1")
    nni.end("J2", "USER_CANCELED")
    nni.jobs["J3"]["status"] = "ADD_RESUMED"
    nni.jobs["J5"]["status"] = "ADD_RESUMED"
    recovered = [{**nni.record(job), "parameter_source": "resumed"} for job in ("J3", "J4", "J5")]
    with session(nni, folder, resumed=True, strategy=strategy, kind=kind) as search:
        # J4 ended while the Advisor still imported torch, and NNI asked for the next trial at once.
        for message in (nni.metric("J4", {"default": 0.7}), nni.end("J4"), ("ready", 1)):
            search.on_message(*message)
        time.sleep(0.1)
        assert len(nni.jobs) == 6 or kind is not Search, "nothing may be submitted before NNI has told what it resumed"
        search.on_message("recover", recovered)
        search.on_message("ready", 5)
        search.on_message("ping", None)
        nni.jobs["J3"]["status"] = nni.jobs["J5"]["status"] = "RUNNING"
        for job, value in (("J3", 0.3), ("J5", 0.55)):
            search.on_message(*nni.metric(job, {"default": value}))
            search.on_message(*nni.end(job))
        until(lambda: len(nni.jobs) == 8)
        for job in ("J6", "J7"):
            search.on_message(*nni.metric(job, {"default": 0.2}))
            search.on_message(*nni.end(job))
        nni.state = "DONE"
        search.on_message("ping", None)
    return search


def check(search: Search, nni: Nni, before: History) -> None:
    trials = by_job(search, nni)
    found = {job: (trial.status, trial.quality) for job, trial in trials.items()}
    expected = {"J0": 0.5, "J1": 0.6, "J3": 0.3, "J4": 0.7, "J5": 0.55, "J6": 0.2, "J7": 0.2}
    expected = {job: ("trained", value) for job, value in expected.items()} | {"J2": ("cancelled", None)}
    strategy = search.assembled.strategy
    if not isinstance(strategy, AskTellStrategy):  # a replayed strategy may ask for the cancelled one again
        found, expected = ({k: v for k, v in d.items() if k not in ("J6", "J7")} for d in (found, expected))
    assert found == expected
    assert trials["J2"].cause == "cancelled by the user or killed by a signal"
    history = search.journal.history()
    assert len(history.trials) == 8, "every job is one trial, and none is trained twice"
    assert {t.trial for t in before.trials} == {t.trial for t in history.trials[: len(before.trials)]}
    numbers = [r["parameter_id"] for r in nni.records if r["parameter_id"] is not None]
    assert len(numbers) == len(set(numbers))
    assert history.finished.startswith("every trial")
    assert not search.engine._running


@pytest.mark.parametrize("strategy", ["ednas", "random"])
def test_resume_in_nnis_order(nni: Nni, tmp_path: Path, strategy: str) -> None:
    before = first_session(nni, tmp_path, strategy)
    check(play_resume(nni, tmp_path, strategy=strategy), nni, before)


class Hasty(Search):
    """Broken on purpose: takes the early request for trials for the signal that everything is known."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._recovered = True


def test_the_check_rejects_a_search_that_does_not_wait_for_the_recovered_trials(nni: Nni, tmp_path: Path) -> None:
    before = first_session(nni, tmp_path)
    with pytest.raises(AssertionError):
        check(play_resume(nni, tmp_path, Hasty), nni, before)


def test_the_check_rejects_taking_a_resumed_job_for_an_ended_one(
    nni: Nni, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catching_up, "ENDED", (*catching_up.ENDED, "ADD_RESUMED"))
    before = first_session(nni, tmp_path)
    with pytest.raises(AssertionError):
        check(play_resume(nni, tmp_path), nni, before)


class NewEyes(Search):
    """Broken on purpose: a recovered trial of the web UI counts as lost until its first message."""

    def _recover(self, records: list[dict[str, Any]]) -> None:
        super()._recover(records)
        self._awaited.clear()


def test_the_check_rejects_giving_a_trial_of_the_web_ui_up(nni: Nni, tmp_path: Path) -> None:
    before = first_session(nni, tmp_path)
    with pytest.raises(AssertionError):
        check(play_resume(nni, tmp_path, NewEyes), nni, before)


def told(search: Search) -> dict[str, Any]:
    return search.assembled.strategy.core.state_dict()["told"]


@pytest.mark.parametrize("state", ["as it was", "missing", "damaged", "another version", "half"])
def test_the_strategy_knows_every_result_after_a_resume(
    nni: Nni, tmp_path: Path, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    first_session(nni, tmp_path)
    nni.metric("J1", {"default": 0.6})
    nni.end("J1")
    path = tmp_path / "ednas" / sessions.STATE
    data = json.loads(path.read_text())
    match state:
        case "missing":
            path.unlink()
        case "damaged":
            path.write_text('{"core": {"vers')
        case "another version":
            path.write_text(json.dumps({"core": {**data["core"], "version": 99}}))
        case "half":
            path.write_text(json.dumps({"core": {k: v for k, v in data["core"].items() if k != "told"}}))
    with caplog.at_level(logging.INFO, "nni.ednas"), session(nni, tmp_path, resumed=True) as search:
        values = sorted(max(known["values"]) for known in told(search))
        qualities = sorted(t.quality for t in search.journal.history().trials if t.status == "trained")
        assert len(values) == len(qualities) == 2
        assert qualities == [0.5, 0.6]
        for quality in qualities:
            assert any(quality in known["values"] for known in told(search))
    assert ("is not used" in caplog.text) == (state in ("damaged", "another version", "half"))


def test_a_state_that_cannot_be_saved_ends_no_search(
    nni: Nni, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The disk is full for the state alone: the search goes on, and a resume knows what the journal knows."""

    def full(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sessions, "write_whole", full)
    before = first_session(nni, tmp_path)
    assert "No space left on device" in caplog.text and "rebuilds it from the journal" in caplog.text
    assert not (tmp_path / "ednas" / sessions.STATE).exists()
    assert [t.quality for t in before.trials if t.status == "trained"] == [0.5]
    with session(nni, tmp_path, resumed=True) as search:
        assert len(told(search)) == 1


def test_a_job_is_booked_once_whatever_its_architecture(nni: Nni, tmp_path: Path) -> None:
    """J0 is in the journal; a second open trial of its architecture must not inherit its result."""
    first_session(nni, tmp_path)
    with session(nni, tmp_path, resumed=True) as search:
        record = by_job(search, nni)["J0"]
        search.journal.append(
            events.Submitted(trial=90, architecture=record.architecture, sample=record.sample, costs=record.costs)
        )
        late = catching_up.CatchingUp(search.journal, search.key_in, search._submitted, lambda job: None)
        found = late.run(nni.trials(), nni.finals())
        assert found.jobs == {"J0"}, "its late messages are to be ignored"
        assert search.journal.history().trials[-1].status == "running"
        twin = {**nni.jobs["J0"], "trialJobId": "J90"}
        finals = {job: {"default": 0.5} for job in ("J90", "J91")}
        found = late.run([twin, {**twin, "trialJobId": "J91"}], finals)
        assert found.jobs == {"J90"}


@pytest.mark.parametrize("copy_ends", ["FAILED", "SUCCEEDED"])
def test_a_copy_of_a_running_trial_is_a_trial_of_its_own(nni: Nni, tmp_path: Path, copy_ends: str) -> None:
    """ "Customized trial" in the web UI with the parameters of one that runs: the first one's result stays."""
    with session(nni, tmp_path, resumed=False) as search:
        search.on_message("ready", 5)
        until(lambda: len(nni.jobs) == 5)
        copy = nni.start({"parameter_id": None, "parameters": nni.record("J2")["parameters"]})
        search.on_message(*nni.metric(copy, {"default": 0.1}, "PERIODICAL"))
        for message in (nni.metric("J2", {"default": 0.62}), nni.end("J2")):
            search.on_message(*message)
        if copy_ends == "SUCCEEDED":
            search.on_message(*nni.metric(copy, {"default": 0.4}))
        search.on_message(*nni.end(copy, copy_ends))
        history = search.journal.history()
    first, second = (t for t in history.trials if t.architecture == history.trials[2].architecture)
    assert (first.trial, first.job, first.status, first.quality) == (2, "J2", "trained", 0.62)
    assert (second.job, second.status) == (copy, "trained" if copy_ends == "SUCCEEDED" else "failed")
    assert history.results[first.architecture].quality == 0.62


def test_a_trial_by_hand_outside_the_constraints_is_noted(nni: Nni, tmp_path: Path) -> None:
    with session(nni, tmp_path, resumed=False) as search:
        search.on_message("ready", 5)
        rng = np.random.default_rng(0)
        drawn = (search.problem.domains.random(rng) for _ in range(10_000))
        sample = next(s for s in drawn if search.problem.violations(s))
        until(lambda: len(nni.jobs) == 5)
        job = nni.start({"parameter_id": None, "parameters": sample})
        search.on_message(*nni.metric(job, {"default": 0.4}))
        (note,) = search.journal.history().notes
    assert note.kind == "added_by_hand"
    assert "latency_ms_upper90 is" in note.text


def test_the_search_ends_when_nni_says_so(nni: Nni, tmp_path: Path) -> None:
    """MaxExperimentDuration: fewer trials than allowed; and a raised limit opens the search again."""
    with session(nni, tmp_path, resumed=False) as search:
        search.on_message("ready", 5)
        until(lambda: len(nni.jobs) == 5)
        nni.state = "NO_MORE_TRIAL"
        time.sleep(0.1)
        for job in list(nni.jobs):
            search.on_message(*nni.metric(job, {"default": 0.4}))
            search.on_message(*nni.end(job))
        assert search.journal.history().finished is None
        nni.state = "DONE"
        time.sleep(0.1)
        search.on_message("ping", None)
        assert "maxExperimentDuration" in search.journal.history().finished
        assert len(nni.jobs) == 5
        nni.state = "RUNNING"
        until(lambda: len(nni.jobs) == 8)
        until(lambda: search.journal.history().finished is None)


def test_the_end_waits_for_the_last_models(nni: Nni, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A strategy of NNI may return at once; what it submitted is still being trained."""
    with session(nni, tmp_path, resumed=False, strategy="random") as search:
        monkeypatch.setattr(search.chain._strategy.__class__, "_run", _submit_two)
        search.on_message("ready", 5)
        until(lambda: len(nni.jobs) == 2)
        time.sleep(0.3)
        assert search.journal.history().finished is None
        for job in list(nni.jobs):
            search.on_message(*nni.metric(job, {"default": 0.4}))
            search.on_message(*nni.end(job))
        until(lambda: search.journal.history().finished is not None)


def _submit_two(strategy: Any) -> None:
    problem, rng = strategy.engine.engine.problem, np.random.default_rng(1)
    drawn = [problem.domains.random(rng) for _ in range(500)]
    for sample in [s for s in drawn if not problem.violations(s)][:2]:
        strategy.engine.submit_models(strategy.model_space.freeze(sample))


def test_both_threads_may_finish_and_one_line_is_written(nni: Nni, tmp_path: Path) -> None:
    with session(nni, tmp_path, resumed=False) as search:
        real = search.journal.append

        def slow(event: str, **fields: Any) -> dict[str, Any]:
            time.sleep(0.05)
            return real(event, **fields)

        search.journal.append = slow
        threads = [threading.Thread(target=search.finish, args=(f"reason {i}",)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (tmp_path / "ednas" / "journal.jsonl").read_text().count('"finished"') == 1


def test_another_study_is_refused_before_anything_is_booked(nni: Nni, tmp_path: Path) -> None:
    first_session(nni, tmp_path)
    nni.end("J1", "FAILED")
    path = tmp_path / "ednas" / "journal.jsonl"
    before = path.read_bytes()
    with pytest.raises(JournalError, match="belongs to a study"):
        prepared(nni, tmp_path, True, {**STUDY, "seed": 4})
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("data", "0123456789abcdef", "has another content .* results on different data are not comparable"),
        ("python", "3.10.1", r"on Python 3\.10\.1 in .* Activate that environment\. Or start a new experiment"),
        ("ednas", "0.0.1", r"the search runs EDNAS 0\.0\.1 on"),
        ("domains", None, "is not the one that the search began with"),
    ],
)
def test_what_has_changed_since_the_start_is_refused_before_anything_is_booked(
    nni: Nni, tmp_path: Path, field: str, value: Any, message: str
) -> None:
    """Each trial would refuse it too, and its architecture would count as failed for ever."""
    first_session(nni, tmp_path)
    path = tmp_path / "ednas" / "journal.jsonl"
    head, *rest = path.read_text().splitlines(keepends=True)
    told = json.loads(head)
    told[field] = value if field != "domains" else other_values(told["domains"])
    path.write_text(json.dumps(told) + "\n" + "".join(rest))
    before = path.read_bytes()
    with pytest.raises(JournalError, match=message):
        prepared(nni, tmp_path, True)
    assert path.read_bytes() == before


def test_a_head_that_does_not_tell_its_data_is_gone_on_with(nni: Nni, tmp_path: Path) -> None:
    first_session(nni, tmp_path)
    path = tmp_path / "ednas" / "journal.jsonl"
    head, *rest = path.read_text().splitlines(keepends=True)
    told = {name: value for name, value in json.loads(head).items() if name != "data"}
    path.write_text(json.dumps(told) + "\n" + "".join(rest))
    with session(nni, tmp_path, resumed=True) as search:
        assert search.journal.history().starts[-1].mode == "resume"


def other_values(domains: Any) -> Any:
    """The domains of a space with one choice more."""
    found = copy.deepcopy(domains)
    first = found["dimensions"][0] if isinstance(found, dict) else found[0]
    first["values"].append("another")
    return found
