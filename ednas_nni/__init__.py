"""EDNAS: edge-efficient multi-task architecture search on NNI.

Importing this package is light: neither torch nor NNI is loaded until something is used that needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ednas_nni.plugins import lazy
from ednas_nni.version import __version__

if TYPE_CHECKING:
    from ednas_nni.bridge.python.experiment import experiment
    from ednas_nni.bridge.python.searching import search
    from ednas_nni.handover.search import open_search
    from ednas_nni.handover.training import train
    from ednas_nni.networks.network import Network

    load = Network.load

__all__ = ["Network", "__version__", "experiment", "load", "open_search", "search", "train"]

__getattr__ = lazy(
    __name__,
    {
        "Network": "ednas_nni.networks.network",
        "experiment": "ednas_nni.bridge.python.experiment",
        "load": "ednas_nni.networks.network:Network.load",
        "open_search": "ednas_nni.handover.search",
        "search": "ednas_nni.bridge.python.searching",
        "train": "ednas_nni.handover.training",
    },
)
