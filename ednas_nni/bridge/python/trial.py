"""A trial of `NasExperiment` on NNI's training service: our mends and channel first, then NNI's own trial.

Started as `python -m ednas_nni.bridge.python.trial -m nni.nas.execution.training_service trial`: NNI insists on the end
of that line.
"""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ednas_nni import compat
from ednas_nni.bridge.manager import orphans
from ednas_nni.bridge.manager.processes import MANAGER, manager_of
from ednas_nni.bridge.manager.rest import Manager
from ednas_nni.bridge.messages import whole_number
from ednas_nni.bridge.trial import cancelled
from ednas_nni.bridge.trial.limits import share_cores
from ednas_nni.errors import TrialError
from ednas_nni.record.failures import CAUSE, cause_of


def main(arguments: list[str]) -> int:
    """Run the module named after `-m` as NNI would, with parameters that belong to this job. Returns the exit code."""
    try:
        _run(arguments)
    except Exception as error:
        traceback.print_exc()
        print(f"{CAUSE}{cause_of(error)}", file=sys.stderr, flush=True)
        return 1
    return 0


def _run(arguments: list[str]) -> None:
    url, job = os.environ.get("NNI_TRIAL_COMMAND_CHANNEL"), os.environ.get("NNI_TRIAL_JOB_ID")
    manager, limit = None, nullcontext()
    if url and job and os.environ.get("NNI_PLATFORM") == "local":
        starter = manager_of(os.getppid())
        os.environ[MANAGER] = starter.text if starter is not None else ""
        cancelled.listen()
        if os.environ.get("NNI_OUTPUT_DIR"):
            orphans.announce(Path(os.environ["NNI_OUTPUT_DIR"]))
        manager = Manager.of_trial_channel(url)
        threads = share_cores(whole_number(manager.experiment()["params"], "trialConcurrency") or 1)
    compat.apply()
    if manager is not None:
        import nni
        import torch

        from ednas_nni.bridge.trial.channel import install
        from ednas_nni.bridge.trial.limits import time_limit

        torch.set_num_threads(threads)
        # NNI's models travel in NNI's own format, from the manager of this machine.
        identify, seconds = _known()
        install(url, job, manager, decode=nni.load, identify=identify)
        limit = time_limit(seconds)
    module = arguments[arguments.index("-m") + 1]
    sys.argv = [module, *arguments[arguments.index("-m") + 2 :]]
    with limit:
        runpy.run_module(module, run_name="__main__", alter_sys=True)


def _known() -> tuple[Callable[[Any], str] | None, float | None]:
    """From the journal's head: how a record tells its architecture, and the time limit of a trial in seconds."""
    from ednas_nni.bridge.trial.run import journal_head

    head = journal_head()
    if head is None:  # an experiment that was not made by `ednas_nni.experiment`
        return None, None
    domains = head.search_space()

    def identify(record: Any) -> str:
        sample = getattr(record["parameters"], "sample", None)
        if not isinstance(sample, dict):
            kind = type(record["parameters"]).__name__
            raise TrialError(
                f"NNI booked an object ({kind}) on this job that names no architecture; it does not train."
            )
        return domains.architecture_id(domains.complete(sample))

    return identify, head.study.get("trial_time_limit_s")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
