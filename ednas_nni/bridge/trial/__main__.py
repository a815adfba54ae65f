"""`python3 -m ednas_nni.bridge.trial`: a child of the trial server runs the trial, or else this process does."""

from __future__ import annotations

import os
import sys

from ednas_nni.bridge.manager.processes import MANAGER, manager_of
from ednas_nni.bridge.trial.prefork import client


def main(arguments: list[str] | None = None) -> int:
    """Run one trial, in a child of the trial server if there is one. Returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if os.environ.get("NNI_PLATFORM") == "local":
        manager = manager_of(os.getppid())
        os.environ[MANAGER] = manager.text if manager is not None else ""
    code = client.run(given)
    if code is not None:
        return code
    from ednas_nni.bridge.trial import run  # only here: a client does not need it

    return run.here(given)


if __name__ == "__main__":
    sys.exit(main())
