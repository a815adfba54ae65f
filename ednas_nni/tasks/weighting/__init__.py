"""How task losses become one scalar."""

from __future__ import annotations

from typing import Any

__all__ = ["DWA", "Fixed", "GeometricMean", "Uncertainty", "Weighting"]

_HOMES = {
    "DWA": "ednas_nni.tasks.weighting.dwa",
    "GeometricMean": "ednas_nni.tasks.weighting.geometric",
    "Fixed": "ednas_nni.tasks.weighting.fixed",
    "Uncertainty": "ednas_nni.tasks.weighting.uncertainty",
    "Weighting": "ednas_nni.tasks.weighting.base",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
