"""EDNAS: edge-efficient multi-task architecture search on NNI.

Importing this package is light: neither torch nor NNI is loaded until something is used that needs them.
"""

from __future__ import annotations

from typing import Any

from ednas_nni.version import __version__

__all__ = ["__version__", "experiment"]


def __getattr__(name: str) -> Any:
    if name == "experiment":
        from ednas_nni.bridge.python.experiment import experiment

        return experiment
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
