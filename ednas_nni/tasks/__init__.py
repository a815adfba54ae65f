"""Dense prediction tasks: what an output means, how it is trained and how it is judged."""

from __future__ import annotations

from typing import Any

__all__ = ["Meter", "Task"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from ednas_nni.tasks import base

        return getattr(base, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
