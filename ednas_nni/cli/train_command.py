"""Train one network in full, resumable, and write it as a folder that predicts, exports and benchmarks.

    ednas train ID ARCHITECTURE                 what a search found: an id, a member's name
    ednas train experiments/ednas.yml MEMBER    without a search: a member's name, or choices as JSON

Stopped or killed, the same command goes on from the last checkpoint, which is at most some minutes old.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.cli.arguments import add_study_arguments, positive, size, whole

if TYPE_CHECKING:
    from ednas_nni.networks.network import Network

HELP = "train one network in full, resumable"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_study_arguments(parser)
    parser.add_argument("architecture", metavar="ARCHITECTURE", help="architecture id, name of a member, or JSON")
    parser.add_argument(
        "--steps",
        type=whole(0),
        metavar="N",
        help="of each training (default: ten times a trial's); 0 = the weights that the search kept, as they are",
    )
    parser.add_argument("--seeds", type=positive, default=1, metavar="N", help="trainings side by side (default 1)")
    parser.add_argument("--size", default="train", metavar="train|deploy|H,W", type=size, help="of training images")
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="where the network goes (default networks/NAME)")
    parser.add_argument("--baselines", action="store_true", help="also each task alone: delta_t with an interval")
    parser.add_argument("--fresh", action="store_true", help="start at random also where a trial left its weights")
    parser.add_argument("--no-test", action="store_true", help="leave the test split closed: score on select alone")
    parser.add_argument("--precision", metavar="P", help="Lightning's; on a GPU mixed by default, else 32-true")
    parser.add_argument("--threads", type=positive, metavar="N", help="of each training (default 1: exact resume)")
    parser.add_argument("--workers", type=positive, metavar="N", help="trainings at a time (default: one per core)")


def run(options: argparse.Namespace) -> int:
    """Train, score, write."""
    from ednas_nni.bridge.manager.launch import command
    from ednas_nni.handover.choosing import chosen, opened
    from ednas_nni.networks.description import free

    source = opened(options.source, options.changes)
    architecture = chosen(*source, options.architecture)  # before torch is imported: a search knows its names
    from ednas_nni.handover.training import carried_out, planned

    given = {"precision": options.precision, "threads": options.threads}
    recipe = {name: value for name, value in given.items() if value is not None}
    name = options.out.name if options.out else ""
    plan = planned(source, architecture, options.steps, options.seeds, options.size, name, options.fresh, **recipe)
    folder = options.out or Path("networks") / plan.name
    free(folder)  # before the training
    height, width = plan.study.train_size
    start = f"the weights that the search kept ({plan.weights})" if plan.weights else "random weights"
    count = f"{len(plan.seeds)} trainings" if len(plan.seeds) > 1 else "1 training"
    if plan.kept_steps is not None:
        print(f"{plan.name}: {start}, as they are, {plan.steps} steps with seed {plan.seeds[0]}.", flush=True)
    else:
        print(f"{plan.name}: {count} of {plan.steps} steps at {height} x {width} from {start}.", flush=True)
    if plan.study.train_size != plan.study.deploy_size:
        deploy = " x ".join(map(str, plan.study.deploy_size))
        print(
            f"It will be used at {deploy}: a network that sees objects larger than it was trained on loses accuracy. "
            "Both sizes are scored; --size deploy trains at the larger one.",
            flush=True,
        )
    network = carried_out(plan, options.baselines, not options.no_test, options.workers)
    network.save(folder)
    show(network)
    typed = shlex.quote(str(folder))
    print(f"\n{folder} holds the network. Next:")
    print(f"  {command('ednas')} predict {typed} photo.jpg")
    print(f"  {command('ednas')} export {typed} --to onnx litert-int8")
    return 0


def show(network: Network) -> None:
    """Print the scores."""
    from ednas_nni.cli import terminal

    scores = network.description.scores
    heads = [f">{score.split}\n{score.size[0]} x {score.size[1]}\nn = {score.images}" for score in scores]
    seeds = scores[0].seeds
    title = "one seed" if len(seeds) == 1 else f"mean of seeds {', '.join(map(str, sorted(seeds)))}, 95 % interval"
    table = terminal.table(["metric", *heads], title=f"{network.name}: {title}")
    quantities = network.description.quantities
    primary = [f"{name}_{task.primary}" for name, task in network.description.tasks.items()]
    rest = [m for m in scores[0].values if m not in ("quality", "delta_t", *primary)]
    for metric in [m for m in ("quality", "delta_t", *primary, *rest) if any(m in s.values for s in scores)]:
        cells, quantity = [], quantities[metric]
        for score in scores:
            low, high = score.intervals.get(metric, (0.0, 0.0))
            half = f" ± {quantity.number((high - low) / 2)}" if metric in score.intervals else ""
            cells.append(f"{quantity.number(score.mean(metric))}{half}" if metric in score.values else "")
        table.add_row(quantity.whole, *cells)
    terminal.console().print(table)
    if len(seeds) > 1:
        print(f"The weights are those of seed {seeds[0]}, the best on select.")
