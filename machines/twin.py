"""The remote twin of a study: the same file, but for where its trials run.

The text is kept as its author wrote it; only NNI's fields on where and how trials run are replaced. Example: of

    trialConcurrency: 2                     trialConcurrency: 6
    trainingService:               ->       trainingService:
      platform: local                         platform: remote
                                              machineList: [...]
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from ednas_nni.bridge.manager.experiment_file import TRIAL_COMMAND
from ednas_nni.errors import ExperimentError
from machines.ssh import RemoteMachine

REPLACED = (
    "trainingService",
    "trainingServicePlatform",
    "trialConcurrency",
    "trialCommand",
    "trialGpuNumber",
    "nniManagerIp",
)


def twin(text: str, machines: Sequence[RemoteMachine], concurrency: int, gpus: int) -> str:
    """The text of the twin; for each machine an entry of `machineList`."""
    for name in REPLACED:  # a field, and the lines below it that are further in
        text = re.sub(rf"^{name}\s*:.*\n(?:[ \t]+.*\n|[ \t]*\n(?=[ \t]))*", "", f"{text.rstrip()}\n", flags=re.M)
    service: dict[str, object] = {"platform": "remote", "machineList": [entry(machine) for machine in machines]}
    if gpus:
        service["trialGpuNumber"] = gpus
    fields = {"trialCommand": TRIAL_COMMAND, "trialConcurrency": concurrency, "trainingService": service}
    return (
        f"{text.rstrip()}\n\n# Where trials run, written by `ednas remote`: over SSH; NNI's port stays closed.\n"
        + yaml.safe_dump(fields, sort_keys=False)
    )


def entry(machine: RemoteMachine) -> dict[str, object]:
    """As NNI documents it."""
    fields: dict[str, object] = {"host": machine.host, "user": machine.user, "port": machine.port}
    fields["sshKeyFile"] = machine.key or key_file(machine)
    if machine.folder:
        fields["pythonPath"] = machine.folder
    if machine.gpus is not None:
        fields["gpuIndices"] = list(machine.gpus)
    if machine.per_gpu != 1:
        fields["maxTrialNumberPerGpu"] = machine.per_gpu
    return fields


def key_file(machine: RemoteMachine) -> str:
    """A file for NNI, which asks for one: the first key that OpenSSH would try, else known hosts (an agent has it)."""
    import subprocess

    words = ["ssh", "-G", *machine.options, "--", machine.host]
    lines = subprocess.run(words, capture_output=True, text=True, check=False).stdout.splitlines()
    for name in ("identityfile", "userknownhostsfile"):
        for line in lines:
            key, _, value = line.partition(" ")
            for path in value.split() if key == name else ():
                if Path(path).expanduser().is_file():
                    return str(Path(path).expanduser())
    raise ExperimentError(
        f"{machine.host}: no key of yours is known to OpenSSH. Make one: ssh-keygen; ssh-copy-id "
        f"{machine.user}@{machine.host}"
    )
