"""Make the tuner name EDNAS known to NNI, so that a YAML may say `tuner: {name: EDNAS, classArgs: ...}`."""

from __future__ import annotations

import argparse

HELP = "allow `tuner: {name: EDNAS}` in NNI's YAML (optional)"


def configure(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def run(options: argparse.Namespace) -> int:
    """Register; doing it again changes nothing."""
    from ednas_nni.bridge.manager.register import NAME, register

    path, changed = register()
    print(f"{NAME} is {'now' if changed else 'already'} known to NNI ({path}).")
    print(f"A YAML may say `tuner: {{name: {NAME}, classArgs: ...}}`, without className and codeDirectory.")
    return 0
