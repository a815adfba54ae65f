"""Train the front of a search again with fresh seeds, scored on images that no candidate has seen.

Each training that ends is journalled at once: a second call goes on where the first was stopped, and `--seeds 5` after
`--seeds 3` trains two more of each.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ednas_nni.cli.arguments import add_experiment_argument, positive, whole

if TYPE_CHECKING:
    from ednas_nni.handover.search import SearchRecord

HELP = "train the front again with fresh seeds"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_experiment_argument(parser)
    parser.add_argument("also", metavar="ARCHITECTURE", nargs="*", help="further ones: architecture ids or members")
    parser.add_argument(
        "--top", type=whole(0), metavar="N", default=4, help="networks of the front: what holds most of it (default 4)"
    )
    parser.add_argument("--seeds", type=positive, metavar="N", default=3, help="trainings of each (default 3)")
    parser.add_argument("--steps", type=positive, metavar="N", help="steps of a training, instead of the study's")
    parser.add_argument("--workers", type=positive, metavar="N", help="trainings side by side (default: one per core)")


def run(options: argparse.Namespace) -> int:
    """Train what is missing, and print the front by its confirmed values."""
    from ednas_nni.bridge.manager.launch import command
    from ednas_nni.handover.confirming import confirm, planned
    from ednas_nni.handover.search import open_search
    from ednas_nni.record.locate import command_name

    search = open_search(options.experiment)
    recipe = {} if options.steps is None else {"steps": options.steps}
    plan = planned(search, options.top, options.seeds, options.also, **recipe)
    print(
        f"{len(plan.architectures)} architectures with {len(plan.seeds)} seeds each: {len(plan.missing)} trainings to "
        "do, the others are in the journal.",
        flush=True,
    )
    confirm(search, plan, options.workers)
    search = open_search(search.history.path)
    show(search)
    print(f"Next: {command('ednas')} pick {command_name(search.history.path)}")
    return 0


def show(search: SearchRecord) -> None:
    """Print every confirmed architecture, and how optimistic the search was."""
    from ednas_nni.cli import terminal
    from ednas_nni.handover.search import in_words
    from ednas_nni.record.quantities import QUALITY_INT8

    front = {a.architecture for a in search.front}
    costs = [q for q in search.costs if q.key in {o.name for o in search.objectives}] or list(search.costs[:1])
    metrics = [q for q in search.metrics if q.primary or q.key == QUALITY_INT8.key]
    searched = "inherited" if search.head.inherits else "searched"
    headings = ["", "architecture", *(f">{search.score.label}\n{of}" for of in (searched, "confirmed")), ">n"]
    headings += [">" + f"{q.group if q.primary else ''} {q.label}\n[{q.unit}]".strip() for q in [*metrics, *costs]]
    table = terminal.table(headings, title="Confirmed on select: mean and 95 % interval over n fresh seeds")
    for a in sorted(search.confirmed, key=lambda a: a.costs.get(costs[0].key if costs else "", 0.0)):
        table.add_row(
            a.name if a.architecture in front else f"{a.name}\nnot on the front".strip(),
            a.architecture,
            search.score.number(a.searched.get("default")),
            in_words(search.score, a.interval(search.score.key)),
            str(len(a.confirmed)),
            *(q.number(a.value(q.key)) for q in [*metrics, *costs]),
        )
    terminal.console().print(table)
    print(search.optimism_in_words)
