"""Draw the first images of a data set with all their labels, to see what a network would see."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.cli.arguments import positive
from ednas_nni.cli.data_arguments import add_data_argument

if TYPE_CHECKING:
    from ednas_nni.data import DataSource

HELP = "draw images with their labels"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_data_argument(parser)
    parser.add_argument("--out", metavar="SHEET.png", type=Path, help="the picture; DATA-SPLIT.png by default")
    parser.add_argument("--split", default="train", help="train (default), search, select or test")
    parser.add_argument("-n", metavar="N", type=positive, default=8, help="number of images (default 8)")


def run(options: argparse.Namespace) -> int:
    """Draw."""
    from ednas_nni.cli.data_arguments import source_of

    source, _ = source_of(options.data, options.changes)
    draw(source, options.split, options.n, options.out, "ednas data preview")
    return 0


def draw(source: DataSource, split: str, n: int, out: Path | None, opened_by: str) -> Path:
    """Write a contact sheet and say where it is.

    Raises:
        DataError: The picture cannot be written.
    """
    from ednas_nni.data.contact_sheet import contact_sheet
    from ednas_nni.errors import DataError

    path = out or Path(f"{source.info.name}-{split}.png")
    sheet = contact_sheet(source, split, n, opened_by)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be written ({error}). Name a picture ending in .png with --out.") from None
    print(f"wrote {path}")
    return path
