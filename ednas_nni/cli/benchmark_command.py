"""Every task metric and the milliseconds of each exported file, beside torch and beside what the search believed."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.cli.arguments import positive

if TYPE_CHECKING:
    from ednas_nni.networks.benchmark import Benchmark
    from ednas_nni.networks.network import Network
    from ednas_nni.networks.placement import Placement

HELP = "score and time the exported files of a network"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("network", metavar="networks/NAME", help="folder of a trained network")
    parser.add_argument("--format", nargs="+", default=[], metavar="FORMAT", help="only these formats")
    parser.add_argument(
        "--split",
        choices=["search", "select", "test", "none"],
        default="select",
        help="what is scored (default: select)",
    )
    parser.add_argument("--threads", type=positive, default=1, metavar="N", help="threads of an inference (default: 1)")
    parser.add_argument(
        "--full-size",
        action="store_true",
        help="images and labels of the file's size, made where needed; by default those of the training's size",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Measure and print."""
    from ednas_nni.cli import terminal
    from ednas_nni.data.source import CachedSource
    from ednas_nni.errors import NetworkError
    from ednas_nni.networks import placement
    from ednas_nni.networks.benchmark import benchmark, exported_files
    from ednas_nni.networks.exporting import open_file
    from ednas_nni.networks.network import Network
    from ednas_nni.networks.own_data import source_of

    network = Network.load(options.network)
    files = exported_files(network, options.format)
    folder = Path(options.network).expanduser()
    split = train = None
    if options.split != "none":
        size = open_file(folder / next(iter(files))).predicted_size if options.full_size and files else None
        source, reader = source_of(network.description, size), f"ednas benchmark {network.name}"
        if size is not None and isinstance(source, CachedSource):
            split = source.alone(options.split, reader)  # without the training split there is no `quality`
        else:
            split, train = source.split(options.split, reader), source.split("train")
    say = (lambda line: None) if options.json else print
    measured = benchmark(network, split, train, formats=options.format, threads=options.threads, say=say)
    placements: list[Placement] = []
    faults: list[str] = []
    compilers: dict[str, Callable[[Path], Placement | None]] = {
        **{name: partial(placement.vela, accelerator=name) for name in placement.ETHOS},
        "edge_tpu": placement.edge_tpu_lint,
        "edgetpu_compiler": placement.edge_tpu_compiler,
    }
    for name in (name for name in files if name.endswith(".int8.tflite")):
        for target, place in compilers.items():
            say(f"{target}: placing {name}")
            try:
                placed = place(folder / name)
            except NetworkError as error:
                faults.append(str(error))
                continue
            if placed is not None:
                placements.append(placed)
    if options.json:
        believed = {cost.name: cost.model_dump() for cost in network.description.costs}
        content = {**asdict(measured), "believed": believed, "placements": [asdict(p) for p in placements]}
        print(json.dumps(content, indent=1))
    else:
        _print(network, measured)
        _print_placements(placements)
    for fault in dict.fromkeys(faults):
        terminal.warn(fault)
    if measured.disturbed:
        terminal.warn("Other work ran on this machine: milliseconds are too long. Repeat it on an idle one.")
    if measured.throttled:
        terminal.warn(
            f"The machine became slower meanwhile: the first row takes {measured.slowdown:.2f} times as long."
        )
    return 0


def _print(network: Network, measured: Benchmark) -> None:
    """Metrics are rows: there are many of them, and few files."""
    from ednas_nni.cli import terminal

    table = terminal.table(["", *(f">{row.format} {row.size[0]}x{row.size[1]}" for row in measured.rows)])
    threads = f"{measured.threads} thread{'s' * (measured.threads > 1)}"
    table.add_row("outputs", *(row.outputs for row in measured.rows))
    table.add_row("file, kB", *(f"{row.bytes / 1000:,.0f}" for row in measured.rows))
    table.add_row(f"ms, median, {threads}", *(f"{row.milliseconds.median:.3g}" for row in measured.rows))
    table.add_row("ms, 90 %", *(f"{row.milliseconds.upper90:.3g}" for row in measured.rows), end_section=True)
    quantities = network.description.quantities
    for metric in measured.rows[0].metrics:
        cells, quantity = [], quantities[metric]
        for row in measured.rows:
            change = f" ({row.change[metric] * quantity.scale:+.{quantity.decimals + 1}f})" if row.change else ""
            cells.append(f"{quantity.number(row.metrics[metric])}{change}")
        table.add_row(quantity.whole, *cells)
    terminal.console().print(table)
    if measured.split:
        height, width = measured.label_size
        print(f"metrics: {measured.images} images of {measured.split!r}, labels of {height} x {width}")
        print("in brackets: the change against torch at the same size")
    for cost in network.description.costs:
        height, width = network.description.deploy_size
        amount = f"{terminal.amount(cost.value)}{terminal.unit(cost.name, cost.unit)}"
        print(f"the search believed: {cost.name} {amount} at {height} x {width} on {cost.device} ({cost.origin})")


def _print_placements(placements: list[Placement]) -> None:
    from ednas_nni.cli import terminal

    if not placements:
        return
    figures = (">operators on it", ">MACs on it", ">cycles", ">ms", ">SRAM KiB")
    table = terminal.table(("accelerator", "by", *figures))
    for p in placements:
        cells = [f"{p.on_device} of {p.operators}", f"{p.macs_on_device / p.macs:.1%}" if p.macs else "-"]
        cells += ["-" if p.cycles is None else f"{p.cycles:,}"]
        cells += ["-" if value is None else f"{value:,.3g}" for value in (p.milliseconds, p.sram_kib)]
        table.add_row(p.target, p.source, *cells)
    terminal.console().print(table)
    for p in placements:
        for text in p.left:
            print(f"{p.target}, {p.source}: {text}")
