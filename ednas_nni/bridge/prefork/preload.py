"""What a trial imports, imported before any trial is there."""

from __future__ import annotations

import importlib
from typing import Any

LIBRARIES = (
    "nni",
    "nni.nas.nn.pytorch",
    "nni.nas.evaluator.pytorch.lightning",
    "nni.runtime.trial_command_channel.v3",
    "pytorch_lightning",
    "torchvision.transforms.v2",
    "requests",
)
OURS = (
    "ednas_nni.assembly",
    "ednas_nni.bridge.trial",
    "ednas_nni.bridge.channel",
    "ednas_nni.bridge.rest",
    "ednas_nni.data.batches",
    "ednas_nni.evaluator.jared",
    "ednas_nni.journal",
    "ednas_nni.nn.tree",
    "ednas_nni.references",
    "ednas_nni.tasks.quality",
)


def preload(study: dict[str, Any]) -> None:
    """Import libraries, our own modules and the registered plugins that a study names.

    Classes that a study names by their path are a user's own code; each trial imports them itself.

    Args:
        study: `tuner.classArgs`; what is wrong with it, the Advisor says.
    """
    from ednas_nni import compat

    compat.apply()
    import torch

    torch.set_num_threads(1)  # a parallel region in this process would hang every child in its own first one
    for name in (*LIBRARIES, *OURS):
        importlib.import_module(name)
    _load_plugins(study)


def _load_plugins(study: dict[str, Any]) -> None:
    from ednas_nni import plugins
    from ednas_nni.errors import EdnasError
    from ednas_nni.study import parse

    try:
        parsed = parse(study)
    except EdnasError:
        return
    wanted = [
        ("search_spaces", parsed.space.name),
        ("evaluators", parsed.evaluator.name),
        ("datasets", parsed.data.name),
    ]
    wanted += [("tasks", task) for task in parsed.tasks]
    for group, name in wanted:
        try:
            if name in plugins.names(group):
                plugins.load(group, name)
        except EdnasError:
            continue
