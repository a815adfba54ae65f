"""Make the journals of `data/journals/` by real searches: `python tests/golden/searches.py [finished killed replayed]`.

They stand for searches of older versions, which later ones must read and go on with: do not make them anew because a
test fails. Needs a minute; NNI runs in a home folder of its own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
JOURNALS = Path(__file__).parent / "data" / "journals"
SEARCHES = {  # name -> (strategy, trials, seconds of a trial, results after which it is killed)
    "finished": ("ednas", 8, 1.0, None),
    "killed": ("ednas", 16, 1.0, 10),
    "replayed": ("regularized_evolution", 10, 1.0, 5),
}


def processes(home: str) -> list[int]:
    """Ids of the processes that have this home folder."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                if f"HOME={home}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


def kill(home: str) -> None:
    """Manager, Advisor and trials at once."""
    while left := processes(home):
        for process in left:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.5)


def midway(home: str, results: int) -> bool:
    """Whether so many trials have ended, and one has begun to report."""
    for path in Path(home).glob("nni-experiments/[!_]*/ednas/journal.jsonl"):
        events = [json.loads(line)["event"] for line in path.read_text().split("\n")[:-1]]
        return events.count("ended") >= results and events[-1] == "intermediate"
    return False


def search(name: str, home: str) -> None:
    strategy, trials, seconds, results = SEARCHES[name]
    text = (REPOSITORY / "experiments" / "stub.yml").read_text(encoding="utf-8")
    text = re.sub(r"maxTrialNumber: \d+", f"maxTrialNumber: {trials}", text)
    text = re.sub(r"seconds: [\d.]+", f"seconds: {seconds}", re.sub(r"strategy: \w+", f"strategy: {strategy}", text))
    file = Path(home) / f"{name}.yml"
    file.write_text(text, encoding="utf-8")
    command = [str(Path(sys.executable).parent / "ednas"), "search", str(file), "--no-report"]
    running = subprocess.Popen(command, env={**os.environ, "HOME": home}, cwd=home)
    try:
        end = time.monotonic() + 180
        while running.poll() is None and time.monotonic() < end and not (results and midway(home, results)):
            time.sleep(0.05)
    finally:
        kill(home)
        running.wait()


def keep(name: str, home: str) -> None:
    """Copy journal and state without what belongs to this machine."""
    (folder,) = Path(home).glob("nni-experiments/[!_]*/ednas")
    kept = JOURNALS / name / "ednas"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    text = (folder / "journal.jsonl").read_text(encoding="utf-8").replace(sys.prefix, "/home/user/ednas/.venv")
    (kept / "journal.jsonl").write_text(text, encoding="utf-8")
    state = folder / "strategy.json"
    if state.exists() and SEARCHES[name][3]:
        text = json.dumps(json.loads(state.read_text(encoding="utf-8")), separators=(",", ":"))
        (kept / "strategy.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for chosen in sys.argv[1:] or SEARCHES:
        with tempfile.TemporaryDirectory() as home:
            search(chosen, home)
            keep(chosen, home)
