"""Write a trained network as files that run elsewhere: each is compared with torch before it gets its name."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from ednas_nni.cli.arguments import size

if TYPE_CHECKING:
    from ednas_nni.networks.exporting import Exported

HELP = "write a trained network as ONNX, LiteRT, int8 or torch file"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("network", metavar="networks/NAME", help="folder of a trained network")
    parser.add_argument(
        "--to", metavar="FORMAT", nargs="+", required=True, help="pt2, onnx, litert, litert-int8 (one or several)"
    )
    parser.add_argument(
        "--outputs",
        choices=["raw", "classes", "full", "labels"],
        help="raw: coarse; classes: the same, but an index for each class's score; full: of the image's size; labels: "
        "classes, lengths, directions of that size (default: as priced, the study's deploy_outputs)",
    )
    parser.add_argument(
        "--size",
        default="deploy",
        metavar="train|deploy|H,W",
        type=size,
        help="height and width of the image (default: deploy)",
    )
    parser.add_argument(
        "--input", choices=["int8", "uint8"], default="int8", help="elements of an int8 file's input (default: int8)"
    )
    parser.add_argument(
        "--images", metavar="FOLDER", help="pictures to calibrate on and to compare with, instead of training images"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Write, prove, print."""
    from ednas_nni.cli import terminal
    from ednas_nni.networks.exporting import export
    from ednas_nni.networks.network import Network
    from ednas_nni.networks.own_data import real_images

    network = Network.load(options.network)
    about = network.description
    results = export(
        network,
        options.to,
        partial(real_images, about, options.images),
        outputs=options.outputs,
        size={"train": about.train_size, "deploy": about.deploy_size}.get(options.size, options.size),
        input_type=options.input,
        say=(lambda line: None) if options.json else print,
    )
    if options.json:
        print(json.dumps([{**asdict(r), "path": str(r.path) if r.path else None} for r in results], indent=1))
    else:
        _print(results)
    for result in results:
        if result.reason:
            terminal.fail(f"{result.format}: {result.reason.removeprefix(f'{result.format}: ')}")
    return 1 if any(result.reason for result in results) else 0


def _print(results: list[Exported]) -> None:
    from ednas_nni.cli import terminal

    files = terminal.table(("format", "file", ">kB", ">MACs", ">made in"))
    closeness = terminal.table(
        ("format", "output", ">images", ">largest", ">mean", ">worst tile", ">cosine", ">other class"),
        title="difference from torch, as a share of the output's root mean square",
    )
    for result in results:
        if result.path is None:
            continue
        size = f"{result.bytes / 1000:,.0f}"
        files.add_row(result.format, str(result.path), size, f"{result.macs:,}", terminal.duration(result.seconds))
        for match in result.matches:
            shares = [f"{value / match.rms:.2g}" for value in (match.maximum, match.mean, match.tile)]
            labels = "-" if match.labels is None else f"{match.labels:.2%}"
            closeness.add_row(result.format, match.task, str(match.images), *shares, f"{match.cosine:.6f}", labels)
    if files.row_count:
        terminal.console().print(files)
        terminal.console().print(closeness)
