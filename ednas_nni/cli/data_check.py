"""The subcommand `ednas data check`, and the picture that `ednas data preview` draws, too."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.cli.data_arguments import STUDIES, snippet, source_of
from ednas_nni.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ednas_nni.data import DataInfo, DataSource
    from ednas_nni.data.survey import Survey

_USES = {
    "train": "fitting weights",
    "search": "scoring candidates",
    "select": "choosing among finalists",
    "test": "final numbers only",
}


def run(options: argparse.Namespace) -> int:
    """Read all of a data set, say what is in it, and point at what is wrong or probably not meant.

    Every file is decoded. The splits and each label (classes, depths, normals) are summed up in tables, and the first
    training images are drawn. The exit code is 1 when something must be repaired, and 0 when there are only warnings.
    """
    import sys

    from tqdm import tqdm

    from ednas_nni.cli import terminal
    from ednas_nni.data import SPLITS
    from ednas_nni.data.layouts.base import FolderSource
    from ednas_nni.data.survey import faults, one_place, survey, suspicions, two_types

    source, entry = source_of(options.data, options.changes)
    source.prepare()
    info, files = source.info, source if isinstance(source, FolderSource) else None
    with tqdm(total=sum(info.counts.values()), desc="checking", unit="image", delay=1.0, file=sys.stderr) as bar:
        surveys = [survey(source.split(name, "ednas data check"), bar.update) for name in SPLITS]
    groups = {split: len({one.group for one in records}) for split, records in files.records.items()} if files else {}
    _show(info, surveys, groups)
    draw(source, "train", 8, options.out or Path(f"{info.name}-check.png"), "ednas data check")
    for line in files.remarks() if files else ():
        terminal.note(line)
    doubts = [*suspicions(info, surveys), *one_place(source), *two_types(source)]
    for line in doubts:
        terminal.warn(line)
    wrong = faults(info, surveys, _needed(options.data), source)
    for line in wrong:
        terminal.fail(line)
    if wrong:
        return 1
    verdict = "It can be used, but look at the warnings first." if doubts else "Good to use."
    print(f"\n{verdict} In a study:\n  {snippet(entry)}\n  tasks: [{', '.join(info.targets)}]")
    return 0


def draw(source: DataSource, split: str, n: int, out: Path | None, opened_by: str) -> None:
    """Write a contact sheet and say where it is."""
    from ednas_nni.data.contact_sheet import contact_sheet

    path = out or Path(f"{source.info.name}-{split}.png")
    sheet = contact_sheet(source, split, n, opened_by)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be written ({error}). Name a picture ending in .png with --out.") from None
    print(f"wrote {path}")


def _needed(data: str) -> list[str] | None:
    """Labels that the tasks of a study need; None where the data is not named by a study."""
    if Path(data).suffix not in STUDIES:
        return None
    from ednas_nni import plugins
    from ednas_nni.bridge.manager.experiment_file import read

    tasks = [plugins.load("tasks", name) for name in read(data).study.tasks]
    return list(dict.fromkeys(label for task in tasks for label in task.requires))


def _show(info: DataInfo, surveys: Sequence[Survey], groups: Mapping[str, int]) -> None:
    """Print a table of the splits, with the number of groups where there are some, and one of each label."""
    from ednas_nni.cli import terminal
    from ednas_nni.data.kinds import label_kind

    height, width = info.size
    print(f"{info.name}: images of {height} x {width} px, read as a network would see them\n")
    counted = ["images", *(["groups"] if groups else []), *(f"without {target}" for target in info.targets)]
    splits = terminal.table(["split", "used for", *(f">{name}" for name in counted)], title="Splits")
    for one in surveys:
        numbers = [one.images, *([groups[one.split]] if groups else []), *map(one.missing, info.targets)]
        splits.add_row(one.split, _USES[one.split], *map(str, numbers))
    console = terminal.console()
    console.print(splits)
    for name in info.targets:
        content = label_kind(name).table({one.split: one.labels[name] for one in surveys}, info)
        headings = [f">{heading}" if side == "right" else heading for heading, side in content.columns]
        rows = [[cell if isinstance(cell, str) else terminal.amount(cell) for cell in row] for row in content.rows]
        console.print(terminal.table(headings, content.title, rows))
