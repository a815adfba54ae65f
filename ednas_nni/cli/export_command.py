"""Write a trained network as files that run elsewhere: each is compared with torch before it gets its name."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ednas_nni.networks.exporting import Exported
    from ednas_nni.networks.network import Network

HELP = "write a trained network as ONNX, LiteRT, int8 or torch file"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("network", metavar="networks/NAME", help="folder of a trained network")
    parser.add_argument(
        "--to", metavar="FORMAT", nargs="+", required=True, help="pt2, onnx, litert, litert-int8 (one or several)"
    )
    parser.add_argument(
        "--outputs",
        choices=["raw", "full", "labels"],
        default="raw",
        help="raw: coarse, as priced; full: of the image's size; labels: classes, lengths, directions (default: raw)",
    )
    parser.add_argument(
        "--size", default="deploy", metavar="train|deploy|H,W", help="height and width of the image (default: deploy)"
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
    from ednas_nni.networks import own_data
    from ednas_nni.networks.exporting import export
    from ednas_nni.networks.network import Network

    network = Network.load(options.network)
    about = network.description

    def images(size: tuple[int, int], count: int) -> own_data.Images:
        if options.images:
            return own_data.folder_images(Path(options.images), size, count)
        return own_data.training_images(about, size, count)

    results = export(
        network,
        options.to,
        images,
        outputs=options.outputs,
        size=size_of(options.size, network),
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


def size_of(text: str, network: Network) -> tuple[int, int]:
    """Height and width that `--size` means."""
    from ednas_nni.errors import StudyError, quoted

    named = {"train": network.description.train_size, "deploy": network.description.deploy_size}
    if text in named:
        return named[text]
    parts = text.replace("x", ",").split(",")
    if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
        raise StudyError(f"--size is {quoted(text)}; write train, deploy, or height and width such as 512,1024.")
    return int(parts[0]), int(parts[1])


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
