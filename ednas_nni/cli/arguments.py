"""Arguments that several commands share. Light: every command declares its arguments before one runs."""

from __future__ import annotations

import argparse


def add_experiment_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the argument that `journal_of` understands."""
    parser.add_argument(
        "experiment",
        metavar="ID_OR_JOURNAL",
        nargs="?",
        default="latest",
        help="experiment id, its folder, a journal file, or `latest` (default)",
    )
