"""Measure lambda, the weight of the relative error in the depth loss `jared`, for the data of a study.

The study's reference architecture is trained on depth alone with the loss `l1`; lambda is its absolute error divided by
its relative error. Every study on the same data uses the recorded value from then on.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.cli.arguments import positive

if TYPE_CHECKING:
    from ednas_nni.study.fields import PluginChoice

HELP = "measure the weight of the relative error in the depth loss"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="FILE.yml", help="an experiment whose study names a `reference`")
    parser.add_argument("--seeds", metavar="N", type=positive, default=2, help="trainings (default 2)")
    parser.add_argument("--workers", metavar="N", type=positive, help="trainings side by side (default: one per core)")
    parser.add_argument(
        "--option", metavar="NAME=VALUE", action="append", default=[], help="change an option of the study's data"
    )
    parser.add_argument("--out", metavar="FILE.json", type=Path, help="add it to a table instead of the user's folder")


def run(options: argparse.Namespace) -> int:
    """Train, record and say what follows."""
    from ednas_nni.bridge.manager.experiment_file import read
    from ednas_nni.search.assembled import Assembled

    study = read(options.file).study  # before torch is imported: a mistake is told at once
    study = study.model_copy(update={"data": changed(study.data, options.option)})
    from ednas_nni.baselines.relative_scale import measure
    from ednas_nni.tasks.depth import lambdas

    assembled = Assembled(study)
    measured = measure(assembled, options.seeds, options.workers, command=command(options))
    path = options.out or lambdas.path_for(assembled.source.info)
    lambdas.write(path, measured)
    spread = f" ± {measured.deviation:.2g}" if measured.deviation is not None else ""
    print(
        f"lambda of {measured.data} ({measured.depth_kind} depth): {measured.mean:.4g}{spread} {measured.unit}, mean"
        f"{' ± standard deviation' if spread else ''} of AbsE / RelE on search over n = {len(measured.seeds)} "
        f"trainings of {study.reference} with l1, protocol standard"
    )
    print(
        f"used by the loss jared = (|p - g| + lambda |p - g| / g) / 2 as lambda = {measured.value:g} {measured.unit}: "
        "on average both terms weigh the same"
    )
    print(f"wrote {path}")
    if options.out is None:
        print(
            "Studies on this data take it from there; `evaluator: {name: jared, depth_relative_scale: ...}` in a study "
            "goes before it. Single-task baselines made with another lambda do not fit any more."
        )
    return 0


def changed(data: PluginChoice, given: list[str]) -> PluginChoice:
    """The study's data with options from the command line; values are YAML.

    Raises:
        DataError: One is not NAME=VALUE.
    """
    from ednas_nni.cli.data_arguments import parsed

    return data.model_copy(update={"options": {**data.options, **parsed(given, "--option")}})


def command(options: argparse.Namespace) -> str:
    """What to type for the same measurement, without folders of this machine."""
    file = Path(options.file)
    words = ["ednas", "data", "lambda", file.name if file.is_absolute() else str(file), "--seeds", str(options.seeds)]
    for text in options.option:
        words += ["--option", text]
    return shlex.join(words)
