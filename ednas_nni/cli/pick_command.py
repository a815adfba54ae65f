"""Pick one network of a search: the knee of its front, the best within limits, or one by name. Nothing is trained."""

from __future__ import annotations

import argparse
import json

from ednas_nni.cli.arguments import add_experiment_argument

HELP = "pick one network of a search, and say why"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_experiment_argument(parser)
    parser.add_argument("architecture", metavar="ARCHITECTURE", nargs="?", help="architecture id or name of a member")
    parser.add_argument(
        "--limit", metavar="COST<=X", action="append", default=[], help="such as 'latency_ms<=10'; may be repeated"
    )
    parser.add_argument(
        "--weights",
        metavar="NAME=W,...",
        type=weights,
        help="such as quality=1,latency_ms=0.1: how much each range over the front counts",
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def weights(text: str) -> dict[str, float]:
    """The type of `--weights`."""
    try:
        pairs = [part.partition("=") for part in text.split(",")]
        return {name.strip(): float(number) for name, _, number in pairs}
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=NUMBER,..., as quality=1,latency_ms=0.1") from None


def run(options: argparse.Namespace) -> int:
    """Print one architecture id and why."""
    from ednas_nni.bridge.manager.launch import command
    from ednas_nni.cli.outcome import optimism
    from ednas_nni.cli.terminal import wrapped
    from ednas_nni.errors import EdnasError
    from ednas_nni.handover.search import open_search
    from ednas_nni.record.locate import command_name
    from ednas_nni.record.quantities import QUALITY_INT8

    if options.architecture and (options.limit or options.weights):
        raise EdnasError("ARCHITECTURE names the network already: leave --limit and --weights out, or ARCHITECTURE.")
    search = open_search(options.experiment)
    if options.architecture:
        choice, reason = search.architecture(options.architecture), "you named it"
    else:
        choice = search.front.pick(limit=options.limit, weights=options.weights)
        reason = choice.reason
    values = {name: v for name in search.quantities if (v := choice.value(name)) is not None}
    if options.json:
        content = {
            "experiment": search.experiment,
            "architecture": choice.architecture,
            "member": choice.name or None,
            "reason": reason,
            "trainings": len(choice.confirmed),
            "split": "select" if choice.confirmed else "search",
            "inherited": search.head.inherits and not choice.confirmed,
            "weights": None if choice.weights is None else str(choice.weights),
            "values": values,
            "sample": choice.sample,
        }
        print(json.dumps(content, indent=1))
        return 0
    print(choice.architecture)
    print(f"{choice.name + ': ' if choice.name else ''}{reason}.")
    metrics = [q.key for q in search.metrics if q.primary or q.key == QUALITY_INT8.key]
    names = [search.score.key, *metrics, *(q.key for q in search.costs)]
    parts = [f"{name} {search.quantities[name].text(values[name])}" for name in names if name in values]
    print(wrapped(", ".join(parts), 0))

    name = command_name(search.history.path)
    if not choice.confirmed:
        print(optimism(len(search.results), search.head.inherits))
        print(f"To confirm it: {command('ednas')} confirm {name} {choice.architecture} --top 0")
    print(f"To train it in full: {command('ednas')} train {name} {choice.architecture}")
    return 0
