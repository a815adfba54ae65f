"""What a trial on another machine costs beside its training, and how busy eight machines are with trials of 5 s.

    python benchmarks/machines_pace.py [--json benchmarks/results/machines_pace.json]   as root: hosts are namespaces
    python benchmarks/machines_pace.py --render benchmarks/results/machines_pace.json   again into docs/machines.md

Trials sleep. Each writes down when it begins to and when it has ended, on the one clock of all hosts, which share this
machine's cores, too: real ones would have their own. Overhead is the time from the end of a trial's sleep to the
beginning of the next one's, one trial at a time; busy is time slept over time that passed, times hosts, from when all
hosts have begun until no trial is left to begin.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path[:] = [str(ROOT), *sys.path[1:], sys.path[0]]

from tests.bridge.experiments import write_experiment  # noqa: E402
from tests.machines.hosts import forbidden, hosts  # noqa: E402

STUDY = {"constraints": [], "strategy": "random", "hardware_aware": "off", "seed": 3}
LIMIT_S = 1800
ARMS = {"here": 0, "over SSH": 1}
Slept = list[tuple[float, float]]


def search(folder: Path, count: int, trials: int, seconds: float) -> Slept:
    """Run a search of sleeping trials on so many hosts, or here; when each slept, in order."""
    from ednas_nni.bridge.manager import launch

    log, home = folder / "slept.log", folder / "home"
    (home / "code").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "machines" / "uneven.py", home / "code")
    study = {**STUDY, "evaluator": {"name": "uneven:Uneven", "seconds": seconds}}
    path = write_experiment(home, "pace", study, trials=trials, concurrency=max(1, count), code="code")
    os.environ |= {"HOME": str(home), "EDNAS_TEST_LOG": str(log)}
    with hosts(folder / "hosts", count, [{"EDNAS_TEST_LOG": str(log), "OMP_NUM_THREADS": "1"}] * count) as made:
        if count:
            config = yaml.safe_load(path.read_text())
            config["trainingService"] = {"platform": "remote", "machineList": [host.entry for host in made]}
            path.write_text(yaml.safe_dump(config))
            os.environ["PATH"] = f"{folder}/hosts/bin:{os.environ['PATH']}"
        running = launch.create(path)
        try:
            end = time.monotonic() + LIMIT_S
            while running.manager.status()["status"] not in ("DONE", "ERROR") and time.monotonic() < end:
                time.sleep(1)
            if (status := running.manager.status())["status"] != "DONE":
                sys.exit(f"the search is {status}: see {running.folder / 'log'}")
        finally:
            running.stop()
    rows = [line.split() for line in log.read_text().splitlines()]
    if len(rows) != trials:
        sys.exit(f"{len(rows)} of {trials} trials have slept")
    return sorted((float(row[2]), float(row[3])) for row in rows)


def between(slept: Slept) -> list[float]:
    """Seconds from each sleep to the next one, one at a time; the first ones start while everything else does."""
    return [after[0] - before[1] for before, after in itertools.pairwise(slept)][2:]


def busy(slept: Slept, count: int) -> float:
    """Share of the hosts' time, from when all have begun until the last trial begins."""
    begin, end = slept[count - 1][0], slept[-1][0]
    return sum(max(0.0, min(b, end) - max(a, begin)) for a, b in slept) / (count * (end - begin))


def text(record: dict[str, Any]) -> str:
    """For the page."""
    medians = {arm: statistics.median(gaps) for arm, gaps in record["between_s"].items()}
    here, near = (medians[arm] for arm in ARMS)
    load, cores, share, seconds = record["load"], record["cores"], record["busy"] * 100, record["seconds"]
    return (
        f"{here:.2f} s pass between two trials here, {near:.2f} s over SSH (load {load:.0f} on {cores} cores); "
        f"eight hosts on these cores were busy for {share:.0f} % of the time with trials of {seconds:g} s "
        f"([script](../benchmarks/machines_pace.py))."
    )


def main() -> None:
    """Measure and print, or print again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=14, help="one at a time")
    parser.add_argument("--hosts", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=10, help="trials of each host")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--only", choices=["overhead", "busy"])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--render", type=Path)
    options = parser.parse_args()
    if options.render:
        from into_docs import DOCS, put

        put(DOCS / "machines.md", "pace", text(json.loads(options.render.read_text(encoding="utf-8"))))
        return
    if why := forbidden():
        sys.exit(f"no hosts can be made here: {why}")
    record: dict[str, Any] = {"cores": len(os.sched_getaffinity(0)), "hosts": options.hosts, "seconds": options.seconds}
    record["load"] = os.getloadavg()[0]  # of what else runs
    with tempfile.TemporaryDirectory(prefix="pace") as name:
        folder = Path(name)
        if options.only != "busy":
            record["between_s"] = {}
            for number, (arm, count) in enumerate(ARMS.items()):
                slept = search(folder / str(number), count, options.trials, 1.0)
                record["between_s"][arm] = [round(gap, 3) for gap in between(slept)]
                print(arm, statistics.median(record["between_s"][arm]), flush=True)
        if options.only != "overhead":
            slept = search(folder / "all", options.hosts, options.hosts * options.rounds, options.seconds)
            record["busy"] = round(busy(slept, options.hosts), 4)
            print("busy", record["busy"], "load", os.getloadavg(), flush=True)
            if logs := os.environ.get("EDNAS_PACE_KEEP"):
                shutil.copytree(folder / "all" / "home", logs)
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
