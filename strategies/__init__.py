"""Search strategies: EDNAS' own and NNI's, each with defaults for searches of a few dozen trials.

Names are loaded on use, so that listing them costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Ednas": "ednas",
    "Evolution": "evolution",
    "HardwareAware": "hardware_aware",
    "grid_search": "nni_builtin",
    "policy_based_rl": "nni_builtin",
    "random": "nni_builtin",
    "regularized_evolution": "nni_builtin",
    "tpe": "nni_builtin",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
