"""Kills everything that a search consists of at random moments, resumes, and counts what was lost.

    python benchmarks/chaos.py [--kills 40] [--seed 0] [--json benchmarks/results/chaos.json]
    python benchmarks/chaos.py --render benchmarks/results/chaos.json      the table again, into docs/reliability.md

Real experiments through nnictl, two trials at a time, whose trials train nothing but wait a little. `kill -9` hits the
manager, the Advisor, one trial, the trial server or all of them at once, sometimes while they start; sometimes the
journal's last line is cut as well. What counts is a ledger that trials write themselves (chaos_trials/ledger.py), the
journal and NNI's database. Exit code 1 when anything was lost, mixed up, trained again or left running.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from ednas_nni.bridge.verify import disagreements, nni_records
from ednas_nni.errors import ExperimentError
from ednas_nni.record.journal import load
from ednas_nni.training.stub import StubEvaluator

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE / "chaos_trials"))

from checkout import commit  # noqa: E402
from ledger import key  # noqa: E402  (its folder is known now)
from under_fire import CONCURRENCY, VICTIMS, Tally, Victim  # noqa: E402

FOUND = ("results lost", "booked on the wrong architecture", "finished architectures trained twice", "processes left")
DOWN = ("manager", "advisor", "all")
"""Victims without which a search does not go on by itself."""


def count(victim: Victim) -> None:
    """Compare the ledger, the journal and NNI's database."""
    history, tally = load(victim.journal), victim.tally
    domains, truth = history.head.search_space(), StubEvaluator()
    tally.experiments += 1
    tally.trials += len(history.trials)
    tally.results += len(history.results)
    tally.retried += len(history.trials) - len({t.architecture for t in history.trials})
    booked: dict[str, float | None] = {}
    for trial in history.trials:
        sample = domains.complete(trial.sample)
        if domains.architecture_id(sample) != trial.architecture:
            tally.fault("booked on the wrong architecture", f"{victim.id}: trial {trial.trial}'s sample is another")
        if trial.status != "trained":
            continue
        booked.setdefault(key(sample), trial.quality)
        if trial.quality != truth.quality(sample):
            tally.fault("booked on the wrong architecture", f"{victim.id}: trial {trial.trial} has another's quality")
    records = nni_records(victim.folder)
    for line in disagreements(history, records):
        tally.fault("booked on the wrong architecture", f"{victim.id}: {line}")
    for job in {trial.job for trial in history.trials if trial.job} - {record.job for record in records}:
        tally.fault("results lost", f"{victim.id}: NNI's database has no job {job} any more")
    numbers = [trial.trial for trial in history.trials]
    if len(set(numbers)) != len(numbers):
        tally.fault("booked on the wrong architecture", f"{victim.id}: trial numbers are not unique")
    _count_ledger(victim, booked)


def _count_ledger(victim: Victim, booked: dict[str, float | None]) -> None:
    finished: dict[str, float] = {}
    for line in victim.ledger.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry["event"] == "begun" and entry["key"] in finished:
            victim.tally.fault("finished architectures trained twice", f"{victim.id}: {entry['key'][:12]}")
        elif entry["event"] == "finished":
            finished[entry["key"]] = entry["quality"]
    for name, quality in finished.items():
        if booked.get(name) != quality:
            victim.tally.fault("results lost", f"{victim.id}: {name[:12]} with quality {quality}")


def run(kills: int, seed: int, trials: int, seconds: float, start: str, keep: Path | None) -> Tally:
    """Strike until `kills` have hit, over as many experiments as that takes."""
    dice, tally = random.Random(seed), Tally()
    order: list[str] = []
    number = 0
    while sum(tally.kills.values()) < kills:
        with tempfile.TemporaryDirectory(prefix="ednas-chaos-", dir=keep) as home:
            victim = Victim(Path(home), number, trials, seconds, dice, tally, start)
            print(f"experiment {victim.id}: {victim.strategy}, trials start {victim.start}", flush=True)
            try:
                while sum(tally.kills.values()) < kills:
                    if not order:
                        order = dice.sample(VICTIMS, len(VICTIMS))
                    if not victim.strike(order[-1]):
                        break
                    if order.pop() in DOWN:
                        victim.resume()
                victim.finish()
                count(victim)
            except BaseException:
                with suppress(ExperimentError):
                    victim.running.stop()
                for process in victim.processes()["all"]:
                    with suppress(psutil.Error):
                        process.kill()
                raise
        number += 1
    return tally


def table(record: dict[str, Any]) -> str:
    """Markdown."""
    kills = ", ".join(f"{record['kills'].get(name, 0)} {name}" for name in VICTIMS)
    made = record["commit"][:10] + ("+" if record["commit"].endswith("+") else "")
    rows = [
        f"{sum(record['kills'].values())} kills ({kills}) in {record['experiments']} experiments with "
        f"{record['trials']} trials at concurrency {record['concurrency']}; {record['resumes']} resumes, "
        f"{record['cuts']} times with a cut last line of the journal; {record['minutes']} minutes; seed "
        f"{record['seed']}.",
        "",
        "| counted at the end | |",
        "|---|---|",
        *(f"| {name} | {record['found'][name]} |" for name in FOUND),
        f"| architectures with a result | {record['results']} |",
        f"| further attempts after a failure | {record['retried']} |",
        "",
        f"Command: `{record['command']}`, commit `{made}`" + (" with uncommitted changes." if "+" in made else "."),
    ]
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=12, help="of each experiment")
    parser.add_argument("--seconds", type=float, default=1.5, help="that a trial takes")
    parser.add_argument("--start", choices=("prefork", "plain", "both"), default="both", help="how trials start")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--folder", type=Path, help="where experiments are kept while they run")
    parser.add_argument("--render", type=Path, help="print the table of an earlier run")
    options = parser.parse_args()
    if options.render:
        print(table(json.loads(options.render.read_text(encoding="utf-8"))))
        return 0
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # so that nothing is left running
    begun = time.monotonic()
    tally = run(options.kills, options.seed, options.trials, options.seconds, options.start, options.folder)
    record = {
        "commit": commit(),
        "command": f"python benchmarks/chaos.py --kills {options.kills} --seed {options.seed}",
        "seed": options.seed,
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "concurrency": CONCURRENCY,
        "kills": dict(tally.kills),
        "moments": dict(tally.moments),
        "cuts": tally.cuts,
        "resumes": tally.resumes,
        "experiments": tally.experiments,
        "trials": tally.trials,
        "results": tally.results,
        "retried": tally.retried,
        "found": {name: tally.faults[name] for name in FOUND},
        "told": tally.told,
    }
    print(table(record))
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 1 if any(record["found"].values()) else 0


if __name__ == "__main__":
    sys.exit(main())
