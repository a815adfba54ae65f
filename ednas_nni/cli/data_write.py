"""Write a data set, for example rendered rooms, in the files of another layout, to try your own pipeline with it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.cli.data_arguments import add_data_argument

if TYPE_CHECKING:
    from ednas_nni.data.layouts.base import FolderSource

HELP = "write a data set in another layout"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_data_argument(parser)
    parser.add_argument(
        "layout", metavar="LAYOUT", help="manifest, mtan, adashare, nyud_mt, cityscapes, nyuv2, or one of a plugin"
    )
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
    from ednas_nni.cli.data_arguments import parsed, snippet, source_of
    from ednas_nni.errors import DataError, did_you_mean
    from ednas_nni.study.options import check_options

    layouts = writable()
    if options.layout not in layouts:
        raise DataError(f"layout {options.layout!r} is unknown.{did_you_mean(options.layout, layouts)}")
    layout = layouts[options.layout]
    details = parsed(options.details, "--with")
    check_options(layout.write, details, f"layout {options.layout}", ("source", "folder"))
    source, _ = source_of(options.data, options.changes)
    source.prepare()
    reading = layout.write(source, options.folder, **details)
    folder = Path(options.folder).expanduser().resolve()
    files = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    print(f"wrote {sum(source.info.counts.values())} images, {len(files)} files, {size / 1e6:.1f} MB to {folder}")
    height, width = source.info.size
    print(f"In a study:\n  {snippet({'name': options.layout, 'folder': str(folder), **reading})}")
    print(f"  train_size: [{height}, {width}]")
    return 0


def writable() -> dict[str, type[FolderSource]]:
    """Return the registered layouts that can be written, by name."""
    import inspect

    from ednas_nni.data import DATASETS
    from ednas_nni.data.layouts.base import FolderSource
    from ednas_nni.errors import PluginError

    layouts: dict[str, type[FolderSource]] = {}
    for name in DATASETS.names():
        try:
            layout = DATASETS.load(name)
        except PluginError:  # `ednas plugins` says why
            continue
        if inspect.isclass(layout) and issubclass(layout, FolderSource) and layout.write is not FolderSource.write:
            layouts[name] = layout
    return layouts
