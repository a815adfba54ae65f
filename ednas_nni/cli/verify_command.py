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
    import sqlite3

    from ednas_nni.bridge.verify import disagreements, nni_records, resumed
    from ednas_nni.errors import ExperimentError, printable
    from ednas_nni.record.locate import experiment_of, journal_of

    journal = journal_of(options.experiment)
    folder = experiment_of(journal)
    try:
        records = nni_records(folder)
    except (sqlite3.Error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ExperimentError(
            f"{folder / 'db' / 'nni.sqlite'}: cannot be read as NNI's record of an experiment ({error}). Is it "
            "damaged, or of another version of NNI?"
        ) from None
    history, late = resumed(journal, folder, records)
    texts = disagreements(history, records)
    for line in texts:
        print(printable(line))
    proven = sum(record.proven is not None for record in records)
    count = f"{len(texts)} disagreement{'' if len(texts) == 1 else 's'}"
    verdict = f"{count} between journal and NNI's database" if texts else "journal and NNI's database agree"
    print(f"{folder.name}: {verdict}; {proven} of {len(records)} trials proved which architecture they trained")
    if late:
        print(f"{late} trials have ended that the journal will hold after `ednas resume {folder.name}`")
    return 1 if texts else 0
