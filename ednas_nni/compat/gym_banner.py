"""gym prints a banner about its successor whenever it is imported.

Fault: gym 0.26 (needed by tianshou 0.5, and so by PolicyBasedRL and ENAS) prints five lines to stderr through
gym_notices; users of a search cannot act on them. Upstream: gym is no longer maintained. Can go with tianshou 0.5.
"""

from __future__ import annotations


def apply() -> None:
    """Empty the list of notices, where gym_notices is installed, before gym looks at it."""
    try:
        from gym_notices import notices
    except ImportError:
        return
    notices.notices.clear()
