"""`ednas remote` to hosts that have no EDNAS and no data, and a search of real trainings on them, as its user types it.

What is faked: the hosts are network namespaces of this machine, the packages of their Python are links to those of this
one, and they are unequal as one has a lower priority and
one has a single core.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from ednas_nni.bridge.manager.processes import BIN
from tests.machines.hosts import Host, forbidden, hosts, without_ednas

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.nni,
    pytest.mark.skipif(bool(reason := forbidden()), reason=reason),
]
TRIALS = 8
STUDY = {
    "space": "nano",
    "strategy": "random",
    "hardware_aware": "off",
    "evaluator": {
        "name": "inherited", "steps": 6, "batch_size": 4, "calibration": 2, "supernet": {"steps": 6, "paths": 2}
    },
    "finish": None,
    "constraints": [],
    "start": [],
    "keep_weights": "all",
    "reference": None,
}  # fmt: skip


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve, in a folder that the hosts do not see."""
    rng, folder = np.random.default_rng(0), tmp_path / "here" / "my photos"
    for name in ("images", "masks", "depth"):
        (folder / name).mkdir(parents=True)
    for number in range(12):
        made = {
            "images": rng.integers(0, 255, (96, 128, 3), np.uint8),
            "masks": rng.integers(0, 4, (96, 128), np.uint8),
            "depth": rng.integers(900, 4000, (96, 128)).astype(np.uint16),
        }
        for name, values in made.items():
            Image.fromarray(values).save(folder / name / f"IMG_{number}.png")
    return folder


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[list[Host]]:
    """Three hosts with a Python that has no EDNAS, which see neither the repository nor this machine's data."""

    def mounts(home: Path) -> list[str]:
        return [*without_ednas(home, ROOT), f"mount -t tmpfs none {tmp_path}/here"]

    variables = [{"OMP_NUM_THREADS": "1"}] * 3
    with hosts(tmp_path / "hosts", 3, variables, mounts, ["", "nice -n 1", "taskset -c 0"]) as made:
        yield made


def booked(journal: Path) -> dict[int, list[dict[str, Any]]]:
    """What a journal says of each trial, without times, jobs and hosts."""
    trials: dict[int, list[dict[str, Any]]] = {}
    for line in journal.read_text().splitlines():
        event = json.loads(line)
        if "trial" not in event:
            continue
        for name in ("time", "job"):
            event.pop(name, None)
        timed = [name for name in event.get("metrics", {}) if name.endswith("_s")]
        for name in timed:
            del event["metrics"][name]
        trials.setdefault(event["trial"], []).append(event)
    return trials


def test_from_a_machine_with_nothing_to_a_search_as_at_home(
    tmp_path: Path, photos: Path, bare: list[Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    environment = {
        **os.environ, "HOME": str(here), "EDNAS_CACHE": f"{here}/cache", "OMP_NUM_THREADS": "1",
        "PATH": f"{tmp_path}/hosts/bin:{os.environ['PATH']}",
    }  # fmt: skip

    def ednas(*words: str) -> str:
        done = subprocess.run(
            [str(BIN / "ednas"), *words], env=environment, cwd=here, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{words}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    ednas("init", "mine", "--data", str(photos), "--fill", "depth_scale=0.001")
    study = here / "mine" / "experiments" / "ednas.yml"
    config = yaml.safe_load(study.read_text())
    config |= {"maxTrialNumber": TRIALS, "trialConcurrency": 1, "experimentWorkingDirectory": str(here / "searches")}
    config["tuner"]["classArgs"].update(STUDY)
    study.write_text(yaml.safe_dump(config))
    machines = [f"root@{host.address}" for host in bare]
    for host in bare:
        with pytest.raises(RuntimeError, match="No module named"):
            ssh(tmp_path, host, f"{host.home}/.ednas/bin/python3 -c 'import machines.host'")
        assert not ssh(tmp_path, host, f"ls -A {here}"), "it sees what this machine has"

    said = ednas("remote", str(study), *machines)
    for host in bare:
        of_host = "\n".join(line for line in said.splitlines() if line.startswith(f"{host.address}:"))
        for words in ("installing EDNAS", "copying data ", "copying 36 files", "/supernets/", "tried: space"):
            assert of_host.count(words) == 1, f"{words}\n{said}"
    again = ednas("remote", str(study), *machines, "--no-probe", "--out", str(here / "again.yml"))
    assert "copying" not in again and "installing" not in again, "each travels once"
    twin = study.with_name("ednas_remote.yml")
    assert yaml.safe_load(twin.read_text()) == yaml.safe_load((here / "again.yml").read_text())

    far = searched(ednas("search", str(twin), "--no-report"), here)
    near = searched(ednas("search", str(study), "--no-report"), here)
    assert booked(far / "ednas" / "journal.jsonl") == booked(near / "ednas" / "journal.jsonl")
    ran_on = set(re.findall(r"(\S+): trial ", (far / "log" / "machines.log").read_text()))
    assert ran_on == {host.address for host in bare}, "each host trained"
    folders = list(far.glob("environments/*/trials/*"))
    assert len(folders) == TRIALS
    for folder in folders:
        names = {path.name for path in folder.iterdir()}
        assert names >= {"result.json", "trial.log", "trial.stderr", "phases.json", "examples.npz"}
    kept = [{file.name: file.read_bytes() for file in place.glob("ednas/weights/*")} for place in (far, near)]
    assert kept[0] == kept[1] and len(kept[0]) == TRIALS, "weights came back, to the bit"
    for host in bare:
        assert not list(host.home.glob("nni-experiments/*/environments/*/ednas/weights/*")), "and are not left there"


def ssh(folder: Path, host: Host, command: str) -> str:
    words = [f"{folder}/hosts/bin/ssh", f"root@{host.address}", command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def searched(said: str, here: Path) -> Path:
    """The folder of the search that `ednas search` speaks of."""
    match = re.search(r"\(experiment (\w+)\)", said)
    assert match is not None
    return here / "searches" / match[1]
