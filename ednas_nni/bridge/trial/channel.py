"""The trial's command channel, with parameters that cannot be another trial's and results that cannot be lost.

NNI 3.0's local and remote services hand parameters to whichever trial asks first
(training_service/v3/compat.js; microsoft/nni#5726, #5693): with concurrency, or after one trial that died
before asking, trials run an architecture that is booked on another job. A local trial therefore reads the
record that the manager stored for its own job and never draws from that queue. Where the record cannot be
reached (a remote worker), the trial draws from the queue and reports which architecture it really ran.

A final result is written beside the trial's log before it is sent, and it counts as delivered once NNI's record of the
job holds it: NNI answers before it stores, and drops what arrives before it knows the job.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar, cast

import requests
from nni.runtime.trial_command_channel.v3 import TrialCommandChannelV3

from ednas_nni.bridge.manager.processes import CALL, MANAGER, Process
from ednas_nni.bridge.manager.rest import Manager
from ednas_nni.bridge.messages import ParameterRecord
from ednas_nni.bridge.trial import folder as trial_folder
from ednas_nni.bridge.trial.folder import Metrics
from ednas_nni.errors import ExperimentError, TrialError
from ednas_nni.record.failures import UNDELIVERED
from ednas_nni.record.reports import read_report

RECORD_WAIT_S = 60.0  # the manager stores the record a moment after it started the process
SEND_WAIT_S = 30.0
STORE_WAIT_S = 2.0  # NNI stores a result within milliseconds; after this it is sent again
Model = TypeVar("Model")
ANSWER_S = 60.0  # NNI answers a waiting trial with 408 after a second, and it asks again


class OwnedChannel(TrialCommandChannelV3):
    """A channel that gives a trial the parameters booked on its own job, and loses none of its results.

    Args:
        url: NNI_TRIAL_COMMAND_CHANNEL.
        job: NNI_TRIAL_JOB_ID.
        manager: The manager, None where it cannot be reached from here.
        decode: Reads the stored record. Ours are plain JSON; NNI's own trials need `nni.load`.

    Attributes:
        architecture: Id of the architecture that this process really trains; sent along with the final result.
        costs: Of that architecture; sent too, so that NNI's web UI, `trial ls` and `experiment export` show them.
    """

    def __init__(
        self, url: str, job: str, manager: Manager | None, decode: Callable[[str], ParameterRecord] = json.loads
    ) -> None:
        super().__init__(url)
        self.job = job
        self.manager = manager
        self.architecture: str | None = None
        self.costs: Mapping[str, float] = {}
        self._decode = decode
        self._parameter_id: int | None = None
        self._starter = Process.parse(os.environ.get(MANAGER))  # NNI's manager, where it runs on this machine
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy from the environment must not come between a trial and its manager

    def receive_parameter(self) -> ParameterRecord:
        """The parameter record of this very job.

        Raises:
            TrialError: This job's record cannot be read although the manager is on this machine, or a remote
                manager hands out nothing.
        """
        record = self._draw() if self.manager is None else self._booked(self.manager)
        self._parameter_id = record.get("parameter_id") if isinstance(record, dict) else None
        return record

    def prove(self, architecture: str) -> None:
        """Say which architecture this process trains, before it trains.

        NNI runs a job again that it believes unfinished. If it has kept a result of this architecture, or NNI holds
        one, that one is delivered and the process ends.

        Raises:
            SystemExit: With code 0: nothing is left to train.
            TrialError: The kept result cannot be delivered.
        """
        self.architecture = architecture
        if self.manager is None:
            return
        metric = self._result_file(architecture)
        if metric is not None:
            self._send(self._final_message(metric), final=True, awaited=True)
        elif not _stored(self.manager, self.job, architecture):
            return
        print(f"job {self.job} trained {architecture} to its end before; its result stands", flush=True)
        raise SystemExit(0)

    def _result_file(self, architecture: str) -> Metrics | None:
        folder = os.environ.get("NNI_OUTPUT_DIR")
        if not folder:
            return None
        return trial_folder.read_result(Path(folder), os.environ.get("NNI_EXP_ID", ""), self.job, architecture)

    def _booked(self, manager: Manager) -> ParameterRecord:
        end = time.monotonic() + RECORD_WAIT_S
        while time.monotonic() < end and not self._orphaned:
            record = manager.own_parameters(self.job)
            if record is not None:
                return self._decode(record)
            time.sleep(0.05)
        why = "is gone" if self._orphaned else f"has no parameters stored after {RECORD_WAIT_S:.0f} s"
        raise TrialError(
            f"NNI's manager {why} for job {self.job}; "
            "this trial cannot prove which architecture it should train, so it does not train."
        )

    @property
    def _orphaned(self) -> bool:
        """Whether the manager that started this trial is gone. What listens on its port then is another one."""
        return self._starter is not None and not self._starter.alive

    def _draw(self) -> ParameterRecord:
        """Whatever NNI's queue hands out next."""
        url = self._channel._url
        try:
            self._session.put(url, json={"type": "request_parameter"}, timeout=ANSWER_S).raise_for_status()
            answer = self._session.get(url, timeout=ANSWER_S)
            while answer.status_code == requests.codes.request_timeout:
                answer = self._session.get(url, timeout=ANSWER_S)
            answer.raise_for_status()
            command = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise TrialError(f"NNI's manager handed out no architecture to job {self.job}: {error}") from error
        if command.get("type") != "parameter":
            raise TrialError(f"NNI's manager answered {command!r} when job {self.job} asked for its architecture.")
        return self._decode(command["parameter"])

    def send_metric(self, **fields: object) -> None:
        """Send a metric; a rejected or lost message is an error here, not silence as in NNI.

        Where the manager is gone, a final result is kept in the trial's folder for the resume, and others are left out.
        """
        import nni

        value, final = fields["value"], fields["type"] == "FINAL"
        if final and self.architecture is not None:
            measured = value if isinstance(value, dict) else {"default": value}
            costs: dict[str, object] = {name: cost for name, cost in self.costs.items() if name not in measured}
            if costs:  # each text is one more axis of NNI's hyper-parameter view
                costs["ran"] = f"{measured.get('ran', '')} costs={','.join(costs)}".strip()
            value = {**measured, **costs, "architecture": self.architecture}
            self._write_result(value, self.architecture)
        # NNI never counts what cannot be used (NaN, no `default`); from another machine the trial's folder comes back.
        awaited = final and CALL not in os.environ and not read_report(value).fault
        self._send({"type": "metric", "metric": nni.dump({**fields, "value": nni.dump(value)})}, final, awaited)

    def _write_result(self, value: Metrics, architecture: str) -> None:
        folder = os.environ.get("NNI_OUTPUT_DIR")
        if not folder:
            return
        try:
            trial_folder.write_result(Path(folder), os.environ.get("NNI_EXP_ID", ""), self.job, architecture, value)
        except (OSError, TypeError, ValueError) as error:  # the result itself may still arrive
            print(f"ednas: the result is not kept beside the log: {error}", file=sys.stderr, flush=True)

    def _final_message(self, metric: Metrics) -> dict[str, str]:
        head = {"parameter_id": self._parameter_id, "trial_job_id": self.job, "type": "FINAL", "sequence": 0}
        return {"type": "metric", "metric": json.dumps({**head, "value": json.dumps(metric)})}

    def _send(self, body: dict[str, str], final: bool, awaited: bool = False) -> None:
        end = time.monotonic() + SEND_WAIT_S
        while True:
            if self._orphaned:
                if final:
                    print("NNI's manager is gone; the result is kept here for `ednas resume`", flush=True)
                return
            try:
                answer = self._session.put(self._channel._url, json=body, timeout=10)
                if answer.ok and (not awaited or self._arrives()):
                    return
                reason = f"{answer.status_code} {answer.text[:100]}" if not answer.ok else "it is not in NNI's database"
            except requests.RequestException as error:
                reason = str(error)
            if time.monotonic() > end:
                raise TrialError(
                    f"{UNDELIVERED}: a metric could not be delivered to NNI's manager within {SEND_WAIT_S:.0f} s: "
                    f"{reason}"
                )
            time.sleep(0.5)

    def _arrives(self) -> bool:
        """Whether a final result that was sent gets into NNI's record of the job; taken for granted from afar."""
        if self.manager is None or self.architecture is None:
            return True
        end = time.monotonic() + STORE_WAIT_S
        while not _stored(self.manager, self.job, self.architecture):
            if time.monotonic() > end or self._orphaned:
                return False
            time.sleep(0.05)
        return True


