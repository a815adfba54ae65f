"""S3 of PROTOCOL.md: earlier multi-task networks at three widths, what they cost and how good they become.

    python benchmarks/claims/prior_networks.py --world nyuv2 --data FOLDER [--network mtan ...] [--workers 2]

For each network the learning rate is chosen at the middle width, by quality on `search` with a development seed: among
three, and further ones where the best is the first or last of those tried. Then every width is trained with two seeds
and scored on `test`. AdaShare's policy is learned first, for each width and seed; its images are counted. Every
training is a line of benchmarks/results/prior_networks.jsonl, written when it ends; what stands there is not trained
again. `--smoke` does two steps of each network in a temporary file. `--network` without names makes the searches alone,
which may run beside the trainings on another core.

A network's front of three widths so costs six trainings, 28,800 images, or more. `searched` gets 28,800 in each seed: a
search of `compound` through NNI for quality and MACs, 400 steps of 4 paths for its supernet and 500 for each of 4
networks of the front, whose weights are scored on `test`.

`--until-it-stops` trains the middle width, and the networks of the searches from their supernet's weights, for 600,
1200, 2400 and 4800 steps, each time from the start with the whole schedule, until twice the steps do not raise quality
on `select` by .005. What rose last is scored on `test`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:] = [*(p for p in sys.path if p != str(HERE)), str(HERE.parent), str(HERE)]

from rows import append, rows_of  # noqa: E402

RESULTS = HERE.parent / "results" / "prior_networks.jsonl"
READER = "benchmarks/claims/prior_networks.py"
STEPS, TUNING_SEED, SEARCHED = 600, 0, "searched"
STOPS, RUNGS, RISE = "until it stops", (600, 1200, 2400, 4800), 0.005
WIDTHS = (0.5, 0.25, 0.125)
"""Of the DeepLab-ResNets, whose encoder needs 2.4 GMACs at 96 x 128 and width 1; the light networks take `LIGHT`."""
LIGHT = (1.0, 0.5, 0.25)
RATES = (0.0004, 0.001, 0.003, 0.008, 0.02, 0.05)
FIRST = (0.003, 0.008, 0.02)
"""The rates that all networks are tried with; the others where the best is the first or last of those tried."""
LOSS = {"depth_loss": "jared_half"}
"""Of all networks: what a study has by itself."""
CONFIRMING = range(1020, 1025)
"""Of the searches; earlier networks are trained with the first `TRAININGS` of them."""
TRAININGS = 2
SEEDS = {"nyuv2": CONFIRMING, "streets": CONFIRMING, "cityscapes": CONFIRMING, "rooms": range(920, 923)}
# Rates of the heads are those of 321 pixels, at a third of the size; 256 channels as DeepLabV3's.
DEEPLAB = {"head_channels": 256, "rates": [2, 4, 6, 8], "widths": list(WIDTHS)}
NETWORKS: dict[str, dict[str, Any]] = {
    "separate_networks": {"name": "separate_networks", **DEEPLAB},
    "hard_sharing_18": {"name": "hard_sharing", **DEEPLAB},
    "hard_sharing_34": {"name": "hard_sharing", "layers": 34, **DEEPLAB},
    "mtan": {"name": "mtan", **DEEPLAB},
    "cross_stitch": {"name": "cross_stitch", **DEEPLAB},
    "adashare": {"name": "adashare", **DEEPLAB},
    "mobilenet_v2": {"name": "lite_raspp", "encoder": "mobilenet_v2", "widths": list(LIGHT)},
    "mobilenet_v3": {"name": "lite_raspp", "widths": list(LIGHT)},
    "efficientnet_lite": {"name": "lite_bifpn", "widths": list(LIGHT)},
}
"""Network of the protocol -> its space."""


def study(world: str, folder: str, network: str, rate: float, seed: int, steps: int) -> dict[str, Any]:
    """The study of one training."""
    import worlds

    part = worlds.part(world, Path(folder) if folder else None)
    evaluator = {
        "name": "jared", **LOSS, "learning_rate": rate,
        "steps": steps, "reports": 1, "threads": 1, "accelerator": "cpu",
    }  # fmt: skip
    size = {"deploy_size": part["train_size"], "device": ["edge_tpu", "macs", "params"]}
    return {**part, **size, "space": NETWORKS[network], "evaluator": evaluator, "seed": seed}


def run(
    world: str, folder: str, network: str, width: float, rate: float, seed: int, steps: int, split: str
) -> dict[str, Any]:
    """Train once, as `alone`; where `test` is opened, with the scores on `select` that a climb starts from."""
    from one_training import scored

    def once(joined: Any, sample: Any) -> tuple[Any, dict[str, Any]]:
        module = joined.trained(sample)[0]
        return module, {"steps": steps, **({"select": scored(joined, module, "select")} if split == "test" else {})}

    return alone(world, folder, network, width, rate, seed, steps, split, once)


def run_until_it_stops(
    world: str, folder: str, network: str, width: float, rate: float, seed: int, rungs: tuple[int, ...] = RUNGS,
    first: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Train for ever more steps, as `run`; `first` is the row of the first of them as JSON, where there is one."""
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    row = json.loads(first) if first else None

    def climbed(joined: Any, sample: Any) -> tuple[Any, dict[str, Any]]:
        def trained(steps: int) -> tuple[Any, Any]:
            joined = Assembled(parse(study(world, folder, network, rate, seed, steps)))
            return joined, joined.trained(sample)[0]

        return climb(trained, rungs, None if row is None else row["select"]["quality"])

    if row is not None and "failed" in row:
        return {**row, "rungs": {rungs[0]: 0.0}, "seconds": 0.0}  # what diverges is not tried again
    return alone(world, folder, network, width, rate, seed, rungs[0], "test", climbed, row)


