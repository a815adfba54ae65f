"""A small trained network for tests of whatever takes a `Network`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ednas_nni.handover.describing import described
from ednas_nni.networks.network import Network
from ednas_nni.search.assembled import Assembled
from ednas_nni.study import parse

ROOMS = {"name": "rooms", "train": 32, "search": 16, "select": 16, "test": 16}


def small_study(
    tasks: Sequence[str] = ("segmentation", "depth", "normals"), steps: int = 8, **fields: Any
) -> Assembled:
    """A study that trains in a second: few small rooms, few steps.

    Args:
        tasks: Its tasks.
        steps: Of a training.
        **fields: Of the study, given otherwise.
    """
    return Assembled(
        parse(
            {
                "space": "nano",
                "tasks": list(tasks),
                "data": ROOMS,
                "train_size": [64, 128],
                "deploy_size": [64, 128],
                "device": ["macs", "params"],
                "objectives": ["quality", "macs"],
                "evaluator": {"name": "jared", "steps": steps, "batch_size": 4, "reports": 1, "accelerator": "cpu"},
                **fields,
            }
        )
    )


def small_network(
    tasks: Sequence[str] = ("segmentation", "depth", "normals"), steps: int = 8, member: str = "", **fields: Any
) -> Network:
    """A network of some thousand weights, trained for some steps on rooms (which are rendered once, in a second).

    Args:
        tasks: What it predicts.
        steps: Of its training.
        member: Name in the space; by default each label has its first value.
        **fields: Of the study, see `small_study`.
    """
    assembled = small_study(tasks, steps, **fields)
    first = {d.label: d.values[0] for d in assembled.domains.dimensions}
    sample = assembled.member(member) if member else assembled.domains.canonical(first)
    assembled.source.prepare(progress=False)
    module, _ = assembled.trained(sample)
    return described(assembled, sample, module)
