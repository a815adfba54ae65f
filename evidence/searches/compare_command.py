"""Compare: several searches over each other. Equal studies but for their seeds are one arm.

Prints, for each arm, the best score at some costs and the share of hypervolume, with 95 % intervals over its searches
and its lead over the first arm. Writes a page with the fronts, a CSV with a row a search, and a LaTeX table.

  ednas compare ID1 ID2 ID3
  ednas compare ID --strategies ednas,tpe,"{name: optuna, sampler: gp}" --seeds 10

With `--strategies` nothing is trained: the networks of one finished search are a table, on which each strategy searches
anew. It is asked at measured networks only, so the table should be several times as large as the searches.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.cli.arguments import positive
from ednas_nni.errors import StudyError, quoted

if TYPE_CHECKING:
    from ednas_nni.handover.search import SearchRecord

HELP = "several searches over each other, or strategies on the networks of one"
GROUP = "look"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("searches", metavar="ID_OR_JOURNAL", nargs="+", help="experiment ids, folders, journal files")
    parser.add_argument("--limit", metavar="X", type=float, action="append", help="cost that scores are given at")
    parser.add_argument("--strategies", metavar="A,B", help="search the networks of one search anew, without training")
    parser.add_argument("--seeds", type=positive, default=5, metavar="N", help="searches a strategy (5)")
    parser.add_argument("--trials", type=positive, metavar="N", help="of each of them; half of the networks by default")
    parser.add_argument("--out", metavar="DIR", help="folder; reports/comparison by default")


def run(options: argparse.Namespace) -> int:
    """Print the figures and write the page."""
    if not options.strategies:
        return compare(options.searches, options.limit or (), options.out)
    from ednas_nni.handover.search import open_search
    from evidence.searches.replay import replayed

    if len(options.searches) > 1:
        raise StudyError("--strategies: they are compared on the networks of one search; name one.")
    arms = arms_of(options.strategies)
    search = open_search(options.searches[0])
    print(f"{len(search.results)} networks of {search.experiment} are the table; nothing is trained.", flush=True)
    return show(replayed(search, arms, options.seeds, options.trials or 0), options.limit or (), options.out)


def arms_of(strategies: str | None, changes: Sequence[str] = ()) -> list[tuple[str, ...]]:
    """What each arm of `--strategies A,B` and `--set FIELD=A,B` sets, as `FIELD=VALUE`.

    Raises:
        StudyError: It is not of the form FIELD=A,B, or a field stands there twice.
    """
    from ednas_nni.study.plain_data import yaml_value

    values: dict[str, list[str]] = {}
    for text in [*changes, *([f"strategy={strategies}"] if strategies else [])]:
        field, _, several = text.partition("=")
        try:
            listed = yaml_value(f"[{several}]")
        except ValueError as error:
            raise StudyError(f"--set {quoted(text)}: {error}.") from None
        if not isinstance(listed, list) or not listed or field in values or field == "seed":
            raise StudyError(f"--set {quoted(text)}: write FIELD=A,B, each field once; seeds are given by --seeds.")
        values[field] = [f"{field}={json.dumps(value)}" for value in listed]
    return list(product(*values.values()))


def compare(searches: Sequence[str], limits: Sequence[float], out: str | Path | None) -> int:
    """As `show`, of searches by their names."""
    from ednas_nni.handover.search import open_search
    from ednas_nni.record.locate import journal_of

    journals = dict.fromkeys(journal_of(text).resolve() for text in searches)
    return show([open_search(path) for path in journals], limits, out)


def show(searches: Iterable[SearchRecord], limits: Sequence[float], out: str | Path | None) -> int:
    """Print a block for each arm, for names of arms are long and no figure may be cut, and write the page."""
    from ednas_nni.cli.terminal import wrapped
    from evidence.searches.comparing import compared
    from evidence.searches.page import write_comparison

    comparison = compared(list(searches), limits)
    for i, arm in enumerate(comparison.arms):
        print(f"\n{arm.name}: {arm.size} ({' '.join(s.experiment for s in arm.searches)})")
        for column in comparison.columns:
            text, lead = column.texts(i)
            print(f"  {column.heading:<34} {text}{f'   lead {lead}' if lead else ''}")
    how = "confirmed with fresh seeds" if comparison.confirmed else "as searched: the best of many is optimistic"
    means = "intervals are 95 % over an arm's searches, leads are over the first arm, paired by seed"
    print("\n" + wrapped(f"Fronts {how}; {means}.", 0))
    print(f"Page: {write_comparison(comparison, Path(out or 'reports/comparison'))}")
    return 0
