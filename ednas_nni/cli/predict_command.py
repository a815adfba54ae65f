"""Predict pictures: for each one a picture of what the network says, with legends and a scale in metres.

Photos of any size and shape, with a camera's rotation, grey or transparent, and folders of them.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

    from ednas_nni.networks.network import Network
    from ednas_nni.networks.prediction import Prediction
    from ednas_nni.networks.runtime import Runtime

HELP = "draw what a network says of pictures"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("network", metavar="NETWORK", help="folder of a network, such as networks/small")
    parser.add_argument("pictures", metavar="FILE_OR_FOLDER", nargs="+", type=Path, help="pictures, folders of them")
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="where pictures go (default predictions/NETWORK)")
    parser.add_argument("--format", default="torch", metavar="F", help="torch, or a format it was exported to")
    parser.add_argument("--arrays", action="store_true", help="also write the predictions as .npz")


def run(options: argparse.Namespace) -> int:
    """Write one picture each. Exit code 1 where one could not be read; the others are written."""
    from ednas_nni.cli.terminal import fail
    from ednas_nni.errors import DataError
    from ednas_nni.networks.network import Network
    from ednas_nni.record.whole_file import write_whole

    network = Network.load(options.network)
    runtime = runtime_of(network, options.format)
    out = options.out or Path("predictions") / network.name
    code = 0
    for picture, target in targets(options.pictures, out):
        try:
            prediction = network.predict(picture, runtime)
        except DataError as error:
            fail(str(error))
            code = 1
            continue
        prediction.save(target)
        if options.arrays:
            write_whole(target.with_suffix(".npz"), partial(write_arrays, prediction))
        for note in prediction.notes:
            print(f"{picture}: {note}", file=sys.stderr)
        print(target)
    return code


def write_arrays(prediction: Prediction, file: BinaryIO) -> None:
    """One array a task."""
    import numpy as np

    np.savez_compressed(file, allow_pickle=False, **prediction.arrays)


def targets(given: list[Path], out: Path) -> list[tuple[Path, Path]]:
    """Picture -> where its prediction goes: a file of its own, never a picture; a folder's folders are kept apart.

    What lies in `out` below a named folder are predictions of before, and no pictures.
    """
    from ednas_nni.networks.pictures import listed

    folders = {file: path for path in (p.expanduser() for p in given) for file in listed(path, out)}
    taken, pairs = {file.resolve() for file in folders}, []
    for file, path in folders.items():
        name = file.relative_to(path) if path.is_dir() else Path(file.name)
        further = (name.with_name(f"{name.name}{n or ''}.png") for n in count())  # a.jpg and a.png
        free = (out / n for n in chain([name.with_suffix(".png")], further))
        pairs.append((file, next(place for place in free if place.resolve() not in taken)))
        taken.add(pairs[-1][1].resolve())
    return pairs


def runtime_of(network: Network, format: str) -> Runtime:
    """What computes the outputs: the module, or the runtime of a file that was exported."""
    from ednas_nni.errors import NetworkError, did_you_mean

    about = network.description
    files = {file.format: name for name, file in about.files.items()}
    if format not in files:
        raise NetworkError(
            f"{network.folder}: has no file of the format {format!r}.{did_you_mean(format, files)} "
            f"`ednas export {shlex.quote(str(network.folder))} --to {format}` writes one."
        )
    if format == "torch":
        return network.runtime
    from ednas_nni.networks.exporting import open_file

    assert network.folder is not None, "it was loaded from there"
    path = network.folder / files[format]
    about.files[files[format]].check(path)
    return open_file(path)
