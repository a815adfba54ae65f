"""EDNAS: edge-efficient multi-task architecture search on NNI.

Importing this package is light: neither torch nor NNI is loaded until something is used that needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ednas_nni.version import __version__

if TYPE_CHECKING:
    from ednas_nni.bridge.python.experiment import experiment
    from ednas_nni.bridge.python.searching import search
    from ednas_nni.handover.search import open_search
    from ednas_nni.handover.training import train
    from ednas_nni.networks.network import Network

    load = Network.load

__all__ = ["Network", "__version__", "experiment", "load", "open_search", "search", "train"]

_HOMES = {
    "Network": "ednas_nni.networks.network:Network",
    "experiment": "ednas_nni.bridge.python.experiment:experiment",
    "load": "ednas_nni.networks.network:Network.load",
    "open_search": "ednas_nni.handover.search:open_search",
    "search": "ednas_nni.bridge.python.searching:search",
    "train": "ednas_nni.handover.training:train",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        module, _, path = _HOMES[name].partition(":")
        value = import_module(module)
        for part in path.split("."):
            value = getattr(value, part)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
