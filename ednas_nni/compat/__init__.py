"""Patches for the outside world: NNI 3.0, Lightning and torchvision as they are today.

Each patch is a small module with `apply()` (idempotent) and a docstring that gives the fault, the upstream report and
when the patch can go; where the fault shows without trying it, `needed()` tells. This package imports nothing of ours.

Three doorways apply the patches and hand out the patched names, so nobody else has to think of the order:

* `nas`: what a trial uses of `nni.nas` (model spaces, evaluators, engines, events);
* `nas_search`: what searches use on top of it (strategies, one-shot, experiments, profilers);
* `vision`: torchvision.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any


def apply() -> None:
    """Patch what a trial uses, for code that imports `nni.nas` by itself afterwards. Cheap when repeated."""
    import_module("ednas_nni.compat.nas")


def patch(owner: type, method: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace a method by `make(method)`, once; NNI's own stays reachable as `__wrapped__`, for tests of the fault."""
    if not patched(owner, method):
        own = getattr(owner, method)
        setattr(owner, method, wraps(own)(make(own)))


def patched(owner: type, method: str) -> bool:
    """Whether a method was replaced by `patch`."""
    return inspect.unwrap(getattr(owner, method)) is not getattr(owner, method)
