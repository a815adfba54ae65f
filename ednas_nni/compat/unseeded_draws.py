"""What NNI draws without a random state ignores every seed.

Fault: nni 3.0, nni/mutable/mutable.py: `random()` then begins a `RandomState()` from the system's noise, so that
RandomOneShot trains other paths in every run. Upstream: not reported. Can go when it draws from numpy's own generator.
"""

from __future__ import annotations

import numpy as np


def apply() -> None:
    """Let it draw from numpy's own generator, which `np.random.seed` seeds."""
    from nni.mutable import mutable

    mutable.RandomState = lambda: np.random.mtrand._rand
