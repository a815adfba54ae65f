"""S3 of PROTOCOL.md: earlier multi-task networks at three widths, what they cost and how good they become.

    python benchmarks/claims/prior_networks.py --world nyuv2 --data FOLDER [--network mtan ...] [--workers 2]

For each network the learning rate is chosen among three at the middle width, by quality on `search` with a development
seed. Then every width is trained with each seed and scored on `test`. AdaShare's policy is learned first, for each
width and seed; its images are counted. Every training is a line of benchmarks/results/prior_networks.jsonl, written
when it ends; what stands there is not trained again. `--smoke` does two steps of each network in a temporary file.

A network's front of three widths so costs six trainings, 28,800 images. `searched` gets as many in each seed: a search
of `compound` through NNI for quality and MACs, 400 steps of 4 paths for its supernet and 500 for each of 4 networks of
the front, whose weights are scored on `test`.

`--until-it-stops` trains the middle width, and the networks of the searches from their supernet's weights, for 600,
1200, 2400 and 4800 steps, each time from the start with the whole schedule, until twice the steps do not raise quality
on `select` by .005. What rose last is scored on `test`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
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
RATES = (0.003, 0.008, 0.02)
CONFIRMING = range(1020, 1025)
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
        "name": "jared", "steps": steps, "reports": 1, "threads": 1, "accelerator": "cpu", "learning_rate": rate,
    }  # fmt: skip
    size = {"deploy_size": part["train_size"], "device": ["edge_tpu", "macs", "params"]}
    return {**part, **size, "space": NETWORKS[network], "evaluator": evaluator, "seed": seed}


def run(
    world: str, folder: str, network: str, width: float, rate: float, seed: int, steps: int, split: str
) -> dict[str, Any]:
    """Train once, as `alone`."""

    def once(joined: Any, sample: Any) -> tuple[Any, dict[str, Any]]:
        return joined.trained(sample)[0], {"steps": steps}

    return alone(world, folder, network, width, rate, seed, steps, split, once)


def run_until_it_stops(
    world: str, folder: str, network: str, width: float, rate: float, seed: int, rungs: tuple[int, ...] = RUNGS
) -> dict[str, Any]:
    """Train for ever more steps, as `run`."""
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    def climbed(_: Any, sample: Any) -> tuple[Any, dict[str, Any]]:
        def trained(steps: int) -> tuple[Any, Any]:
            joined = Assembled(parse(study(world, folder, network, rate, seed, steps)))
            return joined, joined.trained(sample)[0]

        return climb(trained, rungs)

    return alone(world, folder, network, width, rate, seed, rungs[0], "test", climbed)


def climb(trained: Callable[[int], tuple[Any, Any]], rungs: Sequence[int]) -> tuple[Any, dict[str, Any]]:
    """The network of the last rung that rose, and quality on `select` of each rung that was tried.

    Args:
        trained: Steps -> study and network.
        rungs: Steps to try, rising.
    """
    from one_training import scored

    best, qualities = None, {}
    for steps in rungs:
        joined, network = trained(steps)
        qualities[steps] = scored(joined, network, "select")["quality"]
        if best is not None and qualities[steps] - qualities[best[1]] < RISE:
            break
        best = network, steps
    assert best is not None, "the first always counts"
    return best[0], {"steps": best[1], "rungs": qualities}


def alone(
    world: str, folder: str, network: str, width: float, rate: float, seed: int, steps: int, split: str,
    trained: Callable[[Any, Any], tuple[Any, dict[str, Any]]],
) -> dict[str, Any]:  # fmt: skip
    """A row of an earlier network: costs, images, scores; one that diverges has the score of the position prior."""
    import torch
    from one_training import prior_scores, scored

    from ednas_nni.cost import layer_records
    from ednas_nni.errors import TrialError
    from ednas_nni.nn.tree import build
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse
    from search_spaces.baselines.policy import learn_policy

    torch.set_num_threads(1)
    joined, started = Assembled(parse(study(world, folder, network, rate, seed, steps))), time.perf_counter()
    sample, images, more = joined.member(f"width_{round(100 * width):03}"), 0, {"steps": steps}
    failed = ""
    try:
        if network == "adashare":
            policy = learn_policy(joined, f"width_{round(100 * width):03}")
            sample, images = policy.sample, policy.images
        module, more = trained(joined, sample)
        metrics = scored(joined, module, split, READER if split == "test" else None)
    except TrialError as error:
        failed = str(error)
        metrics = prior_scores(joined, split, READER if split == "test" else None)
    images += more.pop("steps") * joined.evaluator_against(None).recipe.batch_size
    layers = layer_records(build(joined.space, sample), tuple(joined.study.deploy_size))
    costs = dict(zip(joined.table.names, joined.table([sample])[0].tolist(), strict=True))
    costs["encoder_macs"] = sum(layer.macs for layer in layers if not layer.path.startswith("heads."))
    seconds = round(time.perf_counter() - started, 1)
    row = {"sample": dict(sample), "images": images, "seconds": seconds, "costs": costs, "scores": metrics, **more}
    return {**row, "failed": failed} if failed else row


def searched(
    world: str, folder: str, seed: int, supernet: int = 400, finishing: int = 500, candidates: int = 60,
    rungs: tuple[int, ...] | None = None,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Search once; rows of the networks that it finished, cheapest first; with rungs, trained until they stop."""
    import worlds
    from one_training import scored

    import ednas_nni
    from ednas_nni.cost import layer_records
    from ednas_nni.nn.tree import build

    part, started = worlds.part(world, Path(folder) if folder else None), time.perf_counter()
    plain = {
        **part, "space": worlds.compound(world), "deploy_size": part["train_size"],
        "device": ["edge_tpu", "macs", "params"],
        "evaluator": {"name": "inherited", "supernet": {"steps": supernet, "seed": seed}, "threads": 1},
        "objectives": ["quality", "macs"], "finish": {"networks": 4, "steps": finishing, "seeds": 1}, "seed": seed,
    }  # fmt: skip
    search = ednas_nni.search(plain, candidates + 4, concurrency=1)
    joined, seconds = search.assembled, round(time.perf_counter() - started, 1)
    batch = joined.evaluator.recipe.batch_size
    images = batch * (4 * supernet + 4 * finishing)
    for number, chosen in enumerate(sorted(search.confirmed, key=lambda a: a.costs["macs"])):

        def trained(steps: int, chosen: Any = chosen) -> tuple[Any, Any]:
            options = {"average": 0} if steps else {}  # as the earlier networks
            return joined, ednas_nni.train(search, chosen, steps=steps, test=False, progress=False, **options).module

        begun = time.perf_counter()
        module, more = climb(trained, rungs) if rungs else (trained(0)[1], {})
        seen = images + batch * more.pop("steps", 0)
        layers = layer_records(build(joined.space, chosen.sample), tuple(joined.study.deploy_size))
        encoder = sum(layer.macs for layer in layers if not layer.path.startswith("heads."))
        yield {
            "world": world, "network": SEARCHED, "width": number, "rate": None, "seed": seed, "split": "test",
            "steps": STOPS if rungs else STEPS, "sample": dict(chosen.sample), "images": seen,
            "seconds": round(time.perf_counter() - begun, 1) + (seconds if number == 0 else 0),
            "costs": {**chosen.costs, "encoder_macs": encoder},
            "select": scored(joined, module, "select"), "scores": scored(joined, module, "test", READER), **more,
        }  # fmt: skip


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
        there = {tuple(row[name] for name in KEY) for row in rows_of(path)}
        more = (STOPS, "test") if until_it_stops else ()
        missing = [job for job in jobs if (job[0], *job[2:], *more) not in there]
        for job, outcome in each(run_until_it_stops if until_it_stops else run, missing, workers):
            append(path, {**dict(zip(KEY, (job[0], *job[2:], *more), strict=True)), **outcome})

    middle = {network: NETWORKS[network]["widths"][1] for network in networks}
    train([(world, folder, n, middle[n], rate, TUNING_SEED, steps, "search") for n in networks for rate in RATES])
    tuned = [row for row in rows_of(path) if row["split"] == "search" and row["world"] == world]
    best: dict[str, float] = {}
    for network in networks:
        rows = [row for row in tuned if row["network"] == network and row["steps"] == steps]
        best[network] = max(rows, key=lambda row: row["scores"]["quality"])["rate"]
    for seed in seeds:
        wanted = (world, SEARCHED, seed, STOPS if stops else STEPS)
        if wanted not in {tuple(row[n] for n in ("world", "network", "seed", "steps")) for row in rows_of(path)}:
            append(path, *searched(world, folder, seed, rungs=RUNGS if stops else None))
    if stops:
        train([(world, folder, n, middle[n], best[n], seed) for seed in seeds for n in networks], until_it_stops=True)
        return
    train(
        [
            (world, folder, network, width, best[network], seed, steps, "test")
            for seed in seeds for network in networks for width in NETWORKS[network]["widths"]
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
            light = run_until_it_stops(given.world, given.data, "mobilenet_v3", LIGHT[2], 0.003, 0, (2, 3))
            assert light["images"] in (16, 24) and len(light["rungs"]) == 2
        return
    if not given.render:
        stops, seeds = given.until_it_stops, list(SEEDS[given.world])
        seeds = seeds[:2] if stops else seeds
        measure(given.world, given.data, given.network, RESULTS, STEPS, seeds, given.workers, stops)
    from prior_tables import tables

    print(tables(rows_of(RESULTS)))


if __name__ == "__main__":
    main()
