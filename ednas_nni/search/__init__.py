"""The strategy contract: a problem, an ask/tell core, one NNI shell, and the middlewares every search mounts.

`problem`, `core` and `reachable` are plain Python and numpy; the rest imports `nni.nas`. Names are loaded on use,
so that reading `ednas_nni.search.problem` stays light.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from ednas_nni.plugins import lazy

__getattr__ = lazy(
    __name__,
    {
        "AskTellStrategy": "shell",
        "Constrain": "middleware.constrain",
        "Core": "core",
        "CostAware": "middleware.cost_aware",
        "Forwarding": "middleware.forwarding",
        "Outcomes": "middleware.outcomes",
        "Patience": "middleware.patience",
        "Problem": "problem",
        "Record": "middleware.record",
        "Retry": "middleware.retry",
        "Reuse": "middleware.reuse",
        "mount": "mounting",
        "reason": "mounting",
    },
)


class _Room(ModuleType):
    """This package, which is called as `ednas_nni.search(study)`: a package and a function share that name."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Search through NNI; see `ednas_nni.bridge.python.searching.search`. By name: this room knows no NNI."""
        return import_module("ednas_nni.bridge.python.searching").search(*args, **options)


sys.modules[__name__].__class__ = _Room
