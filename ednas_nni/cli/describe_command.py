"""Describe the search space of an experiment, or one architecture of it: a named member or an id from a search."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from ednas_nni.cli.arguments import add_file_arguments

if TYPE_CHECKING:
    from ednas_nni.cost.table import CostTable
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.space.dimensions import Sample

HELP = "show a search space or an architecture"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_file_arguments(parser)
    parser.add_argument("architecture", metavar="ARCHITECTURE", nargs="?", help="member's name or architecture id")
    help = "search that trained the architecture: experiment id, folder or journal; the latest by default"
    parser.add_argument("--journal", metavar="ID_OR_JOURNAL", default="latest", help=help)


def run(options: argparse.Namespace) -> int:
    """Print it."""
    from ednas_nni.bridge.manager import experiment_file as experiment
    from ednas_nni.search.assembled import Assembled

    assembled = Assembled(experiment.read(options.file, options.changes).study)
    table, domains = assembled.table, assembled.domains
    if options.architecture is None:
        print(f"space {assembled.study.space.name}: {domains.size():,} architectures, {len(domains)} choices")
        alike: dict[str, list[str]] = {}
        for dimension in domains.dimensions:
            alike.setdefault(", ".join(map(str, dimension.values)), []).append(dimension.label)
        for values, labels in alike.items():
            print(f"  {', '.join(labels)}:\n      {values}")
        return 0
    sample = domains.canonical(sample_of(assembled, options.architecture, options.journal))
    print(assembled.capabilities.describe(sample, domains))
    print()
    show_costs(table, sample)
    return 0


def sample_of(assembled: Assembled, wanted: str, journal: str) -> Sample:
    """A sample by architecture id (or its beginning) or by member name."""
    from ednas_nni.errors import SampleError, did_you_mean
    from ednas_nni.record.journal import load
    from ednas_nni.record.locate import journal_of

    if re.fullmatch("[0-9a-f]{4,10}", wanted):
        path = journal_of(journal)
        samples = {record.architecture: record.sample for record in load(path).trials}
        ids = [architecture for architecture in samples if architecture.startswith(wanted)]
        if len(ids) == 1:
            return assembled.domains.complete(samples[ids[0]])
        many = f"{len(ids)} architectures of {path} begin with {wanted!r}; write more of the id."
        none = f"{path} has no architecture {wanted!r}; name its search with --journal.{did_you_mean(wanted, samples)}"
        raise SampleError(many if ids else none)
    if not assembled.capabilities.member_names:
        raise SampleError(f"{wanted!r} is not an architecture id, and this space has no named members.")
    return assembled.member(wanted)


def show_costs(table: CostTable, sample: Sample) -> None:
    """Print what a canonical sample costs, each cost with its origin and its note, which may be long."""
    from ednas_nni.cli import terminal

    print(f"costs at {table.size_text}")
    beyond = table.extrapolated(table.domains.encode(sample)[None])
    for column, value in zip(table.columns, table([sample])[0], strict=True):
        origin = f"{column.origin}, extrapolated" if beyond.get(column.device, [False])[0] else column.origin
        figure = f"{terminal.amount(float(value))}{terminal.unit(column.name, column.unit)}"
        print(f"  {column.name}  {figure}   ({column.device}, {origin})")
        print(terminal.wrapped(column.note, indent=6))
