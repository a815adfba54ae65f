"""Starts several searches in the same second, round after round, and counts those that came out right.

    python benchmarks/side_by_side.py [--rounds 20] [--searches 4] [--json benchmarks/results/side_by_side.json]
    python benchmarks/side_by_side.py --render benchmarks/results/side_by_side.json     again, into docs/reliability.md

Each is a process of its own that starts and follows NNI as `ednas search` does after its check, with a study of its own
(seed, objectives, number of trials), in one HOME, where no port is chosen. A search is right when it ends well, its
journal holds its own study and as many results as it asked for, NNI's database says the same, and its results are those
of its own architectures. Exit code 1 when anything else came.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import yaml
from checkout import commit

from ednas_nni.bridge.manager.launch import stored_config
from ednas_nni.bridge.verify import disagreements, nni_records
from ednas_nni.record.journal import FILE, FOLDER, load
from ednas_nni.training.stub import StubEvaluator

SEARCH = """
import signal, sys, time
from pathlib import Path
from ednas_nni.bridge.manager import launch
from ednas_nni.bridge.manager.follow import follow
from ednas_nni.cli.display import Lines
signal.signal(signal.SIGTERM, signal.default_int_handler)
began, running = time.time(), launch.create(Path(sys.argv[1]))
try:
    print(f"http://127.0.0.1:{running.port} (experiment {running.id})", flush=True)
    follow(running.manager, running.folder / "ednas" / "journal.jsonl", Lines(), None, began)
finally:
    running.stop()
"""
COUNTED = ("right", "wrong", "processes left")
OBJECTIVES = (["quality", "latency_ms"], ["quality", "macs"], ["quality", "params"], ["quality"])


def study(number: int) -> dict[str, object]:
    """The experiment of one search; no two are alike."""
    return {
        "experimentName": f"search{number}",
        "searchSpace": {},
        "trialCommand": "python3 -m ednas_nni.bridge.trial",
        "trialConcurrency": 1,
        "maxTrialNumber": 1 + number % 2,
        "tuner": {
            "className": "ednas_nni.bridge.advisor.Advisor",
            "codeDirectory": ".",
            "classArgs": {
                "seed": number,
                "objectives": OBJECTIVES[number % len(OBJECTIVES)],
                "evaluator": {"name": "stub", "seconds": 0.2},
                "strategy": "random",
                "hardware_aware": "off",
                "trial_start": "plain",
            },
        },
        "trainingService": {"platform": "local"},
    }


def faults(number: int, code: int, output: str, home: Path) -> list[str]:
    """What is wrong with one search; [] for one that came out right."""
    wanted = study(number)
    match = re.search(r"\(experiment (\w+)\)", output)
    if code != 0 or match is None:
        return [f"exit code {code}: {output.strip()[-300:]}"]
    folder = home / "nni-experiments" / match.group(1)
    history, config = load(folder / FOLDER / FILE), stored_config(folder) or {}
    if history.head is None:
        return ["no head"]
    domains, truth = history.head.search_space(), StubEvaluator(seed=number)
    study_of_journal = {name: history.head.study[name] for name in ("seed", "objectives")}
    asked = wanted["tuner"]["classArgs"]  # type: ignore[index]
    texts = disagreements(history, nni_records(folder))
    if study_of_journal != {"seed": asked["seed"], "objectives": asked["objectives"]} or len(history.starts) != 1:
        texts.append(f"its journal holds {study_of_journal}, started {len(history.starts)} times")
    if history.head.experiment != folder.name or config.get("experimentName") != wanted["experimentName"]:
        texts.append(f"NNI's database holds {config.get('experimentName')}")
    if len(history.results) != wanted["maxTrialNumber"] or len(history.trials) != wanted["maxTrialNumber"]:
        texts.append(
            f"{len(history.results)} results of {len(history.trials)} trials, {wanted['maxTrialNumber']} wanted"
        )
    if any(trial.quality != truth.quality(domains.complete(trial.sample)) for trial in history.trials):
        texts.append("a quality of another architecture")
    return texts + [f"note: {note.text}" for note in history.notes]


def left(home: Path) -> list[psutil.Process]:
    """Processes that still run in a round's HOME."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("HOME") == str(home) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def ended(process: subprocess.Popen[bytes], end: float) -> int:
    """Exit code; a search that takes too long is interrupted as a user does it."""
    try:
        return process.wait(max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.terminate()
        return process.wait(60) or -1


def play(searches: int, limit_s: float, tally: Counter[str]) -> None:
    """One round."""
    with tempfile.TemporaryDirectory(prefix="ednas-side-") as folder:
        home = Path(folder) / "home"
        home.mkdir()
        begun = []
        for number in range(searches):
            file = Path(folder) / f"search{number}.yml"
            file.write_text(yaml.safe_dump(study(number)), encoding="utf-8")
            environment = {**os.environ, "HOME": str(home), "OMP_NUM_THREADS": "1"}
            words = [sys.executable, "-c", SEARCH, str(file)]
            output = (Path(folder) / f"{number}.txt").open("w+")
            begun.append((number, subprocess.Popen(words, env=environment, stdout=output, stderr=output), output))
        end = time.monotonic() + limit_s
        try:
            for number, process, output in begun:
                code = ended(process, end)
                output.seek(0)
                texts = faults(number, code, output.read(), home)
                tally["wrong" if texts else "right"] += 1
                for text in texts:
                    print(f"  search {number} is wrong: {text}", flush=True)
        finally:
            for _, process, output in begun:
                ended(process, 0.0)
                output.close()
        time.sleep(2)
        for process in left(home):
            with suppress(psutil.Error):
                print(f"  left: {process.pid} {' '.join(process.cmdline())[:120]}", flush=True)
                tally["processes left"] += 1
                process.kill()


def table(record: dict[str, object]) -> str:
    """Markdown."""
    made = str(record["commit"])
    return "\n".join(
        [
            f"{record['rounds']} rounds of {record['searches']} searches that start in the same second; "
            f"{record['minutes']} minutes.",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name if ' ' in name else f'searches that came out {name}'} | {record[name]} |" for name in COUNTED),
            "",
            f"Command: `{record['command']}`, commit `{made[:10]}`"
            + (" with uncommitted changes." if "+" in made else "."),
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--searches", type=int, default=4)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds of a round")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--render", type=Path, help="print the table of an earlier run")
    options = parser.parse_args()
    if options.render:
        print(table(json.loads(options.render.read_text(encoding="utf-8"))))
        return 0
    begun, tally = time.monotonic(), Counter[str]()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # so that nothing is left running
    for number in range(1, options.rounds + 1):
        play(options.searches, options.limit, tally)
        print(f"round {number}: {', '.join(f'{tally[name]} {name}' for name in COUNTED)}", flush=True)
        record = {
            "commit": commit(),
            "command": f"python benchmarks/side_by_side.py --rounds {options.rounds} --searches {options.searches}",
            "rounds": number,
            "searches": options.searches,
            "minutes": round((time.monotonic() - begun) / 60, 1),
            **{name: tally[name] for name in COUNTED},
        }
        if options.json:  # after each round: a run that is ended early has its figures
            options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(table(record))
    return 1 if tally["wrong"] + tally["processes left"] else 0


if __name__ == "__main__":
    sys.exit(main())
