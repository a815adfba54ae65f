"""Journals of real searches of the time of recording: read, reported, and continued where the search was killed.

`finished` is the shipped `experiments/stub.yml`; `killed` and `replayed` ended by `kill -9` of NNI's manager, the
Advisor and all trials, one under `ednas` (with its saved state), the other under NNI's `regularized_evolution`.
`tests/golden/searches.py` made them.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.golden import recorded
from tests.golden.product import (
    LOST,
    Assembled,
    Ended,
    FakeEngine,
    Session,
    SimplifiedModelSpace,
    load,
    parse,
    plugin,
    style,
    view,
    write,
    write_head,
)

NAMES = ("finished", "killed", "replayed")
CONTINUED = {"killed": True, "replayed": False, "killed, state lost": False}  # whether there is a saved state
MORE = 10


def facts(path: Path) -> dict[str, Any]:
    """What a journal tells."""
    history = load(path)
    found = view(history)
    return recorded.plain(
        {
            "trials": [[t.trial, t.architecture, t.status, t.quality, t.costs, t.cause] for t in history.trials],
            "statuses": Counter(t.status for t in history.trials),
            "events": [len(history.starts), len(history.reused), len(history.rejected), len(history.notes)],
            "curves": [len(t.intermediates) for t in history.trials],
            "finished": history.finished,
            "digest": parse(history.head.study).digest,
            "best": found.best.architecture,
            "front": [[t.architecture, t.value("quality"), t.value("latency_ms")] for t in found.front],
        }
    )


def continued(name: str, folder: Path, known: bool = True, state: bool | None = None) -> dict[str, Any]:
    """The next architectures of a search that was killed, as a resume asks for them.

    Args:
        name: A key of `CONTINUED`.
        folder: Where the copy goes.
        known: Whether the journal's results are there (the broken variant: they are not).
        state: Whether the saved state is; as `CONTINUED` says by default.
    """
    shutil.copytree(recorded.JOURNALS / name.partition(",")[0], folder, dirs_exist_ok=True)
    if not (CONTINUED[name] if state is None else state):
        (folder / "ednas" / "strategy.json").unlink(missing_ok=True)
    path = folder / "ednas" / "journal.jsonl"
    if not known:
        path.write_text(path.read_text(encoding="utf-8").split("\n")[0] + "\n", encoding="utf-8")
    study = parse(load(path).head.study)
    assembled = Assembled(study)
    problem = assembled.problem
    stub = plugin("evaluators", study.evaluator.name)()
    session = Session(assembled, folder)
    journal = session.journal
    try:
        # It checks digest, space and data; the program's version and place are those of the sequential engine.
        write_head(journal, folder.name, assembled, engine="sequential")
        chain = session.mount()
        engine = FakeEngine(lambda sample: {"default": stub.quality(sample)}, MORE)
        chain.initialize(SimplifiedModelSpace.from_model(assembled.space, None), engine)
        session.restore()
        for trial in list(journal.history().trials):
            if trial.status == "running":
                journal.append(Ended(trial=trial.trial, job=trial.job, status="cancelled", cause=LOST))
        chain.run()
        engine.wait_models()
    finally:
        journal.close()
    history = load(path)
    return {
        "asked": [problem.domains.architecture_id(sample) for sample in engine.submitted],
        "trials": len(history.trials),
        "reused": len(history.reused),
        "statuses": dict(Counter(t.status for t in history.trials)),
    }


def results(name: str) -> set[str]:
    """Architectures of a recorded journal that have a result."""
    return set(load(recorded.JOURNALS / name.partition(",")[0] / "ednas" / "journal.jsonl").results)


def record() -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        recorded.write(
            "journals",
            {
                "read": {name: facts(recorded.JOURNALS / name / "ednas" / "journal.jsonl") for name in NAMES},
                "continued": {name: continued(name, Path(folder) / name) for name in CONTINUED},
            },
        )


@pytest.mark.parametrize("name", NAMES)
def test_read(name: str) -> None:
    assert facts(recorded.JOURNALS / name / "ednas" / "journal.jsonl") == recorded.read("journals")["read"][name]


@pytest.mark.parametrize("name", NAMES)
def test_reported(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "DPI", 40)
    page = write(recorded.JOURNALS / name, tmp_path).read_text(encoding="utf-8")
    front = recorded.read("journals")["read"][name]["front"]
    assert front and all(architecture in page for architecture, _, _ in front)


@pytest.mark.parametrize("name", CONTINUED)
def test_continued(name: str, tmp_path: Path) -> None:
    found, expected = continued(name, tmp_path), recorded.read("journals")["continued"][name]
    assert len(found["asked"]) == MORE == len(set(found["asked"]))
    assert not results(name) & set(found["asked"]), "nothing known is trained again"
    if recorded.same_machine("journals") or name == "replayed":
        assert found == expected
    else:  # the surrogate's last digits may decide later ones
        assert found["asked"][:2] == expected["asked"][:2]


def test_a_search_without_its_state_is_noticed() -> None:
    """The recording tells the saved state from what the journal alone leads to; only with it an open trial goes on."""
    lost = [t[1] for t in recorded.read("journals")["read"]["killed"]["trials"] if t[2] == "running"]
    with_state, without = (recorded.read("journals")["continued"][n]["asked"] for n in ("killed", "killed, state lost"))
    assert len(lost) == 2 and set(lost) & set(with_state) and with_state[:2] != without[:2]


@pytest.mark.parametrize("name", ["killed", "replayed"])
def test_a_journal_without_its_results_is_noticed(name: str, tmp_path: Path) -> None:
    """The broken variant: a search that has forgotten its past trains it again."""
    found = continued(name, tmp_path, known=False, state=False)
    assert results(name) & set(found["asked"])
    assert found != recorded.read("journals")["continued"][name]


def test_another_result_is_noticed(tmp_path: Path) -> None:
    """The broken variant: the best result is another number."""
    best = recorded.read("journals")["read"]["finished"]["best"]
    lines = (recorded.JOURNALS / "finished" / "ednas" / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    (number,) = {event["trial"] for event in events if event.get("architecture") == best and event["event"] == "result"}
    for event in events:
        if event["event"] == "result" and event["trial"] == number:
            event["metrics"]["default"] -= 0.2
    path = tmp_path / "journal.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    found, expected = facts(path), recorded.read("journals")["read"]["finished"]
    assert found["best"] != expected["best"] and found["front"] != expected["front"]
