"""How many trials train what NNI booked on another trial: plain NNI against EDNAS, in one run.

    python benchmarks/swaps.py [--json FILE]

Both run 12 trials at concurrency 4 whose starts are unequally slow, and the first of which dies before it asks for its
parameters. Plain NNI counts trials whose received parameters differ from NNI's record of the job; EDNAS counts
disagreements between the architecture that the trial proved, the journal and NNI's record.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import time
from pathlib import Path

import yaml

from ednas_nni.bridge.rest import Manager
from ednas_nni.bridge.verify import disagreements, nni_records
from ednas_nni.cli.launch import create, free_port, stop
from ednas_nni.journal import journal_path, load

HERE = Path(__file__).resolve().parent
LIMIT_S = 300

STUDY = {
    "experimentName": "ednas-swaps",
    "searchSpace": {},
    "trialCommand": "python3 benchmarks/plain/slow_start.py",
    "trialCodeDirectory": str(HERE.parent),
    "trialConcurrency": 4,
    "maxTrialNumber": 12,
    "tuner": {
        "className": "ednas_nni.bridge.advisor.Advisor",
        "codeDirectory": str(HERE.parent),
        "classArgs": {"evaluator": {"name": "stub", "seconds": 0.1}, "strategy": "random", "hardware_aware": "off"},
    },
    "trainingService": {"platform": "local"},
}


def run(config: Path) -> Path:
    """Run an experiment to its end. Returns its folder."""
    port = free_port(18400)
    experiment = create(config, port)
    try:
        end = time.monotonic() + LIMIT_S
        while Manager.at(port).status()["status"] not in ("DONE", "ERROR"):
            if time.monotonic() > end:
                sys.exit(f"{experiment} is not done after {LIMIT_S} s")
            time.sleep(1)
    finally:
        stop(experiment, port)
    return Path.home() / "nni-experiments" / experiment


def plain() -> tuple[int, int]:
    """(trials that ran another trial's parameters, trials that reported)."""
    folder = run(HERE / "plain" / "swaps.yml")
    with sqlite3.connect(folder / "db" / "nni.sqlite") as connection:
        booked = {
            job: json.loads(data)["parameters"]["x"]
            for job, data in connection.execute("select trialJobId, data from TrialJobEvent where data is not null")
        }
        finals = connection.execute("select trialJobId, data from MetricData where type = 'FINAL'").fetchall()
    received = {job: json.loads(json.loads(data))["received"] for job, data in finals}
    return sum(booked[job] != value for job, value in received.items()), len(received)


def ours(folder: Path) -> tuple[int, int]:
    """(disagreements, trials that reported)."""
    path = folder / "swaps.yml"
    path.write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    experiment = run(path)
    records = nni_records(experiment)
    history = load(journal_path(experiment.parent, experiment.name))
    proven = [record for record in records if record.proven is not None]
    return len(disagreements(history, records)), len(proven)


def main() -> None:
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = {"plain NNI 3.0": plain(), "EDNAS": ours(Path(folder))}
    for name, (wrong, reported) in found.items():
        print(f"{name:14s} {wrong} of {reported} reporting trials ran parameters that NNI booked on another trial")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
