"""One experiment under fire: what runs of it, how it is hit, and what a user then does."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import yaml

from ednas_nni.bridge.manager import launch
from ednas_nni.errors import ExperimentError
from ednas_nni.record.journal import History, journal_path, load

TRIALS_FOLDER = Path(__file__).resolve().parent / "chaos_trials"
VICTIMS = ("manager", "advisor", "trial", "trial server", "all")
STRATEGIES = ("ednas", "random", "regularized_evolution")
CUT = 0.4
EARLY = 0.25
LIMIT_S = 240.0
CONCURRENCY = 2


@dataclass
class Tally:
    """What was done and what came of it."""

    kills: Counter[str] = field(default_factory=Counter)
    moments: Counter[str] = field(default_factory=Counter)
    cuts: int = 0
    resumes: int = 0
    experiments: int = 0
    trials: int = 0
    results: int = 0
    retried: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)

    def fault(self, name: str, text: str) -> None:
        """Count one."""
        self.faults[name] += 1
        self.told.append(f"{name}: {text}")
        print(f"  FAULT {name}: {text}", flush=True)


class Victim:
    """One experiment under fire.

    Args:
        home: Folder for its configuration, experiments and ledger.
        number: Of the experiment; strategy and way of starting trials follow from it.
        trials: How many trials it may have.
        seconds: What a trial takes.
        dice: The random moments.
        tally: Where everything is counted.
        start: "prefork", "plain" or "both" in turn.
    """

    def __init__(
        self, home: Path, number: int, trials: int, seconds: float, dice: random.Random, tally: Tally, start: str
    ) -> None:
        self.home, self.dice, self.tally = home, dice, tally
        self.start = ("prefork", "plain")[number % 2] if start == "both" else start
        self.strategy = STRATEGIES[number % len(STRATEGIES)]
        self.ledger = home / "ledger.jsonl"
        evaluator = {"name": "ledger:Ledger", "ledger": str(self.ledger), "seconds": seconds, "reports": 3}
        study = {
            "evaluator": evaluator, "strategy": self.strategy, "hardware_aware": "off", "seed": number,
            "trial_start": self.start, "retries": 20, "stop_after_failures": 0,
        }  # fmt: skip
        config = {
            "experimentName": "chaos",
            "searchSpace": {},
            "trialCommand": "python3 -m ednas_nni.bridge.trial",
            "trialCodeDirectory": str(TRIALS_FOLDER),
            "trialConcurrency": CONCURRENCY,
            "maxTrialNumber": trials,
            "experimentWorkingDirectory": str(home / "experiments"),
            "tuner": {
                "className": "ednas_nni.bridge.advisor.Advisor",
                "codeDirectory": str(TRIALS_FOLDER),
                "classArgs": study,
            },
            "trainingService": {"platform": "local"},
        }
        path = home / "chaos.yml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        self.running = launch.create(path)
        self.id, self.folder = self.running.id, self.running.folder
        self.journal = journal_path(self.folder.parent, self.id)

    # ---- what runs

    def processes(self) -> dict[str, list[psutil.Process]]:
        """Living processes of the experiment by what they are."""
        found: dict[str, list[psutil.Process]] = {name: [] for name in (*VICTIMS, "other")}
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                kind = self._kind(process)
                if kind:
                    found[kind].append(process)
        found["all"] = [process for kind in found.values() for process in kind]
        return found

    def _kind(self, process: psutil.Process) -> str:
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return ""
        words = process.cmdline()
        line = " ".join(words)
        variables = process.environ()
        mine = self.id in line or variables.get("NNI_EXP_ID") == self.id
        if not mine and not str(variables.get("NNI_LOG_DIRECTORY", "")).startswith(str(self.folder)):
            return ""
        if "main.js" in line:
            return "manager"
        if "--exp_params" in words:
            return "advisor" if Path(words[0]).name.startswith("python") else "other"
        if "ednas_nni.bridge.trial.prefork.server" in words:
            parent = process.parent()
            forked = parent is not None and "ednas_nni.bridge.trial.prefork.server" in parent.cmdline()
            return "trial" if forked else "trial server"
        return "trial" if "NNI_TRIAL_JOB_ID" in variables else "other"

    def done(self) -> bool:
        """Whether NNI says that it is over, well or badly."""
        try:
            return self.running.manager.status()["status"] in ("DONE", "ERROR")
        except ExperimentError:
            return False

    def wait_for(self, done: Callable[[], object], what: str, seconds: float = LIMIT_S) -> None:
        """Wait.

        Raises:
            SystemExit: It takes too long.
        """
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                log = self.folder / "log" / "dispatcher.log"
                tail = log.read_text(encoding="utf-8", errors="replace")[-3000:] if log.exists() else ""
                raise SystemExit(f"{self.id}: {what} not within {seconds:.0f} s\n{tail}")
            time.sleep(0.2)

    def history(self) -> History | None:
        """The journal as it stands; None before it begins."""
        return load(self.journal) if self.journal.exists() and self.journal.stat().st_size else None

    # ---- what is done to it

    def strike(self, victim: str) -> bool:
        """Kill one victim at a random moment; False where the search was over before."""
        if victim == "trial server" and self.start == "plain":  # there is none
            victim = "trial"
        if self.dice.random() < EARLY:
            moment = "while starting"
            time.sleep(self.dice.uniform(0, 6))
        else:
            moment = "while running"
            self.wait_for(lambda: self.processes()["trial"] or self.done(), "a running trial")
            time.sleep(self.dice.uniform(0, 8))
        living = self.processes()
        chosen = living[victim]
        if not chosen and not self.done():
            self.wait_for(lambda: self.processes()[victim] or self.done(), f"a {victim} to kill")
            chosen = self.processes()[victim]
        if self.done() or not chosen:
            return False
        for process in chosen if victim == "all" else [self.dice.choice(chosen)]:
            with suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        self.tally.kills[victim] += 1
        self.tally.moments[moment] += 1
        print(
            f"  {sum(self.tally.kills.values()):3d} {victim} killed {moment}, {self.ended()} trials ended", flush=True
        )
        return True

    def ended(self) -> int:
        """Trials that the journal calls ended."""
        history = self.history()
        return sum(t.status != "running" for t in history.trials) if history else 0

    def resume(self) -> None:
        """What a user does: stop what is left of it, resume."""
        time.sleep(self.dice.uniform(0, 3))
        if self.processes()["manager"]:
            self.running.stop()
        self.wait_for(lambda: not self.processes()["advisor"], "the end of the Advisor", 60)
        if self.dice.random() < CUT and self.cut():
            self.tally.cuts += 1
        self.running = launch.resume(self.folder)
        self.tally.resumes += 1

    def cut(self) -> bool:
        """Cut the journal somewhere in its last line."""
        if not self.journal.exists():
            return False
        data = self.journal.read_bytes()
        last = data.rstrip(b"\n").rfind(b"\n") + 1
        if last >= len(data) - 1:
            return False
        with self.journal.open("rb+") as file:
            file.truncate(self.dice.randrange(last, len(data)))
        return True

    # ---- what came of it

    def finish(self) -> None:
        """Let it end, stop it, and count."""
        try:
            self.wait_for(self._settled, "the end")
        finally:
            with suppress(ExperimentError):
                self.running.stop()
        time.sleep(2)
        left = self.processes()["all"]
        for process in left:
            with suppress(psutil.Error):
                self.tally.fault("processes left", f"{self.id}: {process.pid} {' '.join(process.cmdline())[:100]}")
                process.kill()

    def _settled(self) -> bool:
        history = self.history()
        return self.done() and history is not None and all(t.status != "running" for t in history.trials)
