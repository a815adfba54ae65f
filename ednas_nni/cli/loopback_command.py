"""Print shell lines after which `nnictl` listens on this machine only and `python3` is this environment.

NNI has no option for it: by itself it listens on every address, without a password. Use:  eval "$(ednas loopback)"
"""

from __future__ import annotations

import argparse
import shlex

HELP = "print shell lines that keep a hand-typed nnictl on this machine"


def configure(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def run(options: argparse.Namespace) -> int:
    """Print `export` lines."""
    from ednas_nni.bridge.manager.exposure import variables

    for name, value in variables().items():
        if value is not None:
            print(f"export {name}={shlex.quote(value)}")
    return 0
