"""What a trial imports, imported before any trial is there."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ednas_nni.study import Study

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
    "ednas_nni.search.assembled",
    "ednas_nni.bridge.trial.run",
    "ednas_nni.bridge.trial.channel",
    "ednas_nni.bridge.manager.rest",
    "ednas_nni.data.batches",
    "ednas_nni.training.jared",
    "ednas_nni.record.journal",
    "ednas_nni.nn.tree",
    "ednas_nni.baselines",
    "ednas_nni.tasks.quality",
)


def preload(study: dict[str, object]) -> None:
    """Import libraries, our own modules and the registered plugins that a study names; build its search space.

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
    from ednas_nni.bridge.trial import studies
    from ednas_nni.errors import EdnasError
    from ednas_nni.study import parse

    try:
        parsed = parse(study)
        if _load_plugins(parsed):
            studies.keep(parsed)
    except EdnasError:
        return


def _load_plugins(parsed: Study) -> bool:
    """Returns whether all of them are registered ones."""
    from ednas_nni import plugins

    wanted = [
        ("search_spaces", parsed.space.name),
        ("evaluators", parsed.evaluator.name),
        ("datasets", parsed.data.name),
    ]
    wanted += [("tasks", task) for task in parsed.tasks]
    registered = [(group, name) for group, name in wanted if name in plugins.names(group)]
    for group, name in registered:
        plugins.load(group, name)
    return len(registered) == len(wanted)
