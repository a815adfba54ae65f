"""S2 of PROTOCOL.md, step 2: searches on one task and on all tasks, whose winners are trained on all tasks.

    python benchmarks/claims/transfer_searches.py --world streets [--data FOLDER] [--workers 2]
    python benchmarks/claims/transfer_searches.py --render

An arm searches `compound`, with heads that are the same everywhere, for the best quality within 3 % of a latency: the
median of the space as a network of all tasks. On all tasks (`all`) or on one it trains a supernet as the shipped study
does, 700 steps of 4 networks, and the strategy `ednas` scores 56 networks with its weights. `random` trains as many
images on 14 networks of that latency instead, 200 steps each on all tasks. `hand` is a MobileNetV2 scaled to the
latency. A winner is trained anew on all tasks with two fresh seeds, the same for all arms of a search, and scored
on `test`. Every search and every training is a line of benchmarks/results/transfer_searches.jsonl, written when it
ends; what stands there is not made again. `--smoke` does one search of two steps an arm in a temporary file.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:] = [*(p for p in sys.path if p != str(HERE)), str(HERE.parent), str(HERE)]

from claims.command import options  # noqa: E402
from rows import append, rows_of  # noqa: E402
from transfer_table import ALL, accelerator, rounded  # noqa: E402

RESULTS = HERE.parent / "results" / "transfer_searches.jsonl"
HEADS = {"kinds": ["separable"], "channels": [32], "stride": [4, 8]}
SUPERNET, SCORED, DRAWN_ALONE, ALONE, STEPS = 700, 56, 14, 200, 600
"""Steps of a supernet; networks scored with it; networks that `random` trains, and for how long; steps of a winner."""
BAND, SEARCHES, FRESH, DRAWN = 0.03, 8, 2, 20_000
RANDOM, HAND, MEMBER = "random", "hand", "mobilenet_v2_050"
FIRST_SEED = {**dict.fromkeys(("nyuv2", "streets", "cityscapes", "camvid"), 1210), "rooms": 920}
"""Of the searches; a winner's trainings take the next ones."""
Sample = dict[str, Any]


def plain_study(world: str, folder: str, tasks: str, seed: int, evaluator: Mapping[str, Any]) -> dict[str, Any]:
    """The study of an arm, or of a training."""
    import worlds

    part = worlds.part(world, Path(folder) if folder else None)
    if tasks != ALL:
        part["tasks"] = [tasks]
    options = {"reports": 1, "threads": 1, **worlds.FULL_WEIGHT, **evaluator}
    return {
        **part,
        "space": worlds.compound(world, heads=HEADS),
        "device": "edge_tpu",
        "evaluator": options,
        "seed": seed,
    }


class Band:
    """Networks of all tasks within 3 % of the target.

    Attributes:
        target_ms: Median latency of random networks.
        problem: What a strategy searches: quality within the band.
        hand: The MobileNetV2 of the largest resolution at which widths meet it; where none do, the one nearest to it.
    """

    def __init__(self, world: str, folder: str) -> None:
        from claims.found_networks import matched, with_widths

        from ednas_nni.search.assembled import Assembled
        from ednas_nni.search.problem import Problem
        from ednas_nni.study import parse
        from ednas_nni.study.objectives import Constraint

        joined = Assembled(parse(plain_study(world, folder, ALL, 0, {"name": "jared", "steps": 1})))
        self.domains, table = joined.problem.domains, joined.table
        column, rng = table.names.index("latency_ms"), np.random.default_rng(19)
        self.target_ms = float(np.median(self.latency_of(table, [self.domains.random(rng) for _ in range(DRAWN)])))
        ends = (Constraint("latency_ms", "<=", self.target_ms * (1 + BAND)),)
        ends += (Constraint("latency_ms", ">=", self.target_ms * (1 - BAND)),)
        self.problem = Problem(self.domains, ("latency_ms",), lambda s: table(s)[:, [column]], constraints=ends)
        member = joined.space.member(MEMBER)
        sizes = [{**member, "resolution": r} for r in sorted(self.domains["resolution"].values, reverse=True)]
        scaled = next(filter(None, (matched(self, sample, "", self.target_ms) for sample in sizes)), None)
        every = [s for sample in sizes for s in with_widths(self, sample, "")[1]] if scaled is None else [scaled]
        self.hand = every[int(np.argmin(np.abs(self.latency(every)["edge_tpu"] / self.target_ms - 1)))]

    @staticmethod
    def latency_of(table: Any, samples: Sequence[Sample]) -> np.ndarray:
        return np.asarray(table(samples)[:, table.names.index("latency_ms")])

    def latency(self, samples: Sequence[Sample]) -> dict[str, np.ndarray]:
        """(n,) in ms by device, as `matched` asks."""
        return {"edge_tpu": self.problem.cost_matrix(samples)[:, 0]}

    def random(self, count: int, seed: int) -> list[Sample]:
        """Different networks of the band, as a random strategy draws them."""
        rng, chosen = np.random.default_rng(seed), {}
        while len(chosen) < count:
            samples = [self.domains.random(rng) for _ in range(500)]
            near = np.abs(self.latency(samples)["edge_tpu"] / self.target_ms - 1) <= BAND
            for sample in np.array(samples, object)[near]:
                chosen.setdefault(self.domains.architecture_id(sample), sample)
        return list(chosen.values())[:count]


