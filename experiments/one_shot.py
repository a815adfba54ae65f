"""A one-shot search: NNI's strategy trains one supernet, then the architecture that comes out of it is trained alone.

    python experiments/one_shot.py --strategy darts
    python experiments/one_shot.py experiments/streets.yml --strategy enas --steps 400 --macs 1e9
    python experiments/one_shot.py --strategy proxyless --space mobile --widths 1

Tasks, data, recipe and space are those of the YAML. A supernet holds every candidate at once: for large presets
shorten its lists (`--widths`, `--values`, `--sharing`). Architecture gradients and rewards come from the search split,
so the network in the end is scored on the select split.
"""

import argparse
import time
from pathlib import Path

import ednas_nni  # noqa: F401
from ednas_nni.cli.describe_command import show_costs
from ednas_nni.errors import EdnasError
from ednas_nni.search.assembled import Assembled, trained
from ednas_nni.study import read_experiment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("yaml", nargs="?", type=Path, default=Path(__file__).parent / "separate.yml")
    parser.add_argument("--strategy", default="darts", help="random_one_shot, darts, gumbel_darts, proxyless or enas")
    parser.add_argument("--space", help="another preset than that of the YAML, with the options below")
    parser.add_argument("--widths", type=int, metavar="N", help="at most N numbers of channels in each list")
    parser.add_argument("--values", type=int, metavar="N", help="at most N operations a block, N depths a stage")
    parser.add_argument("--sharing", type=int, metavar="N", help="at most N ways to share")
    parser.add_argument("--steps", type=int, default=200, help="steps of the supernet (default 200)")
    parser.add_argument("--epochs", type=int, help="epochs they are cut into (default: 20 steps each)")
    parser.add_argument("--train-steps", type=int, help="steps of the found network (default: as a trial of the YAML)")
    parser.add_argument("--batch-size", type=int, help="images a step (default: as the YAML)")
    parser.add_argument("--macs", type=float, metavar="N", help="keep to N multiply-adds at the deploy size")
    parser.add_argument("--weight", type=float, default=1.0, help="what twice that number costs, in units of the loss")
    options = parser.parse_args()
    try:
        run(options)
    except EdnasError as error:
        raise SystemExit(f"error: {error}") from None


def run(options: argparse.Namespace) -> None:
    from ednas_nni.cost import CostProfiler
    from ednas_nni.nn.capabilities import capabilities_of
    from ednas_nni.training import one_shot

    study = read_experiment(options.yaml)[1]
    study = study.model_copy(update={"space": chosen_space(study, options)})
    one_shot.strategy(options.strategy)  # its name, before anything takes time
    assembled = Assembled(study)
    assembled.source.prepare()
    space, table = assembled.space, assembled.table
    one_shot.check(options.strategy, space)
    keeping = {}
    if options.macs:
        profiler = CostProfiler(space, table, "macs")
        keeping = one_shot.limit(options.strategy, profiler, options.macs, options.weight)
    size = f"{study.train_size[0]} x {study.train_size[1]} px"
    domains = table.domains
    print(f"{options.strategy} on {study.space.name}: {domains.size():,} architectures, {len(domains)} choices")
    print(f"supernet of {sum(p.numel() for p in space.parameters()) / 1e6:.1f} M parameters at least, images of {size}")

    evaluator = Assembled(with_options(study, options, steps=options.steps)).evaluator
    begin = time.monotonic()
    strategy = one_shot.strategy(options.strategy, **keeping)
    sample = one_shot.search(space, evaluator, strategy, options.epochs, progress=True)
    print(f"searched in {time.monotonic() - begin:.0f} s\n")

    print(capabilities_of(space).describe(sample, table.domains))
    print()
    show_costs(table, table.domains.canonical(sample))

    print("\ntraining it alone, scored on the select split")
    alone = with_options(study, options, steps=options.train_steps, scored_on="select")
    result = trained(space, sample, Assembled(alone).evaluator)[1]
    print(f"architecture {table.domains.architecture_id(sample)}: quality {result['default']:.4f}")


def chosen_space(study, options):
    """The study's space, another preset, or one with shorter lists."""
    from search_spaces import presets, shorten

    name, given = options.space or study.space.name, {} if options.space else dict(study.space.options)
    cuts = {"widths": options.widths, "values": options.values, "sharing": options.sharing}
    if any(value is not None for value in cuts.values()):
        fields = {field: value for field, value in given.items() if field in presets.OVERRIDES}
        given |= shorten(name, **cuts, **fields)
    return study.space.model_copy(update={"name": name, "options": given})


def with_options(study, options, **changes):
    """The study with other options of the evaluator; None = as it is."""
    changes = {"batch_size": options.batch_size, **changes}
    given = {**study.evaluator.options, **{name: value for name, value in changes.items() if value is not None}}
    return study.model_copy(update={"evaluator": study.evaluator.model_copy(update={"options": given})})


if __name__ == "__main__":
    main()
