"""S3 of PROTOCOL.md: earlier multi-task networks at three widths, what they cost and how good they become.

    python benchmarks/claims/prior_networks.py --world nyuv2 --data FOLDER [--network mtan ...] [--workers 2]

For each network the learning rate is chosen among three at the middle width, by quality on `search` with a development
seed. Then every width is trained with each seed and scored on `test`. AdaShare's policy is learned first, for each
width and seed; its images are counted. Every training is a line of benchmarks/results/prior_networks.jsonl, written
when it ends; what stands there is not trained again. `--smoke` does two steps of each network in a temporary file.

A network's front of three widths so costs six trainings, 28,800 images. `searched` gets as many in each seed: a search
of `compound` through NNI for quality and MACs, 400 steps of 4 paths for its supernet and 500 for each of 4 networks of
the front, whose weights are scored on `test`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:] = [*(p for p in sys.path if p != str(HERE)), str(HERE.parent), str(HERE)]

from rows import append, rows_of  # noqa: E402

RESULTS = HERE.parent / "results" / "prior_networks.jsonl"
STEPS, TUNING_SEED, SEARCHED = 600, 0, "searched"
WIDTHS = (0.5, 0.25, 0.125)
"""Of the DeepLab-ResNets, whose encoder needs 2.4 GMACs at 96 x 128 and width 1; the light networks take `LIGHT`."""
LIGHT = (1.0, 0.5, 0.25)
RATES = (0.003, 0.008, 0.02)
SEEDS = {"nyuv2": range(1020, 1025), "streets": range(1020, 1025), "rooms": range(920, 923)}
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
    """Train once: costs, images, scores; a training that diverges has the score of the position prior."""
    import torch
    from one_training import scored

    from ednas_nni.cost import layer_records
    from ednas_nni.errors import TrialError
    from ednas_nni.nn.tree import build
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse
    from search_spaces.baselines.policy import learn_policy

    torch.set_num_threads(1)
    joined, started = Assembled(parse(study(world, folder, network, rate, seed, steps))), time.perf_counter()
    recipe = joined.evaluator_against(None).recipe
    sample, images = joined.member(f"width_{round(100 * width):03}"), steps * recipe.batch_size
    failed = ""
    try:
        if network == "adashare":
            policy = learn_policy(joined, f"width_{round(100 * width):03}")
            sample, images = policy.sample, images + policy.images
        trained, _ = joined.trained(sample)
        metrics = scored(joined, trained, split, "benchmarks/claims/prior_networks.py" if split == "test" else None)
    except TrialError as error:
        metrics, failed = {"quality": 0.0}, str(error)
    layers = layer_records(build(joined.space, sample), tuple(joined.study.deploy_size))
    costs = dict(zip(joined.table.names, joined.table([sample])[0].tolist(), strict=True))
    costs["encoder_macs"] = sum(layer.macs for layer in layers if not layer.path.startswith("heads."))
    seconds = round(time.perf_counter() - started, 1)
    row = {"sample": dict(sample), "images": images, "seconds": seconds, "costs": costs, "scores": metrics}
    return {**row, "failed": failed} if failed else row


def searched(
    world: str, folder: str, seed: int, supernet: int = 400, finishing: int = 500, candidates: int = 60
) -> Iterator[dict[str, Any]]:
    """Search once; rows of the networks that it finished, cheapest first."""
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
    images = joined.evaluator.recipe.batch_size * (4 * supernet + 4 * finishing)
    for number, chosen in enumerate(sorted(search.confirmed, key=lambda a: a.costs["macs"])):
        module = ednas_nni.train(search, chosen, steps=0, test=False).module
        layers = layer_records(build(joined.space, chosen.sample), tuple(joined.study.deploy_size))
        encoder = sum(layer.macs for layer in layers if not layer.path.startswith("heads."))
        yield {
            "world": world, "network": SEARCHED, "width": number, "rate": None, "seed": seed, "split": "test",
            "steps": STEPS, "sample": dict(chosen.sample), "images": images, "seconds": seconds,
            "costs": {**chosen.costs, "encoder_macs": encoder},
            "scores": scored(joined, module, "test", "benchmarks/claims/prior_networks.py"),
        }  # fmt: skip


KEY = ("world", "network", "width", "rate", "seed", "steps", "split")


def measure(
    world: str, folder: str, networks: list[str], path: Path, steps: int, seeds: list[int], workers: int
) -> None:
    """Train what is missing: first for the learning rates, then for the figures, seed by seed."""
    from one_training import each

    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    Assembled(parse(study(world, folder, "mtan", RATES[0], 0, steps))).source.prepare()

    def train(jobs: list[tuple[Any, ...]]) -> None:
        there = {tuple(row[name] for name in KEY) for row in rows_of(path)}
        missing = [job for job in jobs if (job[0], *job[2:]) not in there]
        for job, outcome in each(run, missing, workers):
            row = {**dict(zip(KEY, (job[0], *job[2:]), strict=True)), **outcome}
            append(path, row)

    middle = {network: NETWORKS[network]["widths"][1] for network in networks}
    train([(world, folder, n, middle[n], rate, TUNING_SEED, steps, "search") for n in networks for rate in RATES])
    tuned = [row for row in rows_of(path) if row["split"] == "search" and row["world"] == world]
    best: dict[str, float] = {}
    for network in networks:
        rows = [row for row in tuned if row["network"] == network and row["steps"] == steps]
        best[network] = max(rows, key=lambda row: row["scores"]["quality"])["rate"]
    for seed in seeds:
        if not any(
            row["network"] == SEARCHED and row["seed"] == seed and row["world"] == world for row in rows_of(path)
        ):
            for row in list(searched(world, folder, seed)):
                append(path, row)
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
            costs = [row["costs"]["macs"] for row in searched(given.world, given.data, 0, 2, 2, 6)]
            assert len(costs) > 0 and costs == sorted(costs)
        return
    if not given.render:
        measure(given.world, given.data, given.network, RESULTS, STEPS, list(SEEDS[given.world]), given.workers)
    from prior_tables import tables

    print(tables(rows_of(RESULTS)))


if __name__ == "__main__":
    main()
