"""Arguments that several commands share. Light: every command declares its arguments before one runs."""

from __future__ import annotations

import argparse


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or len(text) > 18 or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def port(text: str) -> int:
    """A port of this machine."""
    if not text.isdecimal() or len(text) > 5 or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1 and at most 65535")
    return int(text)


def add_experiment_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the argument that `journal_of` understands."""
    parser.add_argument(
        "experiment",
        metavar="ID_OR_JOURNAL",
        nargs="?",
        default="latest",
        help="experiment id, its folder, a journal file, or `latest` (default)",
    )
