"""Does the Advisor connect within NNI's ten seconds, also while every core is busy?

    python benchmarks/connect.py

Starts a stub experiment twice, on a quiet machine and beside as many busy processes as there are cores times two, and
prints the seconds from NNI starting the Advisor to its connection, and to the search being ready (torch and NNI
imported, space, costs and strategy built).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import yaml

from ednas_nni.bridge.manager.launch import create
from ednas_nni.record.journal import journal_path, load

CONFIG = {
    "experimentName": "connect",
    "searchSpace": {},
    "trialCommand": "python3 -m ednas_nni.bridge.trial",
    "trialCodeDirectory": ".",
    "trialConcurrency": 1,
    "maxTrialNumber": 1,
    "tuner": {
        "className": "ednas_nni.bridge.advisor.Advisor",
        "codeDirectory": ".",
        "classArgs": {"evaluator": "stub", "strategy": "random", "hardware_aware": "off"},
    },
    "trainingService": {"platform": "local"},
}


def seconds(folder: Path) -> tuple[float, float, str]:
    """(seconds to the connection, seconds until ready, NNI's final status)."""
    path = folder / "connect.yml"
    path.write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    running = create(path)
    try:
        end = time.monotonic() + 180
        while (status := running.manager.status()["status"]) not in ("DONE", "ERROR") and time.monotonic() < end:
            time.sleep(0.5)
    finally:
        running.stop()
    experiment = running.folder
    started = _stamp(experiment / "log" / "nnimanager.log", "Setup tuner")
    connected = _stamp(experiment / "log" / "dispatcher.log", "Advisor connected")
    ready = load(journal_path(experiment.parent, running.id)).starts[0].time
    return connected - started, ready - started, status


def _stamp(log: Path, words: str) -> float:
    line = next(line for line in log.read_text(encoding="utf-8").splitlines() if words in line)
    return datetime.strptime(re.match(r"\[([-0-9: ]+)\]", line).group(1), "%Y-%m-%d %H:%M:%S").timestamp()


def main() -> None:
    cores = os.cpu_count() or 1
    for label, burners in (("quiet", 0), (f"{2 * cores} busy processes on {cores} cores", 2 * cores)):
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(burners)]
        try:
            with tempfile.TemporaryDirectory() as folder:
                connected, ready, status = seconds(Path(folder))
        finally:
            for process in busy:
                process.kill()
                process.wait()
        print(f"{label}: connected after {connected:.0f} s (NNI allows 10), ready after {ready:.0f} s, {status}")


if __name__ == "__main__":
    main()
