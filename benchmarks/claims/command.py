"""What the claims' scripts are asked on the command line."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path


def options(about: str | None, worlds: Iterable[str], usual: str) -> argparse.ArgumentParser:
    """The options that all have; trainings then run on one thread each.

    Args:
        about: The script's docstring.
        worlds: To choose from.
        usual: The world where none is named.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", choices=list(worlds), default=usual)
    parser.add_argument("--data", type=Path, help="folder of real images")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="trainings at a time")
    parser.add_argument("--render", action="store_true", help="train nothing, say only what the rows say")
    parser.add_argument("--smoke", action="store_true", help="two steps of little, to see that it runs")
    return parser
