"""NNI manager's REST interface, as far as it is needed."""

from __future__ import annotations

import json
import os
import re
import time
from functools import partialmethod
from typing import cast

import requests

from ednas_nni.bridge.manager.processes import CALL
from ednas_nni.bridge.messages import ExperimentProfile, Status, TrialJob
from ednas_nni.errors import ExperimentError, TrialError
from ednas_nni.record.failures import HOST_LOST

TIMEOUT_S = 10.0
AWAY_S, PAUSE_S = 60.0, 2.0
"""So long such a trial waits for an answer; a connection that is cut for longer ends it."""


class Manager:
    """The NNI manager of one experiment, by a base such as `http://localhost:8080/api/v1/nni`."""

    def __init__(self, base: str) -> None:
        self.base = base
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy from the environment has no business with localhost

    @classmethod
    def at(cls, port: int, prefix: str | None = None) -> Manager:
        """The manager that listens on a port of this machine."""
        middle = f"/{prefix.strip('/')}" if prefix else ""
        return cls(f"http://localhost:{port}{middle}/api/v1/nni")

    @classmethod
    def of_trial(cls) -> Manager | None:
        """The manager of the trial that this process is; None where its machine cannot reach it."""
        if os.environ.get("NNI_PLATFORM") == "local":
            return cls.of_channel(os.environ.get("NNI_TRIAL_COMMAND_CHANNEL", ""))
        return cls(os.environ[CALL]) if CALL in os.environ else None

    @classmethod
    def of_channel(cls, url: str) -> Manager:
        """From the Advisor's channel, `ws://HOST:PORT[/prefix]/tuner`, or a local trial's, `http://.../env/PLACE/JOB`."""
        match = re.fullmatch(r"(ws|https?)://(.+?)/(?:tuner|env/.*)", url)
        if not match:
            raise ExperimentError(f"NNI's channel {url!r} is neither ws://HOST:PORT/tuner nor http://HOST:PORT/env/...")
        return cls(f"{match[1].replace('ws', 'http')}://{match[2]}/api/v1/nni")

    def patiently(self, path: str) -> object:
        """As `get`, for a trial on another machine: it waits out a short cut. TrialError: the cut was too long."""
        end = time.monotonic() + AWAY_S
        while True:
            try:
                return self.get(path)
            except ExperimentError as error:
                if time.monotonic() > end:
                    raise TrialError(f"{HOST_LOST}: {error}") from error
            time.sleep(PAUSE_S)

    def ask(self, method: str, path: str, body: object = None) -> object:
        """Get, put or delete a JSON document; ExperimentError: the manager cannot be reached or refuses."""
        try:
            answer = self._session.request(method, f"{self.base}/{path}", json=body, timeout=TIMEOUT_S)
        except requests.RequestException as error:
            raise ExperimentError(f"NNI's manager does not answer at {self.base}: {error}") from error
        if not answer.ok:
            raise ExperimentError(f"NNI's manager refused {method} {path}: {answer.status_code} {answer.text[:200]}")
        try:
            return answer.json()
        except ValueError:
            return answer.text

    get = partialmethod(ask, "get")
    put = partialmethod(ask, "put")
    delete = partialmethod(ask, "delete")

    def experiment(self) -> ExperimentProfile:
        """The experiment's profile; its `params` are the YAML as parsed by NNI."""
        return cast(ExperimentProfile, self.get("experiment"))

    def status(self) -> Status:
        """`{status, errors}`; status is RUNNING, DONE, ERROR, ..."""
        return cast(Status, self.get("check-status"))

    def trials(self) -> list[TrialJob]:
        """All trial jobs that NNI knows."""
        return cast("list[TrialJob]", self.get("trial-jobs"))

    def own_parameters(self, job: str) -> str | None:
        """The parameter record that NNI booked on a job, in JSON as it was sent; None while it is not stored yet."""
        try:
            record = self.get(f"trial-jobs/{job}")
        except ExperimentError:
            return None
        stored = record.get("hyperParameters") if isinstance(record, dict) else None
        return stored[0] if stored else None

    def finals(self, job: str = "") -> dict[str, object]:
        """Job id -> the first final metric that NNI stored for it, of one job or of all; jobs without one are left out.

        NNI's list of trial jobs shows final metrics of succeeded jobs only. ExperimentError: the manager does not
        answer.
        """
        metrics: dict[str, object] = {}
        stored = self.get(f"metric-data/{job}?type=FINAL" if job else "metric-data?type=FINAL")
        for metric in stored if isinstance(stored, list) else []:
            try:
                metrics.setdefault(metric["trialJobId"], json.loads(json.loads(metric["data"])))
            except (ValueError, KeyError, TypeError) as error:
                raise ExperimentError(f"NNI's manager gives a metric that cannot be read: {metric!r}") from error
        return metrics

    def publish_search_space(self, space: dict[str, object]) -> None:
        """Show the real search space in the web UI's panel."""
        profile = self.experiment()
        profile["params"]["searchSpace"] = space
        self.put("experiment?update_type=SEARCH_SPACE", profile)
