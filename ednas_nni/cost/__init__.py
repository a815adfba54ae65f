"""What a network costs on a device: layer records, devices, and a table that prices samples without building them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "LayerRecord": "records",
    "layer_records": "layers",
    "CostColumn": "device",
    "Device": "device",
    "AdditiveDevice": "device",
    "PartsDevice": "device",
    "OrderDevice": "device",
    "CostTable": "table",
    "cost_table": "table",
    "CostProfiler": "nni_profiler",
    "CostSummary": "summary",
    "feasible_share": "summary",
    "smallest": "summary",
}
__all__ = [  # resolved on first use: only some of them need torch
    "AdditiveDevice",
    "CostColumn",
    "CostProfiler",
    "CostSummary",
    "CostTable",
    "Device",
    "LayerRecord",
    "OrderDevice",
    "PartsDevice",
    "cost_table",
    "feasible_share",
    "layer_records",
    "smallest",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
