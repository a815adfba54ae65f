"""Write a data set, for example rendered rooms, in the files of another layout, to try your own pipeline with it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ednas_nni.cli.data_arguments import add_data_argument

if TYPE_CHECKING:
    from ednas_nni.data.info import DataInfo

HELP = "write a data set in another layout"
LAYOUTS = ("manifest", "mtan", "adashare", "nyud_mt", "cityscapes", "nyuv2")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_data_argument(parser)
    parser.add_argument("layout", metavar="LAYOUT", help=", ".join(LAYOUTS))
    parser.add_argument("folder", metavar="FOLDER", help="a new or empty folder")
    parser.add_argument(
        "--with",
        metavar="KEY=VALUE",
        dest="details",
        action="append",
        default=[],
        help="an option of the layout, for example labels=labelTrainIds; may be given many times",
    )


def run(options: argparse.Namespace) -> int:
    """Write, and say how a study reads it."""
    from importlib import import_module

    from ednas_nni.cli.data_arguments import parsed, snippet, source_of
    from ednas_nni.errors import DataError, did_you_mean
    from ednas_nni.study.options import check_options

    if options.layout not in LAYOUTS:
        raise DataError(f"layout {options.layout!r} is unknown.{did_you_mean(options.layout, LAYOUTS)}")
    write = import_module(f"ednas_nni.data.writing.{options.layout}").write
    details = parsed(options.details, "--with")
    check_options(write, details, f"layout {options.layout}", ("source", "folder"))
    source, _ = source_of(options.data, options.changes)
    source.prepare()
    folder = Path(write(source, options.folder, **details))
    files = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    print(f"wrote {sum(source.info.counts.values())} images, {len(files)} files, {size / 1e6:.1f} MB to {folder}")
    height, width = source.info.size
    told = {"name": options.layout, "folder": str(folder.resolve()), **reading(options.layout, source.info)}
    print(f"In a study:\n  {snippet(told)}")
    print(f"  train_size: [{height}, {width}]")
    return 0


def reading(layout: str, info: DataInfo) -> dict[str, Any]:
    """Options with which the layout's reader finds what was written, where its defaults fit the original files."""
    told: dict[str, Any] = {}
    if info.classes and layout != "manifest":
        told["classes"] = info.num_classes
    if layout == "nyuv2":
        told["keep_border"] = True
    return told
