"""One search under NNI's manager: study, journal, chain of middlewares and engine put together."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ednas_nni.bridge.catching_up import CaughtUp
from ednas_nni.bridge.engine import AdvisorEngine
from ednas_nni.bridge.manager import exposure
from ednas_nni.bridge.manager.rest import Manager
from ednas_nni.bridge.messages import EndMessage, ParameterRecord, TrialJob
from ednas_nni.bridge.session import Session
from ednas_nni.compat.nas import ExecutableModelSpace, SimplifiedModelSpace
from ednas_nni.errors import ExperimentError, TrialError
from ednas_nni.record import events
from ednas_nni.record.parameters import TrialParameters
from ednas_nni.search.assembled import Assembled
from ednas_nni.search.checks import check_finish
from ednas_nni.search.mounting import hopeless, reason

_log = logging.getLogger("nni.ednas")

POLL_S = 0.2
STOPPED = "stopped"


class Search(Session):
    """The strategy's side of an experiment under NNI's manager.

    `send_job` sends a parameter record to the manager as a new trial job, `end_job` the id of one that is to end early.

    Attributes:
        stopping: NNI has told that the experiment ends, or an error has ended it.
    """

    def __init__(
        self,
        assembled: Assembled,
        folder: Path,
        manager: Manager,
        send_job: Callable[[ParameterRecord], None],
        resumed: bool,
        end_job: Callable[[str], None] = lambda job: None,
    ) -> None:
        super().__init__(assembled, folder)
        self._end_job = end_job
        self.resumed = resumed
        self.manager = manager
        self._send_job = send_job
        self.stopping = False
        self._ready = threading.Event()
        self._recovered = not resumed  # whether NNI has told which trials of earlier sessions run again
        self._awaited: set[str] = set()  # keys of recovered jobs that are known at their first message only
        self._caught_up = CaughtUp()
        self._delivered: set[str] = set()  # jobs whose final result has arrived

    def prepare(self, engine: str, concurrency: int | None, trials: int | None) -> None:
        """Build space, costs and strategy; write the journal's head. Nothing is trained yet.

        For the journal: what drives the trials ("nnictl" or "ts"), trials at a time, and how many there may be.
        """
        assembled = self.assembled
        self.problem = assembled.problem
        check_finish(assembled, trials)
        lacking = assembled.baselines[1]
        _ = assembled.checked_evaluator  # its options are checked before the first trial meets them
        if lacking:
            _log.warning(lacking)
        if assembled.needs_network:
            assembled.source.prepare(progress=False)
        self.write_head(engine, concurrency, trials)
        jobs = self.manager.trials() if self.resumed else []
        self._caught_up = self.catch_up(jobs, self.manager.finals() if self.resumed else {})
        self.mount()
        self.executable = SimplifiedModelSpace.from_model(assembled.space, None)
        self.engine = self.make_engine(
            self._hand_out,
            self.manager,
            freeze=self._frozen,
            last_words=self.logs.last_words,
            earlier=[job["trialJobId"] for job in jobs],
            next_parameter_id=self._next_parameter_id(jobs),
            adopted=self._adopted,
            end_job=self._end_job,
        )
        self.chain.initialize(self.executable, self.engine)
        if self.resumed:
            self.restore()

    make_engine: type[AdvisorEngine] = AdvisorEngine

    def _hand_out(self, record: ParameterRecord) -> None:
        """NNI gets the choices that the network has, for its hyper-parameter view; the trial fills in the others."""
        asked = TrialParameters.of(record["parameters"])
        active = replace(asked, sample=self.problem.domains.active(asked.sample))
        self._send_job({**record, "parameters": active.whole()})

    def _frozen(self, parameters: dict[str, Any]) -> ExecutableModelSpace:
        asked = TrialParameters.of(parameters, self.problem.domains)
        model = self.executable.freeze(asked.sample)
        model.sample = asked.whole()
        return model

    def note_lost_weights(self, platforms: list[str]) -> None:
        """Say it where trials run on machines from which their weights cannot come back."""
        elsewhere = [name for name in platforms if name != "local"]
        if elsewhere and self.weights.keep != "none":
            text = f"Trials on {', '.join(elsewhere)} cannot send their weights: only those of this machine are kept."
            _log.warning(text)
            self.journal.append(events.Note(kind="weights_elsewhere", text=text))

    def _next_parameter_id(self, jobs: list[TrialJob]) -> int:
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
        text = exposure.warning(port, exposure.open_addresses(port), self.assembled.study.allow_open_port)
        if text:
            _log.warning(text)
            self.journal.append(events.Note(kind="open_port", text=text))
        warning = {"WARNING": {"_type": "choice", "_value": [text]}} if text else {}
        try:
            self.manager.publish_search_space({**warning, **self.problem.domains.as_nni()})
        except ExperimentError as error:
            _log.warning("the web UI will not show the search space: %s", error)

    def run(self) -> str:
        """Run the strategy to its end. Returns why it ended."""
        self._ready.wait()  # after a resume, jobs that still run must be known before anything new is asked for
        self.chain.run()
        while not (self.stopping or hopeless(self.chain)) and self.record.pending():
            time.sleep(POLL_S)  # NNI's strategies return while their last models are being trained
        if self.stopping:
            return STOPPED
        text = reason(self.chain) or events.NOTHING_LEFT
        self.finish(text)
        if hopeless(self.chain):
            raise TrialError(text)
        return text

    def finish(self, reason: str) -> bool:
        """As every session; whoever typed `nnictl create` is told what to type next."""
        if not super().finish(reason):
            return False
        trials = self.journal.history().own
        trained = sum(trial.status == "trained" for trial in trials)
        text = f"Finished: {trained} of {len(trials)} trials have a result. Report: ednas report {self.folder.name}"
        _log.info(text)
        print(text, flush=True)  # `nnictl create --foreground` and `nnictl log stdout` show it
        return True

    def stop(self) -> None:
        """Let the strategy's thread end."""
        self.stopping = True
        self.engine.shutdown()
        self._ready.set()

    # ---- messages of the manager, in order, on one thread

    def on_message(self, kind: str, data: Any) -> None:
        """Pass one of NNI's messages to the engine."""
        if kind == "recover":
            self._recover(data)
        elif kind in ("ready", "ping"):
            # When a resumed trial ends while we still start, NNI asks for the next one before it has told which
            # trials it resumed; it asks again afterwards.
            if kind == "ready" and self._recovered and not self._ready.is_set():
                self.lose(self._alive() | self._awaited)  # the manager no longer knows the others
                self._ready.set()
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
            self.save()
            self._finish_if_exhausted()

    def _deliver_kept(self, end: EndMessage) -> None:
        """A trial that ends without having reported may have kept its result: NNI did not take it."""
        job = end["trial_job_id"]
        if job in self._delivered:
            return
        record = json.loads(end["hyper_params"])
        key = self.key_in(record.get("parameters"))
        metric = self.logs.result(job, key) if key is not None else None
        if metric is not None:
            _log.warning("the result of job %s did not reach NNI; it is taken from the trial's folder", job)
            number = record.get("parameter_id")
            self.engine.on_metric(
                {"parameter_id": number, "trial_job_id": job, "type": "FINAL", "value": json.dumps(metric)}
            )

    def _recover(self, records: list[ParameterRecord] | ParameterRecord) -> None:
        for record in records if isinstance(records, list) else [records]:
            number, sample = record.get("parameter_id"), record["parameters"]
            if number is None:
                key = self.key_in(sample)
                if key in {trial.key for trial in self.open_trials()} - self._alive():
                    self._awaited.add(str(key))
            elif number not in self._caught_up.parameters:
                self.engine.recover(number, sample)
        self._recovered = True

    def _finish_if_exhausted(self) -> None:
        unknown = self._awaited or not self._ready.is_set()
        if not unknown and self.journal.history().finished is None and self.engine.exhausted:
            self.lose()  # what NNI has queued and never starts
            self.finish("maxExperimentDuration is over" if self.engine.trials_left() else events.LIMITS)

    def _adopted(self, model: ExecutableModelSpace) -> None:
        asked = TrialParameters.of(model.sample)
        architecture = self.problem.domains.architecture_id(asked.sample)
        self._awaited.discard(asked.key(self.problem.domains))
        number = self.adopt(model)
        violations = self.problem.violations(asked.sample)
        if number is None and violations:
            text = f"{architecture} was added by hand and is outside the constraints: {'; '.join(violations)}"
            _log.warning(text)
            self.journal.append(events.Note(kind="added_by_hand", architecture=architecture, text=text))

    def _alive(self) -> set[str]:
        return {TrialParameters.of(m.sample).key(self.problem.domains) for m in self.engine.list_models()}
