"""One search under NNI's manager: study, journal, chain of middlewares and engine put together."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ednas_nni import assembly, plugins
from ednas_nni.bridge.engine import AdvisorEngine, SimplifiedModelSpace
from ednas_nni.bridge.head import write_head
from ednas_nni.bridge.rest import Manager
from ednas_nni.errors import ExperimentError, SampleError
from ednas_nni.journal import FILE, FOLDER, Journal
from ednas_nni.strategy.middleware.reading import read
from ednas_nni.strategy.mounting import layers, mount, reason
from ednas_nni.strategy.shell import AskTellStrategy
from ednas_nni.study import parse

_log = logging.getLogger("nni.ednas")

STATE_FILE = "strategy.json"


class Search:
    """The strategy's side of an experiment.

    Args:
        raw_study: `tuner.classArgs` as NNI passed it.
        experiment: The experiment's configuration.
        folder: The experiment's folder, `<experiments>/<id>`.
        resumed: Whether the experiment is resumed.
        channel_url: NNI_TUNER_COMMAND_CHANNEL.
        send_job: Sends a parameter record to the manager as a new trial job.
    """

    def __init__(
        self,
        raw_study: dict[str, Any],
        experiment: dict[str, Any],
        folder: Path,
        resumed: bool,
        channel_url: str,
        send_job: Callable[[dict[str, Any]], None],
    ) -> None:
        self.study = parse(raw_study)
        self.experiment = experiment
        self.folder = folder
        self.resumed = resumed
        self.manager = Manager.of_tuner_channel(channel_url)
        self._send_job = send_job
        self._stopping = False
        self._ready = threading.Event()
        self._caught_up: set[str] = set()  # jobs that were booked from NNI's database; their messages come too late
        self._caught_up_parameters: set[int] = set()

    def prepare(self) -> None:
        """Build space, costs and strategy; write the journal's head. Nothing is trained yet.

        Raises:
            EdnasError: The study is wrong, its data cannot be made, or no architecture meets its constraints.
        """
        import torch

        torch.set_num_threads(1)  # the trials need the cores
        model_space = assembly.space(self.study)
        self.table = assembly.cost_table(self.study, model_space)
        self.problem = assembly.problem(self.study, self.table)
        evaluator = plugins.load("evaluators", self.study.evaluator.name)
        assembly.evaluator(self.study)  # its options are checked before the first trial meets them
        self.journal = Journal(self.folder / FOLDER / FILE)
        if self.resumed:
            self._catch_up()
        data = assembly.data_source(self.study)
        if getattr(evaluator, "needs_network", True):
            data.prepare(progress=False)
        write_head(
            self.journal,
            self.folder.name,
            self.study,
            self.problem,
            self.table,
            data.info.fingerprint,
            members=assembly.member_ids(model_space),
            engine="nnictl",
            concurrency=self.experiment.get("trialConcurrency"),
            trials=self.experiment.get("maxTrialNumber"),
        )
        starts = assembly.start_samples(self.study, model_space)
        self.strategy = assembly.strategy(self.study, starts)
        self.chain = mount(self.strategy, self.problem, self.journal, **self._reward())
        executable = SimplifiedModelSpace.from_model(model_space, None)
        self.engine = AdvisorEngine(
            self._send_job,
            self.manager,
            freeze=lambda sample: executable.freeze(self.problem.domains.canonical(sample)),
            failure_cause=self._failure_cause,
            submitted=self._jobs_so_far(),
            next_parameter_id=self._next_parameter_id(),
            adopted=self._adopted,
        )
        self.chain.initialize(executable, self.engine)
        self._restore()

    def _reward(self) -> dict[str, Any]:
        reward = assembly.hardware_reward(self.study, not getattr(self.strategy, "multi_objective", False))
        return {"hardware_aware": reward} if reward else {}

    def _jobs_so_far(self) -> int:
        return len(self.manager.trials()) if self.resumed else 0

    def _next_parameter_id(self) -> int:
        """Ids continue after every one that NNI ever saw; NNI itself starts again at 0."""
        if not self.resumed:
            return 0
        seen = [self.journal.history().next_trial]
        for trial in self.manager.trials():
            for text in trial.get("hyperParameters") or []:
                number = json.loads(text).get("parameter_id")
                seen.append(-1 if number is None else number)
        return 1 + max(seen)

    def _restore(self) -> None:
        """Our strategies continue from their saved state; NNI's are run again and answered from the journal."""
        path = self.folder / FOLDER / STATE_FILE
        if self.resumed and path.exists() and isinstance(self.strategy, AskTellStrategy):
            self.strategy.load_state_dict(json.loads(path.read_text(encoding="utf-8")))
            _log.info("strategy state restored from %s", path)

    def _save(self) -> None:
        if not isinstance(self.strategy, AskTellStrategy):
            return
        path = self.folder / FOLDER / STATE_FILE
        draft = path.with_suffix(".tmp")
        draft.write_text(json.dumps(self.strategy.state_dict()), encoding="utf-8")
        draft.replace(path)

    def publish_space(self) -> None:
        """Show the real search space in the web UI, and warn when the port is open to other machines."""
        try:
            self.manager.publish_search_space(self.problem.domains.as_nni())
        except ExperimentError as error:
            _log.warning("the web UI will not show the search space: %s", error)
        port = self.manager.base.split("/")[2].rpartition(":")[2]
        address = _open_address(int(port))
        if address:
            text = (
                f"NNI's port {port} answers on {address}: anyone who reaches it can run code on this machine. "
                "Start with `ednas search`, which binds to this machine only."
            )
            _log.warning(text)
            self.journal.append("note", kind="open_port", text=text)

    def run(self) -> str:
        """Run the strategy to its end. Returns why it ended."""
        self._ready.wait()  # after a resume, jobs that still run must be known before anything new is asked for
        self.chain.run()
        if self._stopping:
            return "stopped"
        text = reason(self.chain) or "the strategy has nothing left to try"
        self._finish(text)
        return text

    def stop(self) -> None:
        """Let the strategy's thread end."""
        self._stopping = True
        self.engine.shutdown()
        self._ready.set()

    def _finish(self, reason: str) -> None:
        if self.journal.history().finished is None:
            self.journal.append("finished", reason=reason)

    # ---- messages of the manager, in order, on one thread

    def on_message(self, kind: str, data: Any) -> None:
        """Pass one of NNI's messages to the engine."""
        if kind == "recover":
            for record in data:
                if record.get("parameter_id") in self._caught_up_parameters:
                    continue
                self.engine.recover(record.get("parameter_id"), record["parameters"])
        elif kind == "ready":
            if not self._ready.is_set():
                self._reconcile()
            self._ready.set()
            self._finish_if_exhausted()
        elif data["trial_job_id"] in self._caught_up:
            _log.info("a late message of job %s is ignored: it was booked from NNI's database", data["trial_job_id"])
        elif kind == "metric":
            self.engine.on_metric(data)
        elif kind == "end":
            self.engine.on_end(data)
            self._save()
            self._finish_if_exhausted()

    def _finish_if_exhausted(self) -> None:
        if self.engine.exhausted:
            self._finish("every trial that maxTrialNumber allows has ended")

    def _adopted(self, model: Any) -> None:
        """A job runs that this process did not submit: its results must be booked all the same."""
        architecture = self.problem.domains.architecture_id(model.sample)
        open_trials = [t for t in self.journal.history().trials if t.status == "running"]
        number = next((t.trial for t in reversed(open_trials) if t.architecture == architecture), None)
        layers(self.chain)[-1].adopt(model, number)

    def _catch_up(self) -> None:
        """Book what NNI's database knows and the journal does not: trials that ended while the Advisor was gone."""
        open_trials = {t.architecture: t for t in self.journal.history().trials if t.status == "running"}
        for job in self.manager.trials():
            texts = job.get("hyperParameters") or ["{}"]
            record = json.loads(texts[0])
            sample = record.get("parameters")
            if job["status"] in ("WAITING", "RUNNING") or not isinstance(sample, dict):
                continue
            trial = open_trials.get(self._architecture(sample))
            if trial is None or trial.job not in (None, job["trialJobId"]):
                continue
            booked = {"trial": trial.trial, "job": job["trialJobId"]}
            self._caught_up.add(job["trialJobId"])
            self._caught_up_parameters.add(record.get("parameter_id"))
            reading = read(_final_metric(job))
            mine = reading.architecture in (None, trial.architecture)
            if job["status"] == "SUCCEEDED" and mine and not reading.fault:
                self.journal.append("result", **booked, architecture=trial.architecture, metrics=reading.metrics)
                self.journal.append("ended", **booked, status="trained", cause="")
            else:
                cause = self._failure_cause(job["trialJobId"]) or reading.fault or f"NNI says {job['status']}"
                self.journal.append("ended", **booked, status="failed", cause=cause)

    def _architecture(self, sample: dict[str, Any]) -> str | None:
        try:
            return self.problem.domains.architecture_id(sample)
        except SampleError:
            return None

    def _reconcile(self) -> None:
        """After a resume: trials that the manager no longer knows will never end by themselves."""
        alive = {self.problem.domains.architecture_id(model.sample) for model in self.engine.list_models()}
        for record in list(self.journal.history().trials):
            if record.status == "running" and record.architecture not in alive:
                self.journal.append(
                    "ended",
                    trial=record.trial,
                    job=record.job,
                    status="cancelled",
                    cause="lost when the manager stopped before it could start",
                )

    def _failure_cause(self, job: str) -> str:
        """The last words of a local trial."""
        for path in (self.folder / "environments").glob(f"*/trials/{job}/trial.stderr"):
            lines = [line for line in _tail(path).splitlines() if line.strip()]
            told = [line for line in lines if line.startswith("ednas: error: ")]
            if told:
                return told[-1].removeprefix("ednas: error: ")
            if lines:
                return lines[-1].strip()[:500]
        return ""


def _final_metric(job: dict[str, Any]) -> Any:
    """The final metric in NNI's record of a job (JSON within JSON), None when there is none."""
    found = job.get("finalMetricData")
    return json.loads(json.loads(found[-1]["data"])) if found else None


def _tail(path: Path, size: int = 8192) -> str:
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - size))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def _open_address(port: int) -> str | None:
    """An address of this machine, other than loopback, on which the port answers."""
    import psutil

    for addresses in psutil.net_if_addrs().values():
        for address in addresses:
            if address.family is not socket.AF_INET or address.address.startswith("127."):
                continue
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.settimeout(0.5)
                if probe.connect_ex((address.address, port)) == 0:
                    return address.address
    return None
