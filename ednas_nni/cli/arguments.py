"""Arguments that several commands share. Light: every command declares its arguments before one runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """The type of an argument that is a whole number from `least` to `most`."""

    def number(text: str) -> int:
        good = text.isdecimal() and len(text) <= 18 and int(text) >= least and (most is None or int(text) <= most)
        if not good:
            allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number {allowed}")
        return int(text)

    return number


positive = whole(1)
port = whole(1, 65535)


def add_experiment_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the argument that `journal_of` understands."""
    parser.add_argument(
        "experiment",
        metavar="ID_OR_JOURNAL",
        nargs="?",
        default="latest",
        help="experiment id, its folder, a journal file, or `latest` (default)",
    )
