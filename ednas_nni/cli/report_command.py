"""Write the report of a search as one HTML file; of several, what `ednas compare` writes."""

from __future__ import annotations

import argparse
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.errors import EdnasError

if TYPE_CHECKING:
    from ednas_nni.handover.examining import Examined
    from ednas_nni.report.page_data import Stages

HELP = "write the HTML report of a search"
LIVE_S = 10  # between two looks at the journal; the page loads itself again as often


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "experiment",
        metavar="ID_OR_JOURNAL",
        nargs="*",
        default=["latest"],
        help="experiment id, its folder, a journal file, or `latest` (default); several are compared",
    )
    parser.add_argument("--out", metavar="DIR", help="folder; reports/<experiment id> by default")
    parser.add_argument("--live", action="store_true", help="write it again while the search runs; Ctrl-C ends that")


def run(options: argparse.Namespace) -> int:
    """Write it and say where it lies."""
    from ednas_nni.cli import ADDED
    from ednas_nni.record.journal import load
    from ednas_nni.record.locate import journal_of

    if len(options.experiment) > 1:
        if options.live:
            raise EdnasError("--live: follows one search; compare several without it.")
        return ADDED.load("compare")(
            argparse.Namespace(searches=options.experiment, limit=None, strategies=None, out=options.out)
        )
    journal = journal_of(options.experiment[0])
    if not options.live:
        print(f"Report: {write(journal, options.out)}")
        return 0
    parts, _ = of_the_space(journal, weights=False)
    while True:
        seen, history = journal.stat().st_size, load(journal)
        over = history.finished is not None and all(trial.status != "running" for trial in history.all_trials)
        page = write(journal, options.out, None if over else parts, None if over else LIVE_S)
        print(f"Report: {page} ({len(history.results)} results{'' if over else ', still running'})", flush=True)
        if over:
            return 0
        while journal.stat().st_size == seen:
            time.sleep(LIVE_S / 10)


def write(journal: Path, out: str | None = None, stages: Stages | None = None, again_s: int | None = None) -> Path:
    """Write a report, by default into `reports/<experiment id>`, as `report.write`; returns the HTML file."""
    from ednas_nni import report
    from ednas_nni.record.locate import experiment_of

    folder = Path(out) if out else Path("reports") / experiment_of(journal).name
    own, looked_at = (stages, None) if stages or again_s else of_the_space(journal)
    return report.write(journal, folder, own, again_s, looked_at)


def of_the_space(journal: Path, weights: bool = True) -> tuple[Stages | None, Examined | None]:
    """What tells the parts of a network, and with `weights` what the best one is bad at; None where that is gone."""
    from ednas_nni.handover.examining import examined
    from ednas_nni.handover.search import open_search
    from ednas_nni.handover.stages import stages

    tell = None
    with suppress(Exception):  # whatever is wrong with plug-ins, data or weights: the page does without
        search = open_search(journal)
        assembled = search.assembled
        if assembled.needs_network:
            _ = assembled.space
            tell = partial(stages, assembled)
            return tell, examined(search) if weights else None
    return tell, None
