"""What stands in a study, a file's name or a journal never reaches a shell: no name of ours starts a program."""

from __future__ import annotations

import os
import shlex
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ednas_nni.cli import init_command, main
from ednas_nni.record.head import JournalHead
from ednas_nni.record.journal import Journal

EVIL = [
    "; touch trace",
    "$(touch trace)",
    "`touch trace`",
    "| touch trace",
    "\ntouch trace\n",
    "' ; touch trace ; '",
    "&& touch trace",
]


def config(**study: Any) -> dict[str, Any]:
    return {
        "searchSpace": {},
        "trialCommand": "python3 -m ednas_nni.bridge.trial",
        "trialConcurrency": 1,
        "maxTrialNumber": 1,
        "tuner": {"className": "ednas_nni.bridge.advisor.Advisor", "codeDirectory": ".", "classArgs": study},
        "trainingService": {"platform": "local"},
    }


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
def test_no_field_of_a_file_starts_anything(
    evil: str, here: Path, capsys: pytest.CaptureFixture[str], clear: Any
) -> None:
    """`ednas check` reads a stranger's file; nothing in it runs."""
    from ednas_nni.bridge.manager.experiment_file import faults, load

    study = {
        "space": f"nano{evil}", "data": {"name": "manifest", "folder": f"/nowhere{evil}"}, "device": f"edge{evil}",
        "constraints": [f"latency_ms <= 8{evil}"], "init_from": f"/nowhere{evil}.pt", "tasks": [f"depth{evil}"],
    }  # fmt: skip
    whole = config(**study) | {
        "experimentName": f"name{evil}",
        "trialCommand": f"{evil} -m ednas_nni.bridge.trial",
        "trialCodeDirectory": f"code{evil}",
        "experimentWorkingDirectory": f"work{evil}",
    }
    path = here / "study.yml"
    path.write_text(yaml.safe_dump(whole))
    found = faults(path, load(path))
    assert any("trialCodeDirectory" in line for line in found)
    from ednas_nni.errors import EdnasError
    from ednas_nni.search.assembled import Assembled, device
    from ednas_nni.study import parse

    parsed = parse(study)
    for part in (lambda a: a.source, lambda a: a.space, lambda a: device(a.study.device[0])):
        with pytest.raises(EdnasError) as caught:
            part(Assembled(parsed))
        clear(str(caught.value), ())
    assert sorted(here.iterdir()) == [path]


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
def test_what_is_printed_to_be_typed_is_quoted(evil: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`ednas init` prints the next commands; a folder's name in them is one word."""
    folder = f"my study{evil}"
    assert main(["init", folder]) == 0
    told = capsys.readouterr().out.partition("Next:\n")[2]
    command = told[: told.index("    # what")]
    assert shlex.split(command)[1:] == ["check", f"{folder}/experiments/{init_command.STUDIES[0]}"]


def test_the_check_of_printed_commands_can_fail(here: Path) -> None:
    line = "echo check my study; touch trace"
    subprocess.run(["/bin/sh", "-c", line], check=True, capture_output=True)
    assert (here / "trace").exists() and shlex.split(line)[1:] != ["check", "my study; touch trace"]


def test_loopback_lines_are_quoted(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_OPTIONS", "--x='$(touch trace)'; touch trace")
    monkeypatch.setenv("PATH", f"/bin{os.pathsep}$(touch trace)")
    assert main(["loopback"]) == 0
    subprocess.run(["/bin/sh", "-c", capsys.readouterr().out], check=True, env={"PATH": "/bin"})
    assert not (here / "trace").exists()


# ---- ids that would become parts of paths


@pytest.mark.parametrize("job", ["../../../secret", "*", "**/x", "a/b", "", "J;x", "J\x00", "[a-z]"])
def test_the_id_of_a_trial_is_no_path(job: str, tmp_path: Path) -> None:
    """The last words of a failed trial are read from its folder; the id comes over the wire."""
    from ednas_nni.bridge.trial.folder import TrialFolders
    from ednas_nni.report.predictions import find_examples

    secret = tmp_path / "secret"
    good = tmp_path / "experiment" / "environments" / "local" / "trials" / "Good1"
    for folder in (secret, good):
        folder.mkdir(parents=True)
        (folder / "trial.stderr").write_text("ednas: error: a secret\n")
        (folder / "examples.npz").write_bytes(b"")
    logs = TrialFolders(tmp_path / "experiment")
    assert logs.last_words("Good1") == "a secret", "the folder is where it is looked for"
    assert logs.last_words(job) is None and logs.result(job) is None
    experiment = tmp_path / "experiment"
    assert find_examples(experiment, "Good1") is not None and find_examples(experiment, job) is None


# ---- NNI's database


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p: None, ("nni.sqlite", "does not exist")),
        (lambda p: p.write_bytes(b"no database" * 100), ("nni.sqlite", "cannot be read as NNI's record")),
        (lambda p: p.write_bytes(b""), ("nni.sqlite", "cannot be read as NNI's record")),
        (lambda p: _database(p, "not json"), ("nni.sqlite", "cannot be read as NNI's record")),
        (lambda p: _database(p, "[]"), ("nni.sqlite", "cannot be read as NNI's record")),
        (lambda p: _database(p, "{}"), ("nni.sqlite", "cannot be read as NNI's record")),
    ],
    ids=["missing", "text", "empty", "no JSON", "a list", "no parameters"],
)
def test_a_damaged_database(
    spoil: Callable[[Path], Any], words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], clear: Any
) -> None:
    folder = tmp_path / "exp?mode=rwc#x"  # a name that a URI would take for options
    journal = Journal(folder / "ednas" / "journal.jsonl")
    journal.append(JournalHead(domains=[{"label": "depth", "values": [1, 2]}]))
    journal.close()
    (folder / "db").mkdir()
    spoil(folder / "db" / "nni.sqlite")
    assert main(["verify", str(folder)]) == 1
    clear(capsys.readouterr().err, words)


def _database(path: Path, data: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("create table TrialJobEvent (timestamp integer, trialJobId text, event text, data text)")
    connection.execute("create table MetricData (timestamp integer, trialJobId text, type text, data text)")
    connection.execute("insert into TrialJobEvent values (1, 'J', 'WAITING', ?)", (data,))
    connection.commit()
    connection.close()