def _stored(manager: Manager, job: str, architecture: str) -> bool:
    """Whether NNI holds a usable final result of a job for an architecture."""
    try:
        report = read_report(manager.finals(job).get(job))
    except ExperimentError:
        return False
    return not report.fault and report.architecture == architecture


def install(url: str, job: str, manager: Manager | None) -> OwnedChannel:
    """Make an owned channel the one that `nni.get_next_parameter` and `nni.report_*` of this process use."""
    from nni.runtime.trial_command_channel import set_default_trial_command_channel

    channel = OwnedChannel(url, job, manager)
    set_default_trial_command_channel(channel)
    return channel


def claim(model: Model) -> Model:
    """For trials that NNI itself starts (`NasExperiment`): swap the drawn model for the one booked on this job.

    Args:
        model: The executable model that NNI's queue handed out.

    Returns:
        The model that this job owns; `model` itself outside of a local NNI trial.
    """
    import nni
    from nni.runtime import trial_command_channel
    from nni.runtime.env_vars import trial_env_vars

    url, job = trial_env_vars.NNI_TRIAL_COMMAND_CHANNEL, trial_env_vars.NNI_TRIAL_JOB_ID
    if not url or not url.startswith("http") or not job or trial_env_vars.NNI_PLATFORM != "local":
        return model
    if isinstance(trial_command_channel.get_default_trial_command_channel(), OwnedChannel):
        return model
    owned = OwnedChannel(url, job, Manager.of_channel(url), decode=nni.load)
    record = owned.receive_parameter()
    current = nni.trial._params
    if current is not None and current["parameter_id"] != record["parameter_id"]:
        print(
            f"parameter swap corrected: NNI sent {current['parameter_id']}, job {job} owns {record['parameter_id']}",
            flush=True,
        )
        nni.trial._params = record
        model = cast(Model, record["parameters"])  # `nni.load` has decoded NNI's own model
    trial_command_channel.set_default_trial_command_channel(owned)
    return model
