"""Make the supernet of a study whose evaluator inherits, or go on with it, and say what it is.

It is made once, kept beside the data cache, and serves every search of the same space, data and recipe: `ednas search`
makes it too, before it starts. Killed, the same command goes on from the last checkpoint, at most some minutes old.
"""

from __future__ import annotations

import argparse

from ednas_nni.cli.arguments import add_study_arguments, with_changes

HELP = "train all networks of a space at once, resumable"
BETWEEN = 3


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_study_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Make it, and print what it is."""
    from ednas_nni.bridge.manager.launch import command
    from ednas_nni.cli.terminal import amount, console, duration, table
    from ednas_nni.cost.stratified import stratified
    from ednas_nni.handover.choosing import opened
    from ednas_nni.handover.repricing import Inheritance

    _, assembled = opened(options.source, options.changes)
    inheritance = Inheritance(assembled)
    supernet, costs, domains = inheritance.supernet, inheritance.assembled.table, inheritance.assembled.domains
    inheritance.evaluator.check()
    assembled.source.prepare()
    print(f"To make: {outlook}." if (outlook := supernet.outlook()) else "It is made already.", flush=True)
    supernet.make(progress=True)
    seconds = (supernet.made or {}).get("seconds")
    size = sum(file.stat().st_size for file in supernet.folder.iterdir())
    trained = f"{supernet.recipe.steps} steps of {supernet.options.paths} networks, trained in {duration(seconds)}"
    print(f"{domains.size():,} networks share one training: {trained}.\n{supernet.folder} ({size / 1e6:.1f} MB)")
    every, macs = inheritance.scores(), costs.names.index("macs")
    middle = stratified(costs, "macs", (), BETWEEN, seed=0)
    rows = []
    ends = supernet.paths
    for name, sample in [("smallest", ends.smallest), *(("", one) for one in middle), ("largest", ends.largest)]:
        key = domains.architecture_id(sample)
        score = every.get(key) or inheritance.score(sample)
        rows.append((name, key, amount(float(costs([sample])[0, macs])), f"{score.metrics['default']:.4f}"))
    title = f"Inherited, on the {inheritance.images} images of {inheritance.split}"
    console().print(table(("", "architecture", f">MACs at\n{costs.size_text}", ">quality"), title, rows))
    words = with_changes(options.source, options.changes)
    print(f"Next: {command('ednas')} front {words} --device NAME, or {command('ednas')} search")
    return 0
