"""Measure how far the short training of a study can be trusted.

Trains architectures that are spread over the space's costs by the study's recipe, by the recipes of a file, and by one
that takes longer; says how well each recipe orders them as the longer one does, and whether it does so better than
counting multiply-adds. Every training that ends is kept: the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.cli.arguments import (
    add_file_arguments,
    add_picture_argument,
    check_picture,
    positive,
    whole,
    write_picture,
)

if TYPE_CHECKING:
    from ednas_nni.search.assembled import Assembled
    from evidence.trust.record import TrustRecord
    from evidence.trust.training import FailedTraining

HELP = "measure how far a study's short training can be trusted"
GROUP = "for experts"
FEWEST = 12  # two halves of three terciles with a pair each


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_file_arguments(parser)
    parser.add_argument("--out", metavar="FILE.json", type=Path, default=Path("trust.json"), help="(trust.json)")
    parser.add_argument("--architectures", metavar="N", type=whole(FEWEST), default=48, help="(48)")
    parser.add_argument("--seeds", metavar="N", type=whole(2), default=2, help="trainings of each (2)")
    parser.add_argument(
        "--longer", metavar="K", type=_factor, default=2.0, help="the longer training takes K times the steps (2)"
    )
    parser.add_argument(
        "--until-flat",
        metavar="STEPS",
        type=positive,
        help="instead of --longer: double the steps until the mean quality of a few architectures rises no more, at "
        "most to so many",
    )
    parser.add_argument(
        "--recipes",
        metavar="FILE.yml",
        type=Path,
        help="further recipes to compare: a mapping of names to options of the evaluator, for example "
        "{short: {steps: 250}, averaged: {average: 0.98}}; own_seeds: true gives every architecture its own batches",
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="FILE.json",
        type=Path,
        help="take over what another measurement of the same architectures has trained, such as one with another "
        "--longer",
    )
    parser.add_argument("--workers", metavar="N", type=positive, help="trainings side by side (one per core)")
    add_picture_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Train what is missing and print what it says."""
    from ednas_nni.bridge.manager.experiment_file import read
    from ednas_nni.search.assembled import Assembled
    from evidence.trust.record import TrustRecord
    from evidence.trust.tables import show
    from evidence.trust.training import planned
    from evidence.trust.verdict import verdict

    check_picture(options.picture)
    assembled = Assembled(read(options.file, options.changes).study)
    record = planned(assembled, options.architectures, options.seeds, options.longer, _recipes(options.recipes))
    named = frozenset(record.recipes)
    earlier = TrustRecord.read(options.out) if options.out.exists() else None
    if options.until_flat:
        earlier = _settle_truth(assembled, record, earlier, options)
    if earlier is not None:
        earlier.check_continues(record, options.out)
        earlier.recipes.update(record.recipes)
        earlier.images.update(record.images)
        record = earlier
    if options.source:
        record.take_over(TrustRecord.read(options.source), options.source)
    failed = _train(assembled, record, options, named)
    record.write(options.out)  # also where nothing had to be trained, so that what was taken over is kept
    record = _of_results(record, failed)
    result = verdict(record)
    show(record, result)
    print(f"\n{options.out} holds all trainings")
    if options.picture:
        from evidence.trust.plot import trust_plot

        write_picture(options.picture, trust_plot(record, result))
        print(f"wrote {options.picture}")
    return 0


def _settle_truth(
    assembled: Assembled, record: TrustRecord, earlier: TrustRecord | None, options: argparse.Namespace
) -> TrustRecord:
    """Find out how long the longer training takes; returned is the record that has its trainings beside the others."""
    from dataclasses import replace

    from evidence.trust.record import TRUTH
    from evidence.trust.training import until_flat

    pilot = earlier or replace(record, recipes={}, images={}, runs={})
    others = {name: recipe for name, recipe in record.recipes.items() if name != TRUTH}
    pilot.check_continues(replace(record, recipes=others), options.out)
    with _bar() as step:
        words = until_flat(assembled, pilot, options.out, options.workers, step, options.until_flat)
    print(words, flush=True)
    pilot.write(options.out)
    record.recipes[TRUTH], record.images[TRUTH] = pilot.recipes[TRUTH], pilot.images[TRUTH]
    return pilot


def _of_results(record: TrustRecord, failed: Sequence[FailedTraining]) -> TrustRecord:
    """The record without architectures that the study's or the longer training fails; says what is left out."""
    from ednas_nni.errors import TrialError
    from evidence.trust.record import SHIPPED, TRUTH

    if not failed:
        return record
    lines = "\n".join(f"  {failure}" for failure in failed)
    dropped = {f.architecture for f in failed if f.recipe in (SHIPPED, TRUTH)}
    left = record.without(dropped)
    if len(left.architectures) < FEWEST:
        raise TrialError(
            f"{len(failed)} trainings failed, and {len(left.architectures)} architectures are left, fewer than "
            f"{FEWEST}; the other trainings are kept, and the same command tries these again:\n{lines}"
        )
    recipes = sorted({f.recipe for f in failed if f.architecture not in dropped})
    print(f"{len(failed)} trainings failed:\n{lines}", file=sys.stderr)
    print(
        f"Left out of what follows: {len(dropped)} architectures"
        + (f", and for want of their trainings the recipes {', '.join(recipes)}" if recipes else "")
        + ". The same command tries them again.\n",
        file=sys.stderr,
    )
    return left


def _train(
    assembled: Assembled, record: TrustRecord, options: argparse.Namespace, recipes: frozenset[str]
) -> list[FailedTraining]:
    from evidence.trust.training import train

    with _bar() as step:
        return train(assembled, record, options.out, options.workers, step, recipes)


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    from tqdm import tqdm

    form = "{desc} {percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt} steps [{elapsed}<{remaining}]"
    with tqdm(bar_format=form, unit_scale=True, desc="training", file=sys.stderr, disable=None) as bar:

        def step(done: int, total: int) -> None:
            bar.total = total
            bar.update(done)
            bar.refresh()

        yield step


def _recipes(path: Path | None) -> dict[str, dict[str, object]]:
    from ednas_nni.errors import StudyError
    from ednas_nni.study import plain_data
    from evidence.trust.record import INHERITED, SHIPPED, TRUTH

    if path is None:
        return {}
    recipes = plain_data.read_yaml(path, StudyError) or {}
    if fault := plain_data.fault(recipes):
        raise StudyError(f"--recipes {path}: {fault}.")
    if not isinstance(recipes, dict) or not all(
        isinstance(name, str) and isinstance(options, dict) for name, options in recipes.items()
    ):
        raise StudyError(
            f"--recipes {path}: is not a mapping of names to options. Write, for example: short: {{steps: 250}}"
        )
    for name in (SHIPPED, TRUTH, INHERITED):
        if name in recipes:
            raise StudyError(f"--recipes {path}: {name!r} is the name of a recipe that is always there; take another.")
    return recipes


def _factor(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 < value < 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 1")
    return value
