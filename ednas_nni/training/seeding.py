"""One seed for everything a trial draws, without touching what the rest of the process draws."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's global generators (all devices).

    Call it before a network is built: its initial weights come from torch's generator. The seed is 0 or more.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed inside the block, restore the CPU generators after it.

    A strategy that runs in the same process and draws from a global generator would otherwise be sent back to
    the same point by every trial, and propose the same architectures for ever.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            seed_everything(seed)
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
