"""How a network is trained and scored.

Attributes are imported on first use, so that light evaluators do not load torch.
"""

from __future__ import annotations

from typing import Any

__all__ = ["JaredEvaluator", "seed_everything", "seeded"]

_HOMES = {
    "JaredEvaluator": "ednas_nni.training.jared",
    "seed_everything": "ednas_nni.training.seeding",
    "seeded": "ednas_nni.training.seeding",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
