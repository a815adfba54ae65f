"""A trial of `NasExperiment` on NNI's training service: our mends and channel first, then NNI's own trial.

Started as `python -m ednas_nni.bridge.nas_trial -m nni.nas.execution.training_service trial`: NNI insists on the end
of that line.
"""

from __future__ import annotations

import runpy
import sys

from ednas_nni import compat


def main(arguments: list[str]) -> None:
    """Run the module named after `-m` as NNI would, with parameters that belong to this job."""
    import nni
    from nni.runtime.env_vars import trial_env_vars

    from ednas_nni.bridge.channel import install
    from ednas_nni.bridge.rest import Manager

    compat.apply()
    url, job = trial_env_vars.NNI_TRIAL_COMMAND_CHANNEL, trial_env_vars.NNI_TRIAL_JOB_ID
    if url and job and trial_env_vars.NNI_PLATFORM == "local":
        # NNI's models travel in NNI's own format; its manager listens on this machine only.
        install(url, job, Manager.of_trial_channel(url), decode=nni.load)
    module = arguments[arguments.index("-m") + 1]
    sys.argv = [module, *arguments[arguments.index("-m") + 2 :]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
