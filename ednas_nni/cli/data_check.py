"""Read all of a data set, say what is in it, and point at what is wrong or probably not meant.

Every file is decoded. The splits, classes, depths and normals are summed up in tables, and the first training images
are drawn. The exit code is 1 when something must be mended, and 0 when there are only warnings.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ednas_nni.cli.data_arguments import add_data_argument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ednas_nni.data.info import DataInfo
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
    from ednas_nni.data.suspicions import faults, suspicions

    source, told = source_of(options.data, options.changes)
    source.prepare()
    info = source.info
    surveys = surveyed(source)
    show(info, surveys, groups(source))
    draw(source, "train", 8, options.out or Path(f"{info.name}-check.png"), "ednas data check")
    doubts = suspicions(info, surveys)
    for line in doubts:
        terminal.warn(line)
    wrong = faults(info, surveys)
    for line in wrong:
        terminal.fail(line)
    if wrong:
        return 1
    verdict = "It can be used, but look at the warnings first." if doubts else "Good to use."
    print(f"\n{verdict} In a study:\n  {snippet(told)}\n  tasks: [{', '.join(info.targets)}]")
    return 0


def surveyed(source: Any) -> list[Survey]:
    """Read every split, with a progress bar when that takes longer than a moment."""
    import sys

    from tqdm import tqdm

    from ednas_nni.data.info import SPLITS
    from ednas_nni.data.survey import survey

    total = sum(source.info.counts.values())
    with tqdm(total=total, desc="checking", unit="image", delay=1.0, file=sys.stderr) as bar:
        return [survey(source.split(name, "ednas data check"), bar.update) for name in SPLITS]


def groups(source: Any) -> dict[str, int]:
    """Number of groups by split, where the data set has groups."""
    records = getattr(source, "records", None)
    return {split: len({r.group for r in found}) for split, found in records.items()} if records else {}


def show(info: DataInfo, surveys: Sequence[Survey], counts: dict[str, int]) -> None:
    """Print the tables."""
    from ednas_nni.cli import terminal

    height, width = info.size
    print(f"{info.name}: images of {height} x {width} px, read as a network would see them\n")
    console = terminal.console()
    console.print(_splits(info, surveys, counts))
    if info.classes:
        console.print(_classes(info, surveys))
    if "depth" in info.targets:
        console.print(_depths(info, surveys))
    if "normals" in info.targets:
        console.print(_normals(surveys))


def _splits(info: DataInfo, surveys: Sequence[Survey], counts: dict[str, int]) -> Any:
    from ednas_nni.cli.terminal import table

    columns = [("split", "left"), ("used for", "left"), ("images", "right")]
    columns += [("groups", "right")] if counts else []
    shown = table([*columns, *((f"without {target}", "right") for target in info.targets)], title="Splits")
    uses = {
        "train": "fitting weights",
        "search": "scoring candidates",
        "select": "choosing among finalists",
        "test": "final numbers only",
    }
    for one in surveys:
        cells = [one.split, uses[one.split], str(one.images)]
        cells += [str(counts[one.split])] if counts else []
        shown.add_row(*cells, *(str(one.missing[target]) for target in info.targets))
    return shown


def _classes(info: DataInfo, surveys: Sequence[Survey]) -> Any:
    from ednas_nni.cli.terminal import table

    columns = [("label", "right"), ("class", "left")]
    for one in surveys:
        columns += [(f"% of {one.split}", "right")]
    shown = table([*columns, ("training images", "right"), ("", "left")], title="Classes (share of labelled pixels)")
    for label, name in enumerate(info.classes):
        cells, images = [], 0
        for one in surveys:
            pixels = one.classes.pixels if one.classes else None
            cells.append("-" if pixels is None else _percent(pixels[label] / max(pixels.sum(), 1)))
            if one.split == "train" and one.classes:
                images = int(one.classes.images[label])
        shown.add_row(str(label), name, *cells, str(images), "" if images else "never seen")
    shares = [_percent(one.classes.ignored) if one.classes else "-" for one in surveys]
    shown.add_row(str(info.ignore_index), "no class (of all pixels)", *shares, "", "")
    return shown


def _depths(info: DataInfo, surveys: Sequence[Survey]) -> Any:
    from ednas_nni.cli.terminal import amount, table

    unit = f"in {info.depth_unit}" if info.depth_unit != "1" else "without unit"
    columns = [("split", "left"), ("% valid", "right"), ("1 %", "right"), ("median", "right"), ("99 %", "right")]
    shown = table([*columns, ("largest", "right")], title=f"Depth ({info.depth_kind}, {unit})")
    for one in surveys:
        found = one.depths
        cells = [_percent(found.valid), *map(amount, found.percentiles), amount(found.largest)] if found else ["-"] * 5
        shown.add_row(one.split, *cells)
    return shown


def _normals(surveys: Sequence[Survey]) -> Any:
    from ednas_nni.cli.terminal import table

    columns = [("split", "left"), ("% valid", "right"), ("% of length 1", "right"), ("% to the camera", "right")]
    shown = table([*columns, ("mean y of lower quarter", "right")], title="Normals (x right, y up, z to the camera)")
    for one in surveys:
        found = one.normals
        cells = ["-"] * 4
        if found:
            cells = [_percent(found.valid), _percent(found.unit), _percent(found.towards), f"{found.upwards:+.2f}"]
        shown.add_row(one.split, *cells)
    return shown


def _percent(share: float) -> str:
    percent = 100 * float(share)
    return "0" if percent == 0 else f"{percent:.1f}" if percent >= 0.1 else f"{percent:.2g}"
