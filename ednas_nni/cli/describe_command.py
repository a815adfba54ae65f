"""Describe the search space of an experiment, or one architecture of it: a named member or an id from a search."""

from __future__ import annotations

import argparse
from typing import Any

HELP = "show a search space or an architecture"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="FILE.yml", help="the experiment")
    parser.add_argument(
        "architecture", metavar="ARCHITECTURE", nargs="?", help="name of a member, or an architecture id"
    )
    parser.add_argument(
        "--journal",
        metavar="ID_OR_JOURNAL",
        default="latest",
        help="search that trained the architecture: experiment id, folder or journal; the latest by default",
    )


def run(options: argparse.Namespace) -> int:
    """Print it."""
    from ednas_nni import assembly
    from ednas_nni.cli import experiment

    study = experiment.read(options.file).study
    space = assembly.space(study)
    table = assembly.cost_table(study, space)
    if options.architecture is None:
        print(f"space {study.space.name}: {table.domains.size():,} architectures, {len(table.domains)} choices")
        for dimension in table.domains.dimensions:
            print(f"  {dimension.label}: {', '.join(map(str, dimension.values))}")
        return 0
    sample = table.domains.canonical(_sample(space, table.domains, options.architecture, options.journal))
    _print(space, table, sample)
    return 0


def _sample(space: Any, domains: Any, wanted: str, journal: str) -> dict[str, Any]:
    """A sample by member name or by architecture id."""
    from ednas_nni.cli.locate import journal_of
    from ednas_nni.errors import EdnasError, SampleError, did_you_mean
    from ednas_nni.journal import load

    member = getattr(space, "member", None)
    try:
        if member is not None:
            return member(wanted)
    except EdnasError as error:
        reason = str(error)
    else:
        reason = "this space has no named members."
    try:
        path = journal_of(journal)
    except EdnasError as error:
        raise SampleError(
            f"{wanted!r}: {reason} As an architecture id it cannot be looked up either: {error}"
        ) from None
    known = {record.architecture: record.sample for record in load(path).trials}
    if wanted not in known:
        raise SampleError(
            f"{wanted!r} is neither a member ({reason}) nor an architecture of {path}.{did_you_mean(wanted, known)}"
        )
    return domains.complete(known[wanted])


def _print(space: Any, table: Any, sample: dict[str, Any]) -> None:
    from ednas_nni.cli.terminal import amount

    if hasattr(space, "describe"):
        print(space.describe(sample))
    else:
        print(f"architecture {table.domains.architecture_id(sample)}")
        for label, value in table.domains.active(sample).items():
            print(f"  {label}: {value}")
    height, width = table.deploy_size
    print(f"\ncosts at {height} x {width} px")
    for column, value in zip(table.columns, table([sample])[0], strict=True):
        print(f"  {column.name}  {amount(float(value))}   ({column.device}, {column.origin}: {column.note})")
