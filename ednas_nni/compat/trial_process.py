"""Trials of a `NasExperiment` run in processes of NNI's, in which nobody has patched anything.

Fault: nni 3.0, nni/nas/experiment/config/experiment.py: the command of a trial is fixed and imports `nni.nas` as it is.
Beside a torchvision of another build than torch (see `vision`) every trial dies of that import. Upstream: not reported.
Can go when `import nni.nas.nn.pytorch` needs no doorway.

NNI insists on the end of the command and looks at nothing before it, so this module stands there:
`python -m ednas_nni.compat.trial_process -m nni.nas.execution.training_service trial`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from ednas_nni.compat import patch

NNIS = "-m nni.nas.execution.training_service trial"


def apply() -> None:
    """Let trials pass by here, unless their command names a module of ours already."""
    from nni.experiment.config import ExperimentConfig

    patch(ExperimentConfig, "_canonicalize", _by_here)


def _by_here(own: Callable[..., None]) -> Callable[..., None]:
    def canonicalize(self: Any, parents: list[Any]) -> None:
        command = self.trial_command
        if isinstance(command, str) and command.endswith(NNIS) and "-m ednas_nni." not in command:
            self.trial_command = f"{command.removesuffix(NNIS)}-m ednas_nni.compat.trial_process {NNIS}"
        own(self, parents)  # copies it into the training service

    return canonicalize


if __name__ == "__main__":
    import_module("ednas_nni.compat.nas")  # its patches come before whatever imports `nni.nas`
    import_module("nni.nas.execution.training_service").trial_entry()
