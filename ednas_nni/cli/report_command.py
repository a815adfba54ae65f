"""Write the report of a search as one HTML file with its pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from ednas_nni.cli.arguments import add_experiment_argument

HELP = "write the HTML report of a search"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_experiment_argument(parser)
    parser.add_argument("--out", metavar="DIR", help="folder; reports/<experiment id> by default")


def run(options: argparse.Namespace) -> int:
    """Write it and say where it lies."""
    from ednas_nni.record.locate import journal_of

    journal = journal_of(options.experiment)
    print(f"Report: {write(journal, options.out)}")
    return 0


def write(journal: Path, out: str | None = None, experiment: str | None = None) -> Path:
    """Write a report.

    Args:
        journal: The journal file.
        out: Folder, `reports/<experiment id>` by default.
        experiment: The id, by default that of the journal's folder.

    Returns:
        The HTML file.
    """
    from ednas_nni import report
    from ednas_nni.record.locate import experiment_of

    name = experiment or experiment_of(journal).name
    return report.write(journal, Path(out) if out else Path("reports") / name)
