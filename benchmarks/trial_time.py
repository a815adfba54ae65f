"""Where the seconds of a trial go: plain NNI, EDNAS with plain starts, EDNAS with forked starts, in one run.

    python benchmarks/trial_time.py [--trials 6] [--steps 300] [--json benchmarks/results/trial_time.json]
    python benchmarks/trial_time.py --render benchmarks/results/trial_time.json    the table again, into docs/trials.md
    python benchmarks/trial_time.py --answers latest    how quickly a finished search proposed its next networks

All three train the same random architectures of `nano` on `rooms` in the same order and by the same recipe, two at a
time on the cores that there are. Plain NNI is an experiment over the same labels whose trials use NNI's own parameters
and `freeze`. The first trials of each arm start while everything else starts, so the steady state is taken from the
others.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ednas_nni.bridge.manager.launch import create
from ednas_nni.record.locate import journal_of

HERE = Path(__file__).resolve().parent
sys.path[:] = [*sys.path[1:], sys.path[0]]
LIMIT_S = 900
CONCURRENCY = 2
ARMS = ("plain NNI 3.0", "EDNAS, plain start", "EDNAS, forked")
PHASES = (
    "start",
    "parameters",
    "imports",
    "network",
    "training",
    "scoring and set-up",
    "after the result",
    "NNI around it",
)


def architectures(trials: int) -> list[dict[str, Any]]:
    """Random ones, with a value for every label, as NNI's tuners hand them out."""
    import numpy as np

    from ednas_nni.nn.tree import domains_of
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    domains, rng = domains_of(Assembled(parse(study(1, "plain"))).space), np.random.default_rng(5)
    drawn = [domains.complete(domains.random(rng)) for _ in range(trials)]
    return json.loads(json.dumps(drawn))  # plain values, for files