def climb(
    trained: Callable[[int], tuple[Any, Any]], rungs: Sequence[int], first: float | None = None
) -> tuple[Any, dict[str, Any]]:
    """The network of the last rung that rose, and quality on `select` of each rung that was tried.

    A rung that diverges has quality 0; the first one's TrialError is the caller's.

    Args:
        trained: Steps -> study and network.
        rungs: Steps to try, rising.
        first: Quality of the first, where it was trained before; its network is then None.
    """
    from one_training import scored

    from ednas_nni.errors import TrialError

    best, qualities = (None, rungs[0]), {rungs[0]: first}
    for steps in rungs if first is None else rungs[1:]:
        try:
            joined, network = trained(steps)
            qualities[steps] = scored(joined, network, "select")["quality"]
        except TrialError:
            if steps == rungs[0]:
                raise
            qualities[steps] = 0.0
        if steps != rungs[0] and qualities[steps] - qualities[best[1]] < RISE:
            break
        best = network, steps
    return best[0], {"steps": best[1], "rungs": qualities}


def alone(
    world: str, folder: str, network: str, width: float, rate: float, seed: int, steps: int, split: str,
    trained: Callable[[Any, Any], tuple[Any, dict[str, Any]]], row: dict[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A row of an earlier network: costs, images, scores; one that diverges has the score of the position prior.

    A policy is taken from the `row` of an earlier training, and so are the scores where `trained` gives no network.
    """
    import torch
    from one_training import prior_scores, scored

    from ednas_nni.cost import layer_records
    from ednas_nni.errors import TrialError
    from ednas_nni.nn.tree import build
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse
    from search_spaces.baselines.policy import learn_policy

    torch.set_num_threads(1)
    joined, started = Assembled(parse(study(world, folder, network, rate, seed, steps))), spent()
    sample, images, more = joined.member(f"width_{round(100 * width):03}"), 0, {"steps": steps}
    batch, failed = joined.evaluator_against(None).recipe.batch_size, ""
    try:
        if row is not None:
            sample, images = row["sample"], row["images"] - steps * batch
        elif network == "adashare":
            policy = learn_policy(joined, f"width_{round(100 * width):03}")
            sample, images = policy.sample, policy.images
        module, more = trained(joined, sample)
        there = row is not None and module is None
        metrics = row["scores"] if there else scored(joined, module, split, READER if split == "test" else None)
    except TrialError as error:
        failed = str(error)
        metrics = prior_scores(joined, split, READER if split == "test" else None)
    images += more.pop("steps") * batch
    layers = layer_records(build(joined.space, sample), tuple(joined.study.deploy_size))
    costs = dict(zip(joined.table.names, joined.table([sample])[0].tolist(), strict=True))
    costs["encoder_macs"] = sum(layer.macs for layer in layers if not layer.path.startswith("heads."))
    seconds = round(spent() - started, 1)
    made = {"sample": dict(sample), "images": images, "seconds": seconds, "costs": costs, "scores": metrics, **more}
    return {**made, "failed": failed} if failed else made


def spent() -> float:
    """Seconds of processor time of this process and of those that it started and that have ended."""
    return sum(os.times()[:4])


def search_study(world: str, folder: str, seed: int, supernet: int, finishing: int) -> dict[str, Any]:
    """The study of one search."""
    import worlds

    part = worlds.part(world, Path(folder) if folder else None)
    return {
        **part, "space": worlds.compound(world), "deploy_size": part["train_size"],
        "device": ["edge_tpu", "macs", "params"],
        "evaluator": {
            "name": "inherited", **LOSS, "supernet": {"steps": supernet, "seed": seed}, "threads": 1,
        },
        "objectives": ["quality", "macs"], "finish": {"networks": 4, "steps": finishing, "seeds": 1}, "seed": seed,
    }  # fmt: skip


def searched(
    world: str, folder: str, seed: int, supernet: int = 400, finishing: int = 500, candidates: int = 60,
    rungs: tuple[int, ...] | None = None, made: str = "",
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Search once; rows of the networks that it finished, cheapest first; with rungs, trained until they stop.

    With rungs, the search of the id `made` is taken where it is still there: the same seed makes the same one. One
    whose supernet or whose finished networks all diverge is a single row without costs: its front reaches nothing.
    """
    from one_training import prior_scores, scored

    import ednas_nni
    from ednas_nni.cost import layer_records
    from ednas_nni.errors import EdnasError, JournalError, TrialError
    from ednas_nni.nn.tree import build
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    started, plain = spent(), search_study(world, folder, seed, supernet, finishing)
    joined = Assembled(parse(plain))
    images = (batch := joined.evaluator.recipe.batch_size) * (4 * supernet + 4 * finishing)
    about = {"world": world, "network": SEARCHED, "rate": None, "seed": seed, "split": "test"}
    about |= {"steps": STOPS if rungs else STEPS}
    search, failed = None, "no finished network"
    with contextlib.suppress(JournalError):
        search = ednas_nni.open_search(made) if made else None
    try:
        search = search or ednas_nni.search(plain, candidates + 4, concurrency=1)
    except TrialError as error:
        failed = str(error)
    seconds = spent() - started
    if search is None or not search.confirmed:
        scores = {"select": prior_scores(joined, "select"), "scores": prior_scores(joined, "test", READER)}
        yield {**about, "width": 0, "images": images, "seconds": seconds, "costs": {}, **scores, "failed": failed}
        return
    for number, chosen in enumerate(sorted(search.confirmed, key=lambda a: a.costs["macs"])):

        def trained(steps: int, chosen: Any = chosen) -> tuple[Any, Any]:
            options = {"average": 0} if steps else {}  # as the earlier networks
            try:
                network = ednas_nni.train(search, chosen, steps=steps, test=False, progress=False, **options)
            except EdnasError as error:
                raise TrialError(str(error)) from error
            return joined, network.module

        begun = spent()
        layers = layer_records(build(joined.space, chosen.sample), tuple(joined.study.deploy_size))
        encoder = sum(layer.macs for layer in layers if not layer.path.startswith("heads."))
        row = {**about, "width": number, "sample": dict(chosen.sample), "search": search.experiment}
        row |= {"costs": {**chosen.costs, "encoder_macs": encoder}}
        try:
            module, more = climb(trained, rungs) if rungs else (trained(0)[1], {})
            row |= {"select": scored(joined, module, "select"), "scores": scored(joined, module, "test", READER)}
        except TrialError as error:
            more = {"steps": rungs[0] if rungs else 0, "failed": str(error)}
            row |= {"select": prior_scores(joined, "select"), "scores": prior_scores(joined, "test", READER)}
        row |= {"images": images + batch * more.pop("steps", 0), **more}
        yield {**row, "seconds": round(spent() - begun + (seconds if number == 0 else 0), 1)}


def beside(rate: float) -> Sequence[float]:
    """The rates next to one of `RATES`."""
    at = RATES.index(rate)
    return RATES[max(at - 1, 0) : at + 2]


KEY = ("world", "network", "width", "rate", "seed", "steps", "split")


def measure(
    world: str, folder: str, networks: list[str], path: Path, steps: int, seeds: list[int], workers: int, stops: bool
) -> None:
    """Train what is missing: first for the learning rates, then for the figures, seed by seed."""
    from one_training import each

    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    Assembled(parse(study(world, folder, "mtan", RATES[0], 0, steps))).source.prepare()

    def train(jobs: list[tuple[Any, ...]], until_it_stops: bool = False) -> None:
        def key(job: tuple[Any, ...]) -> tuple[Any, ...]:
            return (job[0], *job[2:6], *((STOPS, "test") if until_it_stops else job[6:]))

        there = {tuple(row[name] for name in KEY) for row in rows_of(path)}
        missing = [job for job in jobs if key(job) not in there]
        for job, outcome in each(run_until_it_stops if until_it_stops else run, missing, workers):
            append(path, {**outcome, **dict(zip(KEY, key(job), strict=True))})

    middle = {network: NETWORKS[network]["widths"][1] for network in networks}
    tries = {(network, rate) for network in networks for rate in FIRST}
    best: dict[str, float] = {}
    while tries:
        jobs = [(n, rate) for n in networks for rate in RATES if (n, rate) in tries]
        train([(world, folder, n, middle[n], rate, TUNING_SEED, steps, "search") for n, rate in jobs])
        tuned = [row for row in rows_of(path) if (row["split"], row["world"], row["steps"]) == ("search", world, steps)]
        tries = set()
        for network in networks:
            of = {row["rate"]: row["scores"]["quality"] for row in tuned if row["network"] == network}
            best[network] = max(of, key=lambda rate: of[rate])
            tries |= {(network, rate) for rate in beside(best[network]) if rate not in of}
    for seed in seeds:
        of = [row for row in rows_of(path) if (row["world"], row["network"], row["seed"]) == (world, SEARCHED, seed)]
        if (STOPS if stops else STEPS) not in {row["steps"] for row in of}:
            made = next((row.get("search", "") for row in of), "")
            append(path, *searched(world, folder, seed, rungs=RUNGS if stops else None, made=made))
    if stops:
        there = {tuple(row[name] for name in KEY): json.dumps(row) for row in rows_of(path)}
        jobs = [(world, folder, n, middle[n], best[n], seed) for seed in seeds for n in networks]
        first = [there.get((job[0], *job[2:], steps, "test"), "") for job in jobs]
        train([(*job, RUNGS, row) for job, row in zip(jobs, first, strict=True)], until_it_stops=True)
        return
    train(
        [
            (world, folder, network, width, best[network], seed, steps, "test")
            for seed in seeds[:TRAININGS] for network in networks for width in NETWORKS[network]["widths"]
        ]
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", choices=list(SEEDS), default="nyuv2")
    parser.add_argument("--data", default="", help="folder of real images")
    parser.add_argument("--network", nargs="*", choices=list(NETWORKS), default=list(NETWORKS), metavar="NETWORK")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--until-it-stops", action="store_true", help="the second budget, with two of the seeds")
    parser.add_argument("--smoke", action="store_true", help="two steps of each network, to see that it runs")
    parser.add_argument("--render", action="store_true", help="only what the rows say")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if given.smoke:
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "rows.jsonl"
            for network in given.network:
                outcome = run(given.world, given.data, network, NETWORKS[network]["widths"][2], 0.003, 0, 2, "search")
                append(path, {"network": network, **outcome})
                print(network, outcome["costs"]["macs"], outcome["costs"]["encoder_macs"], outcome["scores"]["quality"])
            assert len(rows_of(path)) == len(given.network)
            found = list(searched(given.world, given.data, 0, 2, 2, 6, (2, 3)))
            costs = [row["costs"]["macs"] for row in found]
            assert len(costs) > 0 and costs == sorted(costs) and all(2 in row["rungs"] for row in found)
            light = (given.world, given.data, "mobilenet_v3", LIGHT[2], 0.003, 0)
            whole = run_until_it_stops(*light, (2, 3))
            again = run_until_it_stops(*light, (2, 3), json.dumps(run(*light, 2, "test")))
            assert whole["images"] in (16, 24) and len(whole["rungs"]) == 2
            assert {**again, "seconds": 0} == {**whole, "seconds": 0}
        return
    if not given.render:
        stops, seeds = given.until_it_stops, list(SEEDS[given.world])
        seeds = seeds[:TRAININGS] if stops else seeds
        measure(given.world, given.data, given.network, RESULTS, STEPS, seeds, given.workers, stops)
    from prior_tables import tables

    print(tables(rows_of(RESULTS)))


if __name__ == "__main__":
    main()
