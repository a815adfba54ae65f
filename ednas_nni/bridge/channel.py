"""The trial's command channel, with parameters that cannot be another trial's.

NNI 3.0's local and remote services hand parameters to whichever trial asks first
(training_service/v3/compat.js; microsoft/nni#5726, #5693): with concurrency, or after one trial that died
before asking, trials run an architecture that is booked on another job. A local trial therefore reads the
record that the manager stored for its own job and never draws from that queue. Where the record cannot be
reached (a remote worker), the trial draws from the queue and reports which architecture it really ran.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import requests
from nni.runtime.trial_command_channel.v3 import TrialCommandChannelV3

from ednas_nni.bridge.rest import Manager
from ednas_nni.errors import TrialError

RECORD_WAIT_S = 60.0  # the manager stores the record a moment after it started the process
SEND_WAIT_S = 30.0
ANSWER_S = 60.0  # NNI answers a waiting trial with 408 after a second, and it asks again


class OwnedChannel(TrialCommandChannelV3):
    """A channel that gives a trial the parameters booked on its own job.

    Args:
        url: NNI_TRIAL_COMMAND_CHANNEL.
        job: NNI_TRIAL_JOB_ID.
        manager: The manager, None where it cannot be reached from here.
        decode: Reads the stored record. Ours are plain JSON; NNI's own trials need `nni.load`.

    Attributes:
        architecture: Id of the architecture that this process really trains; sent along with the final result.
    """

    def __init__(self, url: str, job: str, manager: Manager | None, decode: Callable[[str], Any] = json.loads) -> None:
        super().__init__(url)
        self.job = job
        self.manager = manager
        self.architecture: str | None = None
        self._decode = decode
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy from the environment must not come between a trial and its manager

    def receive_parameter(self) -> Any:
        """The parameter record of this very job.

        Raises:
            TrialError: This job's record cannot be read although the manager is on this machine, or a remote
                manager hands out nothing.
        """
        if self.manager is None:
            return self._draw()
        end = time.monotonic() + RECORD_WAIT_S
        while time.monotonic() < end:
            record = self.manager.own_parameters(self.job)
            if record is not None:
                return self._decode(record)
            time.sleep(0.2)
        raise TrialError(
            f"NNI's manager has no parameters stored for job {self.job} after {RECORD_WAIT_S:.0f} s; "
            "this trial cannot prove which architecture it should train, so it does not train."
        )

    def _draw(self) -> Any:
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

    def send_metric(self, **fields: Any) -> None:
        """Send a metric; a refused or lost message is an error here, not silence as in NNI."""
        import nni

        value = fields["value"]
        if fields["type"] == "FINAL" and self.architecture is not None:
            value = dict(value) if isinstance(value, dict) else {"default": value}
            value["architecture"] = self.architecture
        metric = {**fields, "value": nni.dump(value)}
        body = {"type": "metric", "metric": nni.dump(metric)}
        end = time.monotonic() + SEND_WAIT_S
        while True:
            try:
                answer = self._session.put(self._channel._url, json=body, timeout=10)
                if answer.ok:
                    return
                reason = f"{answer.status_code} {answer.text[:100]}"
            except requests.RequestException as error:
                reason = str(error)
            if time.monotonic() > end:
                raise TrialError(
                    f"A metric could not be delivered to NNI's manager within {SEND_WAIT_S:.0f} s: {reason}"
                )
            time.sleep(0.5)


def install(url: str, job: str, manager: Manager | None, decode: Callable[[str], Any] = json.loads) -> OwnedChannel:
    """Make an owned channel the one that `nni.get_next_parameter` and `nni.report_*` of this process use."""
    from nni.runtime.trial_command_channel import set_default_trial_command_channel

    channel = OwnedChannel(url, job, manager, decode)
    set_default_trial_command_channel(channel)
    return channel


def claim(model: Any) -> Any:
    """For trials that NNI itself starts (`NasExperiment`): swap the drawn model for the one booked on this job.

    Args:
        model: The executable model that NNI's queue handed out.

    Returns:
        The model that this job owns; `model` itself outside of a local NNI trial.
    """
    import nni
    from nni.runtime.env_vars import trial_env_vars

    url, job = trial_env_vars.NNI_TRIAL_COMMAND_CHANNEL, trial_env_vars.NNI_TRIAL_JOB_ID
    if not url or not url.startswith("http") or not job or trial_env_vars.NNI_PLATFORM != "local":
        return model
    if isinstance(_default_channel(), OwnedChannel):
        return model
    owned = OwnedChannel(url, job, Manager.of_trial_channel(url), decode=nni.load)
    record = owned.receive_parameter()
    current = nni.trial._params
    if current is not None and current["parameter_id"] != record["parameter_id"]:
        print(
            f"parameter swap corrected: NNI sent {current['parameter_id']}, job {job} owns {record['parameter_id']}",
            flush=True,
        )
        nni.trial._params = record
        model = record["parameters"]
    from nni.runtime.trial_command_channel import set_default_trial_command_channel

    set_default_trial_command_channel(owned)
    return model


def _default_channel() -> Any:
    from nni.runtime.trial_command_channel import get_default_trial_command_channel

    return get_default_trial_command_channel()
