"""What is wanted: the study as it stands in the YAML, its objectives and constraints, fronts and rewards."""

from __future__ import annotations

from ednas_nni.study.fields import (
    ADVISOR,
    GROUPS,
    NO_RESULT,
    FinishOptions,
    HardwareReward,
    PluginChoice,
    PruneOptions,
    StopOptions,
    Study,
    parse,
    read_experiment,
    read_mapping,
)

__all__ = [
    "ADVISOR", "GROUPS", "NO_RESULT", "FinishOptions", "HardwareReward", "PluginChoice", "PruneOptions", "StopOptions",
    "Study", "parse", "read_experiment", "read_mapping",
]  # fmt: skip
