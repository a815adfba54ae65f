"""Two threads that build networks at once get mixtures of both.

Fault: nni 3.0, nni/mutable/utils.py: `ContextStack` holds the sample of the network that is being built, one for all
threads. Upstream: not reported. Can go when each thread has stacks of its own.
"""

from __future__ import annotations

import threading


class Stacks(threading.local):
    """What NNI holds by key, of each thread."""

    def __getitem__(self, key: str) -> list[object]:
        stack: list[object] = vars(self).setdefault(key, [])
        return stack


def apply() -> None:
    """Give each thread its own."""
    from nni.mutable.utils import ContextStack

    if not isinstance(ContextStack._stack, Stacks):
        ContextStack._stack = Stacks()
