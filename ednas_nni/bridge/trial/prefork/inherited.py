"""What a trial's command may set on its own process, and a forked child has from the server. Standard library only.

A command such as `nice -n 5 taskset -c 0 python3 -m ednas_nni.bridge.trial` changes the client, which does not train.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping

_LIMITS = [name for name in dir(resource) if name.startswith("RLIMIT_")]


def own() -> dict[str, object]:
    """What this process would hand down to a child: name -> plain value. Call it where there is one thread."""
    umask = os.umask(0o077)  # it can only be read by being set
    os.umask(umask)
    return {
        "niceness": os.getpriority(os.PRIO_PROCESS, 0),
        "CPU affinity": sorted(os.sched_getaffinity(0)),
        "umask": f"{umask:03o}",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        **{name: list(resource.getrlimit(getattr(resource, name))) for name in _LIMITS},
    }


def difference(theirs: Mapping[str, object]) -> str:
    """What another process has otherwise than this one, as words for the other one; "" where nothing is.

    Args:
        theirs: What `own` gave there.
    """
    ours = own()
    name = next((name for name, value in ours.items() if theirs.get(name) != value), "")
    return name and f"its {name} is {theirs.get(name)!r}, the trial server's is {ours[name]!r}"
