"""Plan a study before it runs: what its space costs on its devices, and what its constraints leave of it.

Prices thousands of random architectures, finds the most favourable value of every constrained cost and rejects a
constraint that nothing meets. Nothing is trained and no data are read.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from ednas_nni.cli.arguments import add_file_arguments, add_picture_argument, check_picture, whole, write_picture

if TYPE_CHECKING:
    from ednas_nni.cost.plan import Plan
    from ednas_nni.search.assembled import Assembled

HELP = "say what a search space costs and what the constraints leave of it"
FEWEST = 100  # below, the outer quantiles and the shares mean nothing


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_file_arguments(parser)
    parser.add_argument(
        "--samples", type=whole(FEWEST, 10**6), default=4000, metavar="N", help="architectures to price (4000)"
    )
    parser.add_argument(
        "--draw",
        choices=("strategies", "architectures"),
        default="strategies",
        help="which networks the percentages count: each choice drawn evenly and by itself, as strategies do "
        "(default), or all different networks",
    )
    parser.add_argument("--seed", type=whole(0), default=0, metavar="N", help="seed of the draws (0)")
    add_picture_argument(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def run(options: argparse.Namespace) -> int:
    """Print the plan; exit code 0, or 1 when nothing meets the constraints."""
    from ednas_nni.bridge.manager import experiment_file as experiment
    from ednas_nni.cli import terminal
    from ednas_nni.cost.plan import advice, plan_json, remarks
    from ednas_nni.errors import InfeasibleError, StudyError
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.search.checks import check_finish, check_plan

    check_picture(options.picture)
    file = experiment.read(options.file, options.changes)
    assembled = Assembled(file.study)
    plan = _plan(assembled, options)
    preparation = assembled.evaluator_against(None).preparation(assembled.space)
    outlook = "" if preparation is None else preparation.outlook()
    refusal = ""
    try:
        check_plan(assembled, plan)
        check_finish(assembled, file.trials)
    except (InfeasibleError, StudyError) as error:
        refusal = f"{options.file}: {error}"
    if options.picture:
        from ednas_nni.report.plan_plot import plan_plot

        write_picture(options.picture, plan_plot(plan))
    if options.json:
        print(json.dumps({**plan_json(plan), "made_first": outlook or None, "error": refusal or None}, indent=2))
    else:
        from ednas_nni.cli.plan_tables import show
        from ednas_nni.cli.summary import in_words

        print(options.file)
        show(plan, assembled.study.space.name)
        if outlook:
            print(f"\nMade first: {outlook}")
        if file.study.finish and not refusal:
            print(f"\ntrials: {in_words(file.study.finish, file.trials)}")
        if options.picture:
            print(f"\nwrote {options.picture}")
        for line in remarks(plan) if not refusal else ():
            terminal.note(line)
        for line in advice(plan) if not refusal else ():
            terminal.warn(line)
    if refusal:
        terminal.fail(refusal)
    return 1 if refusal else 0


def _plan(assembled: Assembled, options: argparse.Namespace) -> Plan:
    """The plan, with a bar where it takes longer than a second."""
    from tqdm import tqdm

    steps = 4 + len(assembled.study.constraints)
    form = "{desc:<32} {percentage:3.0f}%|{bar:20}| {elapsed}"
    with tqdm(total=steps, bar_format=form, delay=1.0, leave=False, file=sys.stderr, disable=None) as bar:

        def step(what: str) -> None:
            bar.set_description_str(what)
            bar.update()

        step("building the space")
        _ = assembled.space
        step("pricing its layers")
        _ = assembled.problem
        return assembled.plan(step=step, samples=options.samples, seed=options.seed, draw=options.draw)
