"""Says in a trial's error output that it was told to end, so that it is not taken for a crash. Standard library only.

NNI books every end by a signal as "cancelled by the user"; the kernel's out-of-memory killer ends by one as well. NNI
asks with SIGINT first, and only whoever was asked can know.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

WORDS = b"ednas: error: cancelled: NNI was told to end this trial\n"


def announce() -> None:
    """One line; safe in a signal handler."""
    try:
        os.write(2, WORDS)
    except OSError:
        return


def listen() -> None:
    """Announce it at SIGINT, then let the signal do what it did before."""
    before = signal.getsignal(signal.SIGINT)

    def announce_first(number: int, frame: FrameType | None) -> None:
        announce()
        # A shell that starts a search in the background has SIGINT ignored; NNI's is meant all the same.
        (before if callable(before) else signal.default_int_handler)(number, frame)

    signal.signal(signal.SIGINT, announce_first)
