"""Compare a journal with NNI's own record of the experiment."""

from __future__ import annotations

import argparse

from ednas_nni.cli.arguments import add_experiment_argument

HELP = "compare a search's journal with NNI's database"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_experiment_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Print every disagreement. Returns 1 when there is one."""
    from ednas_nni.bridge.verify import disagreements, nni_records
    from ednas_nni.cli.locate import journal_of
    from ednas_nni.journal import load

    journal = journal_of(options.experiment)
    folder = journal.resolve().parents[1]
    records = nni_records(folder)
    found = disagreements(load(journal), records)
    for line in found:
        print(line)
    proven = sum(record.proven is not None for record in records)
    print(
        f"{folder.name}: {len(records)} trial jobs at NNI, {proven} of them proved their architecture, "
        f"{len(found)} disagreement{'' if len(found) == 1 else 's'}"
    )
    return 1 if found else 0
