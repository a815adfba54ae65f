"""Compare: several searches over each other. Equal studies but for their seeds are one arm.

Prints, for each arm, the best score at some costs and the share of hypervolume, with 95 % intervals over its searches
and its lead over the first arm. Writes a page with the fronts, a CSV with a row a search, and a LaTeX table.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

HELP = "several searches over each other, with intervals over seeds"
GROUP = "look"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("searches", metavar="ID_OR_JOURNAL", nargs="+", help="experiment ids, folders, journal files")
    parser.add_argument("--limit", metavar="X", type=float, action="append", help="cost that scores are given at")
    parser.add_argument("--out", metavar="DIR", help="folder; reports/comparison by default")


def run(options: argparse.Namespace) -> int:
    """Print the figures and write the page."""
    return compare(options.searches, options.limit or (), options.out)


def compare(searches: Sequence[str], limits: Sequence[float], out: str | Path | None) -> int:
    """Print a block for each arm, for names of arms are long and no figure may be cut, and write the page."""
    from ednas_nni.handover.search import open_search
    from ednas_nni.record.locate import journal_of
    from evidence.searches.comparing import compared
    from evidence.searches.page import write_comparison

    journals = dict.fromkeys(journal_of(text).resolve() for text in searches)
    comparison = compared([open_search(path) for path in journals], limits)
    for i, arm in enumerate(comparison.arms):
        n = len(arm.searches)
        print(f"\n{arm.name}: {n} search{'' if n == 1 else 'es'} ({' '.join(s.experiment for s in arm.searches)})")
        for column in comparison.columns:
            text, lead = column.texts(i)
            print(f"  {column.heading:<34} {text}{f'   lead {lead}' if lead else ''}")
    how = "confirmed with fresh seeds" if comparison.confirmed else "as searched: the best of many is optimistic"
    print(f"\nFronts {how}; intervals are 95 % over an arm's searches, leads are over the first arm, paired by seed.")
    print(f"Page: {write_comparison(comparison, Path(out or 'reports/comparison'))}")
    return 0
