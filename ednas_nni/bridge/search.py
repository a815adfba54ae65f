"""One search under NNI's manager: study, journal, chain of middlewares and engine put together."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ednas_nni.bridge import saved
from ednas_nni.bridge.catching_up import LOST, CatchingUp, CaughtUp
from ednas_nni.bridge.engine import AdvisorEngine, SimplifiedModelSpace
from ednas_nni.bridge.head import write_head
from ednas_nni.bridge.manager import exposure
from ednas_nni.bridge.manager.rest import Manager
from ednas_nni.bridge.trial.folder import TrialFolders
from ednas_nni.errors import ExperimentError, TrialError
from ednas_nni.record import events
from ednas_nni.record.journal import FILE, FOLDER, Journal
from ednas_nni.search.assembled import Assembled
from ednas_nni.search.mounting import hopeless, layers, reason
from ednas_nni.study import parse

_log = logging.getLogger("nni.ednas")

POLL_S = 0.2


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
        self.assembled = Assembled(self.study)
        self.experiment = experiment
        self.folder = folder
        self._state = folder / FOLDER / saved.FILE
        self.resumed = resumed
        self.manager = Manager.of_tuner_channel(channel_url)
        self._send_job = send_job
        self.stopping = False
        self._ready = threading.Event()
        self._finishing = threading.Lock()
        self._recovered = not resumed  # whether NNI has told which trials of earlier sessions run again
        self._awaited: set[str] = set()  # architectures of recovered jobs that are known at their first message only
        self._caught_up = CaughtUp()
        self._logs = TrialFolders(folder)
        self._delivered: set[str] = set()  # jobs whose final result has arrived

    def prepare(self) -> None:
        """Build space, costs and strategy; write the journal's head. Nothing is trained yet.

        Raises:
            EdnasError: The study is wrong, its data cannot be made, or no architecture meets its constraints.
        """
        assembled, study = self.assembled, self.study
        exposure.check_platform(self.experiment, study.allow_open_port)
        import torch  # takes seconds: not before the connection to NNI stands

        torch.set_num_threads(1)  # the trials need the cores
        self.problem = assembled.problem
        lacking = assembled.baselines[1]
        _ = assembled.checked_evaluator  # its options are checked before the first trial meets them
        if lacking:
            _log.warning(lacking)
        self.journal = Journal(self.folder / FOLDER / FILE)
        if assembled.needs_network:
            assembled.source.prepare(progress=False)
        write_head(
            self.journal,
            self.folder.name,
            assembled,
            engine="nnictl",
            concurrency=self.experiment.get("trialConcurrency"),
            trials=self.experiment.get("maxTrialNumber"),
        )
        jobs = self.manager.trials() if self.resumed else []
        catching_up = CatchingUp(
            self.journal, self.problem.domains.known_id, self._described, self._logs.last_words, self._logs.result
        )
        self._caught_up = catching_up.run(jobs, self.manager.finals() if self.resumed else {})
        self.chain = assembled.mount(self.journal)
        executable = SimplifiedModelSpace.from_model(assembled.space, None)
        self.engine = AdvisorEngine(
            self._send_job,
            self.manager,
            freeze=lambda sample: executable.freeze(self.problem.domains.canonical(sample)),
            last_words=self._logs.last_words,
            earlier=[job["trialJobId"] for job in jobs],
            next_parameter_id=self._next_parameter_id(jobs),
            adopted=self._adopted,
        )
        self.chain.initialize(executable, self.engine)
        if self.resumed:
            tell = assembled.reward is None
            saved.restore(assembled.strategy, self._state, self.journal.history(), tell=tell, retries=study.retries)

    def _next_parameter_id(self, jobs: list[dict[str, Any]]) -> int:
        """Ids continue after every one that NNI ever saw; NNI itself starts again at 0."""
        if not self.resumed:
            return 0
        seen = [self.journal.history().next_trial]
        for job in jobs:
            for text in job.get("hyperParameters") or []:
                number = json.loads(text).get("parameter_id")
                seen.append(-1 if number is None else number)
        return 1 + max(seen)

    def publish_space(self) -> None:
        """Show the real search space in the web UI, and warn when the port is open to other machines."""
        port = int(self.manager.base.split("/")[2].rpartition(":")[2])
        text = exposure.warning(port, exposure.open_addresses(port), self.study.allow_open_port)
        if text:
            _log.warning(text)
            self.journal.append(events.Note(kind="open_port", text=text))
        told = {"WARNING": {"_type": "choice", "_value": [text]}} if text else {}
        try:
            self.manager.publish_search_space({**told, **self.problem.domains.as_nni()})
        except ExperimentError as error:
            _log.warning("the web UI will not show the search space: %s", error)

    def run(self) -> str:
        """Run the strategy to its end. Returns why it ended."""
        self._ready.wait()  # after a resume, jobs that still run must be known before anything new is asked for
        self.chain.run()
        while not (self.stopping or hopeless(self.chain)) and layers(self.chain)[-1].pending():
            time.sleep(POLL_S)  # NNI's strategies return while their last models are being trained
        if self.stopping:
            return "stopped"
        text = reason(self.chain) or "the strategy has nothing left to try"
        self._finish(text)
        if hopeless(self.chain):
            raise TrialError(text)
        return text

    def stop(self) -> None:
        """Let the strategy's thread end."""
        self.stopping = True
        self.engine.shutdown()
        self._ready.set()

    def _finish(self, reason: str) -> None:
        with self._finishing:  # both the strategy's and the messages' thread come here
            if self.journal.history().finished is None:
                self.journal.append(events.Finished(reason=reason))

    # ---- messages of the manager, in order, on one thread

    def on_message(self, kind: str, data: Any) -> None:
        """Pass one of NNI's messages to the engine."""
        if kind == "recover":
            self._recover(data)
        elif kind == "ready":
            # When a resumed trial ends while we still start, NNI asks for the next one before it has told which
            # trials it resumed; it asks again afterwards.
            if self._recovered and not self._ready.is_set():
                self._reconcile()
                self._ready.set()
            self._finish_if_exhausted()
        elif kind == "ping":
            self._finish_if_exhausted()
        elif data["trial_job_id"] in self._caught_up.jobs:
            _log.info("a late message of job %s is ignored: it was booked from NNI's database", data["trial_job_id"])
        elif kind == "metric":
            if data["type"] == "FINAL":
                self._delivered.add(data["trial_job_id"])
            self.engine.on_metric(data)
        elif kind == "end":
            self._deliver_kept(data)
            self.engine.on_end(data)
            if hopeless(self.chain):
                self.engine.shutdown()  # what still runs would only make the user wait for the reason
            saved.save(self.assembled.strategy, self._state)
            self._finish_if_exhausted()

    def _deliver_kept(self, end: dict[str, Any]) -> None:
        """A trial that ends without having reported may have kept its result: NNI did not take it."""
        job = end["trial_job_id"]
        if job in self._delivered:
            return
        record = json.loads(end["hyper_params"])
        architecture = self.problem.domains.known_id(record.get("parameters"))
        metric = self._logs.result(job, architecture) if architecture is not None else None
        if metric is not None:
            _log.warning("the result of job %s did not reach NNI; it is taken from the trial's folder", job)
            told = {"parameter_id": record.get("parameter_id"), "trial_job_id": job, "type": "FINAL"}
            self.engine.on_metric({**told, "value": json.dumps(metric)})

    def _recover(self, records: list[dict[str, Any]]) -> None:
        for record in records:
            number, sample = record.get("parameter_id"), record["parameters"]
            if number is None:
                open_trials = {t.architecture for t in self.journal.history().trials if t.status == "running"}
                self._awaited |= ({self.problem.domains.known_id(sample)} & open_trials) - self._alive()
            elif number not in self._caught_up.parameters:
                self.engine.recover(number, sample)
        self._recovered = True

    def _finish_if_exhausted(self) -> None:
        unknown = self._awaited or not self._ready.is_set()
        if not unknown and self.journal.history().finished is None and self.engine.exhausted:
            self._finish("every trial that the experiment's limits allow has ended")

    def _adopted(self, model: Any) -> None:
        """A job runs that this process did not submit: its results must be booked all the same."""
        architecture = self.problem.domains.architecture_id(model.sample)
        self._awaited.discard(architecture)
        record = layers(self.chain)[-1]
        # A trial that runs in this session has its job; the other one is a copy of it, made by hand.
        taken = record.trials_in_flight()
        open_trials = [t for t in self.journal.history().trials if t.status == "running" and t.trial not in taken]
        number = next((t.trial for t in reversed(open_trials) if t.architecture == architecture), None)
        record.adopt(model, number)
        violations = self.problem.violations(model.sample)
        if number is None and violations:
            text = f"{architecture} was added by hand and is outside the constraints: {'; '.join(violations)}"
            _log.warning(text)
            self.journal.append(events.Note(kind="added_by_hand", architecture=architecture, text=text))

    def _described(self, sample: dict[str, Any]) -> tuple[dict[str, Any], dict[str, float]]:
        complete = self.problem.domains.complete(sample)
        return complete, self.problem.cost_dict(complete)

    def _alive(self) -> set[str]:
        return {self.problem.domains.architecture_id(model.sample) for model in self.engine.list_models()}

    def _reconcile(self) -> None:
        """After a resume: trials that the manager no longer knows will never end by themselves."""
        alive = self._alive() | self._awaited
        for record in list(self.journal.history().trials):
            if record.status == "running" and record.architecture not in alive:
                self.journal.append(
                    events.Ended(
                        trial=record.trial,
                        job=record.job,
                        status="cancelled",
                        cause=LOST,
                    )
                )
