"""Waiting for a lock of the operating system, which ends with the process that holds it, however that ends."""

from __future__ import annotations

import fcntl
import time
from typing import IO


def locked_within(file: int | IO[bytes], seconds: float) -> bool:
    """Lock an open file, waiting for others that hold it.

    Returns:
        False where somebody still holds it after so many seconds; True also on a file system without locks.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        except OSError:
            return True
        else:
            return True
