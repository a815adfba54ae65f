"""How many trials train what NNI booked on another trial: plain NNI against EDNAS, in one run.

    python benchmarks/swaps.py [--json benchmarks/results/swaps.json]
    python benchmarks/swaps.py --render benchmarks/results/swaps.json      the table again, into docs/reliability.md

All arms run 12 trials at concurrency 4 whose starts are unequally slow, and the first of which dies before it asks for
its parameters. Plain NNI counts trials whose received parameters differ from NNI's record of the job; EDNAS counts
disagreements between the architecture that the trial proved, the journal and NNI's record. Exit code 1 when EDNAS has
any.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from checkout import commit

from ednas_nni.bridge.manager.launch import create
from ednas_nni.bridge.verify import disagreements, nni_records
from ednas_nni.record.journal import journal_path, load

HERE = Path(__file__).resolve().parent
LIMIT_S = 300

STUDY: dict[str, Any] = {
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
    running = create(config)
    try:
        end = time.monotonic() + LIMIT_S
        while running.manager.status()["status"] not in ("DONE", "ERROR"):
            if time.monotonic() > end:
                sys.exit(f"{running.id} is not done after {LIMIT_S} s")
            time.sleep(1)
    finally:
        running.stop()
    return running.folder


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


def ours(folder: Path, start: str) -> tuple[int, int]:
    """(disagreements, trials that reported), with trials that start "plain" or "prefork"."""
    path = folder / f"{start}.yml"
    tuner = {**STUDY["tuner"], "classArgs": {**STUDY["tuner"]["classArgs"], "trial_start": start}}
    path.write_text(yaml.safe_dump({**STUDY, "tuner": tuner}), encoding="utf-8")
    experiment = run(path)
    records = nni_records(experiment)
    history = load(journal_path(experiment.parent, experiment.name))
    proven = [record for record in records if record.proven is not None]
    return len(disagreements(history, records)), len(proven)


def table(record: dict[str, Any]) -> str:
    """Markdown."""
    made = record["commit"][:10] + ("+" if record["commit"].endswith("+") else "")
    rows = [f"| {name} | {wrong} of {reported} |" for name, (wrong, reported) in record["arms"].items()]
    head = ["| | trials with a result that ran what NNI booked on another trial |", "|---|---|"]
    return "\n".join([*head, *rows, "", f"Command: `{record['command']}`, commit `{made}`."])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--render", type=Path, help="print the table of an earlier run")
    options = parser.parse_args()
    if options.render:
        print(table(json.loads(options.render.read_text(encoding="utf-8"))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        arms = {
            "plain NNI 3.0": plain(),
            "EDNAS, plain start": ours(Path(folder), "plain"),
            "EDNAS, forked": ours(Path(folder), "prefork"),
        }
    record = {"commit": commit(), "command": "python benchmarks/swaps.py", "arms": arms}
    print(table(record))
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 1 if any(wrong for name, (wrong, _) in arms.items() if name.startswith("EDNAS")) else 0


if __name__ == "__main__":
    sys.exit(main())