@cache
def band(world: str, folder: str) -> Band:
    return Band(world, folder)


def searched(world: str, folder: str, arm: str, seed: int, steps: int, scored: int) -> Sample:
    """The network that an arm's search chooses."""
    from one_training import scored_twice

    from ednas_nni.errors import TrialError
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse
    from strategies.evolution import Evolution

    within = band(world, folder)
    if arm == HAND:
        return within.hand
    if arm == RANDOM:
        drawn = within.random(scored * DRAWN_ALONE // SCORED or 1, seed)
        alone, scores = {"name": "jared", "steps": steps * ALONE // SUPERNET or 1}, []
        for sample in drawn:
            with suppress(TrialError):  # one that diverges is not chosen
                quality = scored_twice(plain_study(world, folder, ALL, seed, alone), sample)[0]["default"]
                scores.append((quality, sample))
        return best(scores)
    # Every step of a supernet has other shapes, which a graphics card's library has to prepare first.
    evaluator = {"name": "inherited", "supernet": {"steps": steps, "seed": seed}, "accelerator": "cpu"}
    study = Assembled(parse(plain_study(world, folder, arm, seed, evaluator)))
    study.evaluator.supernet(study.space).make()
    labels = {dimension.label for dimension in study.problem.domains.dimensions}
    strategy, scores = Evolution(within.problem, seed=seed), []
    for _ in range(scored):
        sample = strategy.ask()
        if sample is None:
            break
        try:
            quality = study.trained({k: v for k, v in sample.items() if k in labels})[1]["default"]
        except TrialError as error:
            strategy.tell(sample, None, str(error))
            continue
        strategy.tell(sample, {"quality": quality, "latency_ms": float(within.latency([sample])["edge_tpu"][0])})
        scores.append((quality, sample))
    return best(scores)


def best(scores: Sequence[tuple[float, Sample]]) -> Sample:
    """The first of the best by (quality, sample).

    Raises:
        TrialError: There is none.
    """
    from ednas_nni.errors import TrialError

    if not scores:
        raise TrialError("Every network of the search diverged.")
    return max(scores, key=lambda pair: pair[0])[1]


def search(world: str, folder: str, arm: str, seed: int, steps: int, scored: int) -> dict[str, Any]:
    """One search on one thread: its winner, what that costs, and seconds. One whose supernet diverges has no winner."""
    import torch

    from ednas_nni.errors import TrialError

    torch.set_num_threads(1)
    started, within = time.process_time(), band(world, folder)
    try:
        winner = within.domains.complete(searched(world, folder, arm, seed, steps, scored))
    except TrialError as error:
        return {"failed": str(error), "seconds": round(time.process_time() - started, 1)}
    latency, seconds = float(within.latency([winner])["edge_tpu"][0]), time.process_time() - started
    named = {"architecture": within.domains.architecture_id(winner), "sample": within.domains.active(winner)}
    return {**named, "latency_ms": rounded(latency), "seconds": round(seconds, 1)}


def train(world: str, folder: str, sample: str, seed: int, steps: int) -> dict[str, Any]:
    """Train a winner on all tasks; metrics on `test`. One that diverges has the score of the position prior."""
    import torch
    from one_training import scored

    from ednas_nni.errors import TrialError
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    torch.set_num_threads(1)
    joined = Assembled(parse(plain_study(world, folder, ALL, seed, {"name": "jared", "steps": steps})))
    started = time.process_time()
    try:
        network, _ = joined.trained(json.loads(sample))
        metrics = scored(joined, network, "test", "benchmarks/claims/transfer_searches.py")
    except TrialError as error:
        return {"test": {"quality": 0.0}, "failed": str(error)}
    kept = {name: rounded(value) for name, value in metrics.items()}
    return {"test": kept, "seconds": round(time.process_time() - started, 1)}


def step(world: str, folder: str, number: int, arm: str, sample: str, seed: int, sizes: tuple[int, int, int]) -> dict:
    """One search, or where there is a winner one of its trainings."""
    steps, scored, longer = sizes
    outcome = train(world, folder, sample, seed, longer) if sample else search(world, folder, arm, seed, steps, scored)
    return {**outcome, "on": accelerator()}


def measure(world: str, folder: str, path: Path, searches: int, sizes: tuple[int, int, int], workers: int) -> None:
    """Search and train what is missing, search by search; a winner is trained as soon as it is known."""
    import worlds
    from one_training import each

    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    tasks = worlds.part(world, Path(folder) if folder else None)["tasks"]
    Assembled(parse(plain_study(world, folder, ALL, 0, {"name": "jared", "steps": 1}))).source.prepare()
    queue: deque[tuple] = deque()
    begun = {(row["architecture"], row["seed"]) for row in rows_of(path) if row["world"] == world and "test" in row}

    def trainings(number: int, name: str, sample: Sample) -> Iterator[tuple]:
        first = FIRST_SEED[world] + number * (1 + FRESH)
        for seed in range(first + 1, first + 1 + FRESH):
            if (name, seed) not in begun:  # two arms may have one winner
                begun.add((name, seed))
                yield world, folder, number, name, json.dumps(sample), seed, sizes

    for number in range(searches):
        first = FIRST_SEED[world] + number * (1 + FRESH)
        here = [row for row in rows_of(path) if row["world"] == world and row["seed"] == first and "arm" in row]
        done = {row["arm"]: row for row in here}
        for row in (row for row in done.values() if "failed" not in row):
            queue.extend(trainings(number, row["architecture"], row["sample"]))
        arms = (ALL, *tasks, RANDOM, HAND)
        queue.extend((world, folder, number, arm, "", first, sizes) for arm in arms if arm not in done)
    for (_, _, number, name, sample, seed, _), outcome in each(step, queue, workers):
        if sample:
            append(path, {"world": world, "architecture": name, "seed": seed, **outcome})
        else:
            append(path, {"world": world, "arm": name, "seed": seed, **outcome})
            if "failed" in outcome:
                continue
            queue.extendleft(trainings(number, outcome["architecture"], outcome["sample"]))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, FIRST_SEED, "streets")
    parser.add_argument("--searches", type=int, default=SEARCHES)
    given = parser.parse_args(arguments)
    folder = str(given.data or "")
    if given.smoke:
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "rows.jsonl"
            measure(given.world, folder, path, 1, (2, 4, 2), 1)
            rows = rows_of(path)
            assert {ALL, RANDOM, HAND} < {row.get("arm") for row in rows}
            assert sum("test" in row for row in rows) >= FRESH
        return
    if not given.render:
        sizes = (SUPERNET, SCORED, STEPS)
        measure(given.world, folder, RESULTS, given.searches, sizes, given.workers)
    from transfer_winners import report

    print(report(rows_of(RESULTS)))


if __name__ == "__main__":
    main()
