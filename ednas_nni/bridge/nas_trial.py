"""A trial of `NasExperiment` on NNI's training service: our mends and channel first, then NNI's own trial.

Started as `python -m ednas_nni.bridge.nas_trial -m nni.nas.execution.training_service trial`: NNI insists on the end
of that line.
"""

from __future__ import annotations

import os
import runpy
import sys

from ednas_nni import compat
from ednas_nni.bridge.rest import Manager
from ednas_nni.bridge.threads import share_cores


def main(arguments: list[str]) -> None:
    """Run the module named after `-m` as NNI would, with parameters that belong to this job."""
    url, job = os.environ.get("NNI_TRIAL_COMMAND_CHANNEL"), os.environ.get("NNI_TRIAL_JOB_ID")
    manager = None
    if url and job and os.environ.get("NNI_PLATFORM") == "local":
        manager = Manager.of_trial_channel(url)
        threads = share_cores(int(manager.experiment()["params"].get("trialConcurrency") or 1))
    compat.apply()
    if manager is not None:
        import nni
        import torch

        from ednas_nni.bridge.channel import install

        torch.set_num_threads(threads)
        # NNI's models travel in NNI's own format, from the manager of this machine.
        install(url, job, manager, decode=nni.load)
    module = arguments[arguments.index("-m") + 1]
    sys.argv = [module, *arguments[arguments.index("-m") + 2 :]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
