"""Train the study's reference architecture on each task alone, and record what it reaches.

`delta_t` compares a network that does all tasks at once with these trainings. They follow the study's own recipe, and
each one that ends is kept at once: a second call goes on where the first was stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.cli.arguments import add_file_arguments

if TYPE_CHECKING:
    from rich.table import Table

    from ednas_nni.baselines.making import Made

HELP = "train the single-task baselines of delta_t"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_file_arguments(parser)
    parser.add_argument("--seeds", metavar="N", type=int, default=3, help="trainings of each task (default 3)")
    parser.add_argument("--workers", metavar="N", type=int, help="trainings side by side (default: one per core)")
    parser.add_argument(
        "--out", metavar="FILE.json", type=Path, help="write one file there instead of into the folder of all studies"
    )


def run(options: argparse.Namespace) -> int:
    """Train what is missing and print all of it."""
    from ednas_nni.bridge.manager.experiment_file import read
    from ednas_nni.cli import terminal

    study = read(options.file, options.changes).study  # before torch is imported: a mistake is told at once
    from ednas_nni.baselines.making import make
    from ednas_nni.search.assembled import Assembled

    made = make(Assembled(study), options.seeds, options.out, options.workers)
    terminal.console().print(table(made))
    member = next(iter(made.records.values())).member
    print(
        f"{member} on one task alone, trained by the recipe of {options.file}; mean ± standard deviation over n seeds, "
        "scored on "
        + ", ".join({str(r.identity["recipe"].get("scored_on", "?")) for r in made.records.values()})
        + f". * does not enter delta_t. {made.trained} trained now."
    )
    for path in made.written:
        print(f"wrote {path}")
    for task, record in made.records.items():
        if len(record.runs) < 2:
            terminal.warn(f"{task}: one training says nothing of the spread; delta_t will have no interval.")
    return 0


def table(made: Made) -> Table:
    """Every metric with unit, direction, mean and standard deviation, n and protocol."""
    from ednas_nni.cli.terminal import amount, table

    headings = ("task", "metric", "unit", "better", ">mean", ">± sd", ">n", "protocol")
    new = table(headings, title="Single-task baselines")
    for task, record in made.records.items():
        mean, deviation = record.mean, record.deviation
        for name, spec in record.metrics.items():
            new.add_row(
                task,
                name + ("" if spec["in_delta_t"] else " *"),
                spec["unit"] or "1",
                "larger" if spec["direction"] == "max" else "smaller",
                amount(mean[name]),
                amount(deviation[name]),
                str(len(record.runs)),
                spec["protocol"],
            )
    return new
