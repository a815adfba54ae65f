"""Say which data set a folder is, or draft a manifest for it: one line per image with its labels.

Images and labels are matched by name, apart from words such as rgb, seg, depth or normals. What had to be guessed is
said; what nothing tells, such as the unit of depth in whole numbers, stays open as `?` until you fill it. Correct
manifest.csv and classes.txt, then run `ednas data check`.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ednas_nni.data.drafting import Draft

HELP = "say which data set a folder is, or draft a manifest for it"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="a folder with images and labels")
    parser.add_argument("--manifest", action="store_true", help="draft a manifest even if the layout is known")
    parser.add_argument("--force", action="store_true", help="replace manifest.csv and classes.txt")
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="write there, where the folder itself is read-only")
    parser.add_argument(
        "--fill",
        metavar="COLUMN=CELL",
        action="append",
        default=[],
        help="fill a column of all labels of its kind, for example depth_scale=0.001; may be given many times",
    )


def run(options: argparse.Namespace) -> int:
    """Recognise or draft."""
    import sys

    from tqdm import tqdm

    from ednas_nni.cli import terminal
    from ednas_nni.cli.data_arguments import snippet
    from ednas_nni.data import drafting
    from ednas_nni.data.kinds import all_kinds
    from ednas_nni.errors import DataError, printable

    folder = options.folder.expanduser().resolve()
    if not folder.is_dir():
        raise DataError(f"{options.folder}: there is no such folder")
    layout = drafting.recognise(folder)
    wanted = options.manifest or options.fill or (options.force and layout is not None and layout["name"] == "manifest")
    if layout is not None and not wanted:
        print(f"{printable(str(folder))} has the layout {layout['name']!r}, which has a reader of its own. In a study:")
        print(f"  {snippet(layout)}")
        print("`ednas data check FILE.yml` then reads all of it and says what is wrong.")
        return 0
    with tqdm(desc="reading class maps", unit="file", delay=1.0, file=sys.stderr) as bar:
        drafted = drafting.draft(folder, bar.update)
    answered = fill(drafted, options.fill)
    out = options.out.expanduser().resolve() if options.out else folder
    written = drafting.write(drafted, out, options.force)
    counts = {kind.column: sum(kind.column in row for row in drafted.rows) for kind in all_kinds()}
    labels = ", ".join(f"{number} with {name}" for name, number in counts.items() if number)
    print(f"{len(drafted.rows)} images: {labels}")
    for guess in drafted.guesses:
        print(f"  guessed: {printable(guess)}")
    for note in drafted.notes:
        print(f"  {note}")
    for what, number in drafted.left_out.items():
        terminal.warn(f"left out: {number} {what}")
    if drafted.asks and not answered:
        for ask in drafted.asks:
            print(f"  open: {printable(ask)}")
        terminal.warn("cells that are `?` must be filled: by hand, or again with --force --fill COLUMN=CELL")
    print("wrote " + " and ".join(printable(str(path)) for path in written))
    outside = "" if out == folder else " --set allow_outside=true"
    print(f"Correct them, then: ednas data check {shlex.quote(printable(str(written[0])))}{outside}")
    return 0


def fill(drafted: Draft, given: list[str]) -> bool:
    """Put cells into the rows of a draft; return whether no cell is open any more.

    Raises:
        DataError: A text is no COLUMN=CELL, or the cell is wrong.
    """
    from ednas_nni.data.kinds import OPEN, all_kinds
    from ednas_nni.data.reading import stored_as
    from ednas_nni.errors import DataError, did_you_mean, quoted

    kinds = {name: kind for kind in all_kinds() for name in kind.details}
    for text in given:
        name, equals, cell = text.partition("=")
        if not equals or name not in kinds:
            raise DataError(f"--fill {quoted(text)}: write COLUMN=CELL.{did_you_mean(name, kinds)}")
        try:
            kinds[name].details[name](cell)
        except ValueError as fault:
            raise DataError(f"--fill {fault}") from None
        rows = [row for row in drafted.rows if kinds[name].column in row]
        rows = [row for row in rows if row.get(name) == OPEN] or rows
        types = {str(stored_as(drafted.folder / row[kinds[name].column])) for row in rows}
        if len(types) > 1 and rows[0].get(name) == OPEN:
            raise DataError(f"--fill {name}: {len(rows)} files are of several types; write the cell of each by hand")
        for row in rows:
            row[name] = cell
    return not any(OPEN in row.values() for row in drafted.rows)