def study(steps: int, start: str, samples: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """The same for all arms but for how trials start."""
    return {
        "evaluator": {"name": "jared", "steps": steps, "reports": 3},
        "strategy": {"name": "ednas", "start": list(samples)},
        "hardware_aware": "off",
        "reference": None,
        "seed": 5,
        "trial_start": start,
    }


def experiment(arm: str, samples: Sequence[dict[str, Any]], steps: int, folder: Path) -> dict[str, Any]:
    """An experiment's configuration."""
    config: dict[str, Any] = {
        "experimentName": "trial-time",
        "trialCodeDirectory": str(HERE.parent),
        "trialConcurrency": CONCURRENCY,
        "maxTrialNumber": len(samples),
        "trainingService": {"platform": "local"},
    }
    plan = study(steps, "prefork" if arm == ARMS[2] else "plain", samples)
    if arm != ARMS[0]:
        return {
            **config,
            "searchSpace": {},
            "trialCommand": "python3 -m ednas_nni.bridge.trial",
            "tuner": {
                "className": "ednas_nni.bridge.advisor.Advisor",
                "codeDirectory": str(HERE.parent),
                "classArgs": plan,
            },
        }
    from ednas_nni.nn.tree import domains_of
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    space = json.loads(json.dumps(domains_of(Assembled(parse(plan)).space).as_nni()))
    file, replayed = folder / "study.json", folder / "architectures.json"
    file.write_text(json.dumps(study(steps, "plain")), encoding="utf-8")
    replayed.write_text(json.dumps(samples), encoding="utf-8")
    threads = max(1, len(os.sched_getaffinity(0)) // CONCURRENCY)
    command = f"OMP_NUM_THREADS={threads} EDNAS_BENCHMARK_STUDY={file} python3 benchmarks/plain/nas_trial.py"
    return {
        **config,
        "searchSpace": space,
        "trialCommand": command,
        "tuner": {
            "className": "replayed.Replayed",
            "codeDirectory": str(HERE / "plain"),
            "classArgs": {"file": str(replayed)},
        },
    }


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run an experiment to its end; the seconds of each trial by phase."""
    path = folder / "experiment.yml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    began = time.time()
    running = create(path)
    name, manager = running.id, running.manager
    try:
        while manager.status()["status"] not in ("DONE", "ERROR"):
            if time.time() - began > LIMIT_S:
                sys.exit(f"{name} is not done after {LIMIT_S} s")
            time.sleep(0.5)
        if manager.status()["status"] == "ERROR":
            sys.exit(f"{name} ended with an error: {manager.status()['errors']}")
        time.sleep(2)
        jobs = manager.trials()
        finals = {
            m["trialJobId"]: json.loads(json.loads(m["data"]))
            for m in manager.get("metric-data")
            if m["type"] == "FINAL"
        }
    finally:
        running.stop()
    home = Path.home() / "nni-experiments" / name
    trials: list[dict[str, float]] = []
    ends = sorted(job["endTime"] for job in jobs)
    for number, job in enumerate(sorted(jobs, key=lambda job: job["startTime"])):
        if job["status"] != "SUCCEEDED":
            sys.exit(f"trial {job['trialJobId']} of {name} is {job['status']}; look at {home}")
        (file,) = home.glob(f"environments/*/trials/{job['trialJobId']}/phases.json")
        phases = json.loads(file.read_text(encoding="utf-8"))
        training = finals[job["trialJobId"]]["train_s"]
        whole = (job["endTime"] - job["startTime"]) / 1000
        trials.append(
            {
                "start": phases["start"],
                "parameters": phases["parameters"],
                "imports": phases["imports"],
                "network": phases["network"],
                "training": training,
                "scoring and set-up": phases["evaluation"] - training,
                "after the result": phases.get("examples", 0.0),
                "NNI around it": whole - sum(phases.values()),
                "whole": whole,
                # A worker is free when a trial ends; the first trials find theirs free from the start.
                "worker idle before": max(0, job["startTime"] - ends[number - CONCURRENCY]) / 1000
                if number >= CONCURRENCY
                else 0.0,
            }
        )
    return {"trials": trials, "experiment_s": time.time() - began, "first_to_last_s": _span(jobs)}


def answers(journal: Path) -> list[float]:
    """Seconds that a search took from the end of a trial to its next network."""
    events = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    pairs = itertools.pairwise(events)
    return [b["time"] - a["time"] for a, b in pairs if (a["event"], b["event"]) == ("ended", "submitted")]


def _span(jobs: list[dict[str, Any]]) -> float:
    return (max(job["endTime"] for job in jobs) - min(job["startTime"] for job in jobs)) / 1000


SHOWN = ("parameters", "imports", "network", "training", "scoring and set-up", "whole")
"""Phases in the table; the results have the short ones too."""


def table(record: dict[str, Any]) -> str:
    """Markdown."""
    arms, skipped = record["arms"], CONCURRENCY
    cores = record["cores"]
    lines = [
        f"{record['trials']} trials of {record['steps']} steps at concurrency {CONCURRENCY} on {cores} cores; "
        f"medians of the trials after the first {skipped}, in seconds:",
        "",
        "| | " + " | ".join(ARMS) + " |",
        "|---|" + "---|" * len(ARMS),
    ]
    steady = {arm: arms[arm]["trials"][skipped:] for arm in ARMS}
    shown = [phase for phase in SHOWN if phase in steady[ARMS[0]][0]]
    for phase in shown:
        cells = [f"{statistics.median(trial[phase] for trial in steady[arm]):.2f}" for arm in ARMS]
        lines.append(f"| {phase} | " + " | ".join(cells) + " |")
    beside = {arm: statistics.median(overhead(trial) for trial in steady[arm]) for arm in ARMS}
    share = {arm: statistics.median(overhead(t) / t["whole"] for t in steady[arm]) for arm in ARMS}
    lines.append("| neither training nor scoring | " + " | ".join(f"{beside[arm]:.2f}" for arm in ARMS) + " |")
    lines.append("| its share of the trial | " + " | ".join(f"{share[arm]:.1%}" for arm in ARMS) + " |")
    lines.append(
        "| first start to last end | " + " | ".join(f"{arms[arm]['first_to_last_s']:.1f}" for arm in ARMS) + " |"
    )
    ratio = beside[ARMS[0]] / beside[ARMS[2]]
    spans = {arm: arms[arm]["first_to_last_s"] for arm in ARMS}
    lines += [
        "",
        f"Plain NNI spends {ratio:.1f} times as long beside training and scoring as the forked trials do; the whole "
        f"search takes {spans[ARMS[0]] / spans[ARMS[2]]:.2f} times as long.",
    ]
    return "\n".join(lines)


def overhead(trial: dict[str, float]) -> float:
    """Seconds from one worker's trial to the next that are neither training nor scoring."""
    idle = trial.get("worker idle before", 0.0)
    return trial["whole"] + idle - trial["training"] - trial["scoring and set-up"]


def main() -> None:
    """Measure and print, or print again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--render", type=Path)
    parser.add_argument("--answers", metavar="ID")
    options = parser.parse_args()
    if options.answers:
        told = answers(journal_of(options.answers))
        print(f"{len(told)} answers: {statistics.median(told):.2f} s in the median, {max(told):.2f} s at most")
        return
    if options.render:
        from into_docs import EVIDENCE, put

        text = table(json.loads(options.render.read_text(encoding="utf-8")))
        put(EVIDENCE, "trial-time", text)
        print(text)
        return
    record: dict[str, Any] = {"trials": options.trials, "steps": options.steps, "cores": len(os.sched_getaffinity(0))}
    record["arms"] = {}
    samples = architectures(options.trials)
    with tempfile.TemporaryDirectory() as folder:
        for arm in ARMS:
            print(f"{arm} ...", file=sys.stderr, flush=True)
            record["arms"][arm] = run(experiment(arm, samples, options.steps, Path(folder)), Path(folder))
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(table(record))


if __name__ == "__main__":
    main()
