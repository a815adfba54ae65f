"""Read all of a data set, say what is in it, and point at what is wrong or probably not meant.

Every file is decoded. The splits and each label (classes, depths, normals) are summed up in tables, and the first
training images are drawn. The exit code is 1 when something must be repaired, and 0 when there are only warnings.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.cli.data_arguments import add_data_argument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from ednas_nni.data import DataInfo, DataSource
    from ednas_nni.data.survey import Survey

HELP = "read all of a data set and say what is wrong with it"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_data_argument(parser)
    parser.add_argument("--out", metavar="SHEET.png", type=Path, help="the picture; DATA-check.png by default")


def run(options: argparse.Namespace) -> int:
    """Read, print, draw."""
    from ednas_nni.cli import terminal
    from ednas_nni.cli.data_arguments import snippet, source_of
    from ednas_nni.cli.data_preview import draw
    from ednas_nni.data.layouts.base import FolderSource
    from ednas_nni.data.survey import faults, one_place, suspicions, two_types

    source, entry = source_of(options.data, options.changes)
    source.prepare()
    info = source.info
    surveys = surveyed(source)
    show(info, surveys, groups(source))
    draw(source, "train", 8, options.out or Path(f"{info.name}-check.png"), "ednas data check")
    for line in source.remarks() if isinstance(source, FolderSource) else ():
        terminal.note(line)
    doubts = [*suspicions(info, surveys), *one_place(source), *two_types(source)]
    for line in doubts:
        terminal.warn(line)
    wrong = faults(info, surveys, needed(options.data), source)
    for line in wrong:
        terminal.fail(line)
    if wrong:
        return 1
    verdict = "It can be used, but look at the warnings first." if doubts else "Good to use."
    print(f"\n{verdict} In a study:\n  {snippet(entry)}\n  tasks: [{', '.join(info.targets)}]")
    return 0


def needed(data: str) -> list[str] | None:
    """Labels that the tasks of a study need; None where the data is not named by a study."""
    from ednas_nni import plugins
    from ednas_nni.cli.data_arguments import STUDIES

    if Path(data).suffix not in STUDIES:
        return None
    from ednas_nni.bridge.manager.experiment_file import read

    tasks = [plugins.load("tasks", name) for name in read(data).study.tasks]
    return list(dict.fromkeys(label for task in tasks for label in task.requires))


def surveyed(source: DataSource) -> list[Survey]:
    """Read every split, with a progress bar when that takes longer than a moment."""
    import sys

    from tqdm import tqdm

    from ednas_nni.data.info import SPLITS
    from ednas_nni.data.survey import survey

    total = sum(source.info.counts.values())
    with tqdm(total=total, desc="checking", unit="image", delay=1.0, file=sys.stderr) as bar:
        return [survey(source.split(name, "ednas data check"), bar.update) for name in SPLITS]


def groups(source: DataSource) -> dict[str, int]:
    """Number of groups by split, where the data set has groups."""
    from ednas_nni.data.layouts.base import FolderSource

    if not isinstance(source, FolderSource):
        return {}
    return {split: len({record.group for record in records}) for split, records in source.records.items()}


def show(info: DataInfo, surveys: Sequence[Survey], counts: dict[str, int]) -> None:
    """Print a table of the splits and one of each label."""
    from ednas_nni.cli import terminal
    from ednas_nni.data.kinds import label_kind

    height, width = info.size
    print(f"{info.name}: images of {height} x {width} px, read as a network would see them\n")
    console = terminal.console()
    console.print(_splits(info, surveys, counts))
    for name in info.targets:
        content = label_kind(name).table({one.split: one.labels[name] for one in surveys}, info)
        table = terminal.table(content.columns, title=content.title)
        for row in content.rows:
            table.add_row(*(cell if isinstance(cell, str) else terminal.amount(cell) for cell in row))
        console.print(table)


def _splits(info: DataInfo, surveys: Sequence[Survey], counts: dict[str, int]) -> Table:
    from ednas_nni.cli.terminal import table

    columns = [("split", "left"), ("used for", "left"), ("images", "right")]
    columns += [("groups", "right")] if counts else []
    splits = table([*columns, *((f"without {target}", "right") for target in info.targets)], title="Splits")
    uses = {
        "train": "fitting weights",
        "search": "scoring candidates",
        "select": "choosing among finalists",
        "test": "final numbers only",
    }
    for one in surveys:
        cells = [one.split, uses[one.split], str(one.images)]
        cells += [str(counts[one.split])] if counts else []
        splits.add_row(*cells, *(str(one.missing(target)) for target in info.targets))
    return splits
