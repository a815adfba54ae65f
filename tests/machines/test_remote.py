"""Twins of studies, and what is said of machines before a search, without an SSH server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from ednas_nni.bridge.manager import experiment_file
from ednas_nni.errors import ExperimentError
from ednas_nni.search.assembled import Assembled
from machines.facts import Facts
from machines.host import versions
from machines.service import Remote, differences
from machines.ssh import RemoteMachine
from machines.twin import twin
from tests.bridge.experiments import write_experiment
from tests.machines.conftest import Fake

ROOT = Path(__file__).resolve().parents[2]
STUDY = {"evaluator": {"name": "stub"}, "strategy": "random", "hardware_aware": "off"}
FAST = RemoteMachine("fast", "me", 2222, key=__file__, folder="/opt/venv/bin")
SEEN = Facts(versions(), 4, 8 << 30, 1 << 30, (), "/home/me/.cache/ednas", ())


def test_the_twin_is_the_study_but_for_where_trials_run(tmp_path: Path) -> None:
    text = (ROOT / "experiments" / "ednas.yml").read_text(encoding="utf-8")
    made = twin(text, [FAST, replace(FAST, host="slow", port=22)], 6, 0)
    before, after = yaml.safe_load(text), yaml.safe_load(made)
    assert {name for name in after if after[name] != before.get(name)} == {"trialConcurrency", "trainingService"}
    entries = after["trainingService"]["machineList"]
    assert [(entry["host"], entry["port"], entry["pythonPath"]) for entry in entries] == [
        ("fast", 2222, "/opt/venv/bin"),
        ("slow", 22, "/opt/venv/bin"),
    ]
    lines = [
        line
        for line in text.splitlines()
        if not re.match(r"tria(lConcurrency|lCommand)|trainingService|  platform", line)
    ]
    assert set(lines) <= set(made.splitlines()), "comments and order are the author's"
    assert twin(made, [FAST], 1, 0).count("trainingService:") == 1, "a twin of a twin"
    path = tmp_path / "twin.yml"
    path.write_text(made)
    assert not experiment_file.faults(path, experiment_file.load(path)), "no open port has to be allowed"


def experiment(folder: Path, entries: list[dict[str, object]], concurrency: int = 2, gpus: int = 0) -> list[str]:
    (folder / "code").mkdir(exist_ok=True)
    (folder / "code" / "mine.py").touch()
    path = write_experiment(folder, "far", STUDY, concurrency=concurrency, code="code")
    config = yaml.safe_load(path.read_text())
    config["trainingService"] = {
        "platform": "remote",
        "machineList": entries,
        **({"trialGpuNumber": gpus} if gpus else {}),
    }
    path.write_text(yaml.safe_dump(config))
    file = experiment_file.read(path)
    return Remote().faults(file, Assembled(file.study))


@pytest.mark.parametrize(
    ("host", "other", "words"),
    [
        ("away", None, r"away: .*timed out.*must work without a question: ssh -p 22 me@away true"),
        ("stranger", None, r"stranger: Host key verification failed"),
        ("closed", None, r"closed: .*refuses a reverse tunnel.*AllowTcpForwarding.*allow_open_port"),
        ("bare", None, r"bare: no EDNAS there.*ednas remote FILE.yml me@bare"),
        (
            "old",
            {"versions": {**versions(), "ednas": "0.0.1"}},
            r"old: ednas is 0.0.1 there and .*`ednas remote` brings it",
        ),
        ("odd", {"versions": {**versions(), "torch": "1.0"}}, r"odd: torch is 1.0 there.*pip install torch=="),
        ("lone", {"missing": ["/data/x"]}, r"lone: /data/x is not there"),
        ("small", {"cores": 1}, r"trialConcurrency = 5: .*room for 4 "),
        ("chatty", {"versions": 3}, r"describes itself by what cannot be read"),
        ("good", {}, None),
    ],
)
def test_check_names_what_is_missing_on_which_host(
    host: str, other: dict[str, object] | None, words: str | None, ssh: Fake, tmp_path: Path
) -> None:
    if other is not None:
        ssh(host, **other)
    texts = experiment(tmp_path, [{"host": host, "user": "me"}], concurrency=5)
    assert [bool(re.search(words or "", text)) for text in texts] == [True] * bool(words), texts
    asked = (tmp_path / "ssh" / "asked").read_text()
    assert "BatchMode=yes" in asked and "StrictHostKeyChecking" not in asked and "-R 127.0.0.1:0:" in asked


def test_passwords_and_options_for_hosts_are_refused(tmp_path: Path, ssh: Fake) -> None:
    for entry in (
        {"host": "a", "user": "me", "password": "x"},
        {"host": "-oProxyCommand=x", "user": "me"},
        {"host": "a"},
    ):
        (text,) = experiment(tmp_path, [entry])
        assert "ssh-copy-id" in text or "needs `host` and `user`" in text
    assert not (tmp_path / "ssh" / "asked").exists(), "nothing was run"


GPUS = tuple("abcd")


@pytest.mark.parametrize(
    ("machine", "gpus", "trials", "fault"),
    [
        (FAST, 1, 4, None),
        (FAST, 2, 2, None),
        (replace(FAST, per_gpu=3), 1, 12, None),
        (replace(FAST, gpus=(0, 3)), 1, 2, None),
        (replace(FAST, gpus=(0, 4)), 1, 2, r"gpuIndices names \[4\].* 4 GPUs"),
        (FAST, 5, 0, "trialGpuNumber = 5, but NNI sees 4"),
        (FAST, 0, 2, None),
    ],
)
def test_gpus_of_a_made_up_list(machine: RemoteMachine, gpus: int, trials: int, fault: str | None) -> None:
    seen = replace(SEEN, gpus=GPUS)
    assert seen.suggested(machine, gpus) == trials
    texts = list(differences(seen, machine, gpus))
    assert [bool(re.search(fault or "", text)) for text in texts] == [True] * bool(fault)


@pytest.mark.slow
def test_gpus_are_those_of_nnis_own_scheduler(tmp_path: Path) -> None:
    names = "GetName GetNumGpuCores GetMemoryInfo GetUtilizationRates GetComputeRunningProcesses_v3"
    lines = [
        f"def nvmlDevice{name}(device): raise OSError" for name in [*names.split(), "GetGraphicsRunningProcesses_v3"]
    ]
    lines += ["def nvmlDeviceGetCount(): return 2", "def nvmlDeviceGetHandleByIndex(index): return index"]
    (tmp_path / "pynvml.py").write_text("\n".join([*lines, "def nvmlInit(): ...", "def nvmlShutdown(): ..."]))
    command = [sys.executable, "-m", "machines.host", "facts", "--gpus"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, input="[]", capture_output=True, text=True, check=True, cwd="/")
    assert len(Facts.of(yaml.safe_load(done.stdout)).gpus) == 2


def test_kubernetes_of_the_page_fits_nnis_schema(tmp_path: Path) -> None:
    from nni.experiment.config import ExperimentConfig

    page = (ROOT / "docs" / "machines.md").read_text(encoding="utf-8")
    service = yaml.safe_load(re.search(r"```yaml\n(.*?)```", page, re.S)[1])  # type: ignore[index]
    path = write_experiment(tmp_path, "far", STUDY)
    config = {**yaml.safe_load(path.read_text()), **service, "nniManagerIp": "10.0.0.1"}
    ExperimentConfig(**config).validate()
    del config["trainingService"]["taskRoles"][0]["dockerImage"], config["trainingService"]["storage"]
    with pytest.raises((ValueError, AssertionError)):
        ExperimentConfig(**config).validate()


def test_a_file_that_names_no_machine_says_what_writes_one(tmp_path: Path) -> None:
    assert "ednas remote FILE.yml" in experiment(tmp_path, [])[0]
    with pytest.raises(ExperimentError):
        Facts.of({})
