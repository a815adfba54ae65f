"""Say which data set a folder is, or draft a manifest for it: one line per image with its labels.

Images and labels are matched by name, apart from words such as rgb, seg, depth or normals. What had to be guessed is
said: read it, correct manifest.csv and classes.txt, then run `ednas data check`.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

HELP = "say which data set a folder is, or draft a manifest for it"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="a folder with images and labels")
    parser.add_argument("--manifest", action="store_true", help="draft a manifest even if the layout is known")
    parser.add_argument("--force", action="store_true", help="replace manifest.csv and classes.txt")


def run(options: argparse.Namespace) -> int:
    """Recognise or draft."""
    import sys

    from tqdm import tqdm

    from ednas_nni.cli import terminal
    from ednas_nni.cli.data_arguments import snippet
    from ednas_nni.data import drafting
    from ednas_nni.data.kinds import all_kinds
    from ednas_nni.errors import DataError

    folder = options.folder.expanduser().resolve()
    if not folder.is_dir():
        raise DataError(f"{options.folder}: there is no such folder")
    layout = drafting.recognise(folder)
    if layout is not None and not options.manifest and not (options.force and layout["name"] == "manifest"):
        print(f"{folder} has the layout {layout['name']!r}, which has a reader of its own. In a study:")
        print(f"  {snippet(layout)}")
        print("`ednas data check FILE.yml` then reads all of it and says what is wrong.")
        return 0
    with tqdm(desc="reading class maps", unit="file", delay=1.0, file=sys.stderr) as bar:
        drafted = drafting.draft(folder, bar.update)
    written = drafting.write(drafted, folder, options.force)
    counts = {kind.column: sum(kind.column in row for row in drafted.rows) for kind in all_kinds()}
    labels = ", ".join(f"{number} with {name}" for name, number in counts.items() if number)
    print(f"{len(drafted.rows)} images: {labels}")
    for guess in drafted.guesses:
        print(f"  guessed: {guess}")
    for note in drafted.notes:
        print(f"  {note}")
    for what, number in drafted.left_out.items():
        terminal.warn(f"left out: {number} {what}")
    print("wrote " + " and ".join(map(str, written)))
    print(f"Correct them, then: ednas data check {shlex.quote(str(written[0]))}")
    return 0
