"""How much less latency the front of the shipped study has than members scaled by hand, at equal confirmed quality.

    nice python benchmarks/front_against_members.py [--seeds 5] [--trainings 1]     resumable
    nice python benchmarks/front_against_members.py --alone                         resumable
    nice python benchmarks/front_against_members.py --halved                        resumable
    python benchmarks/front_against_members.py --render                             docs again

Of each seed: the search (`ednas search experiments/ednas.yml --seed N --set evaluator.supernet.seed=N`), then the
members under `start`, finished as it finished its front: from the same supernet, by the same steps and seeds (`ednas
confirm ID MEMBER ...`). Quality is the mean of the confirmed trainings, on `select`. Networks and members give a curve
each of quality over the logarithm of latency: the rising one that is nearest to their points (isotonic regression: a
lucky network lifts neither side), straight in between. Example: (8 ms, 0.30), (12 ms, 0.35), (16 ms, 0.33) become 0.30
at 8 ms and 0.34 from 12 ms on. At a quarter, half and three quarters of the qualities that both curves of a seed have,
their latencies are compared.

--halved finishes, once, the members with half the image and predictions at stride 4, two choices that most of a front
shares: what somebody reaches who scales MobileNetV2 by hand and knows that.

--alone trains members and front from random weights instead, for the steps of the finishing and a finished network's
share of the supernet's: 700 steps of 4 networks for 4 finished ones are 700 steps each, with 500 of finishing 1200.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from into_docs import DOCS, EVIDENCE, grid, put
from worlds import FULL_WEIGHT

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "front_against_members.json"
STUDY = ROOT / "experiments" / "ednas.yml"
METRICS = ("default", "segmentation_miou", "depth_abs_error_m", "normals_mean_deg")
SHARES = (0.25, 0.5, 0.75)
FIRST_SEED_ALONE = 8000
T95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
"""Student's t for a 95 % interval of the mean of so many values."""


def searched(seed: int, trainings: int | None) -> str:
    """One search through NNI that trains each network of its front so often; returns its experiment's id."""
    import ednas_nni
    from ednas_nni.bridge.manager.experiment_file import read

    changes = [f"seed={seed}", f"evaluator.supernet.seed={seed}", "evaluator.depth_loss=" + FULL_WEIGHT["depth_loss"]]
    file = read(STUDY, [*changes, *([f"finish.seeds={trainings}"] if trainings else [])])
    return ednas_nni.search(file.study, file.trials).experiment


def confirmed(experiment: str) -> dict[str, Any]:
    """What every finished network of a search and every member costs and scores; latency and score of all others."""
    from ednas_nni.handover.confirming import confirm, planned
    from ednas_nni.handover.search import open_search

    search = open_search(experiment)
    study = search.assembled.study
    confirm(search, planned(search, 0, study.finish.seeds, study.start))
    search = open_search(experiment)
    networks = {
        a.architecture: {
            "name": a.name,
            "sample": a.sample,
            **{name: a.costs[name] for name in ("latency_ms", "macs", "params")},
            "inherited": a.searched["default"],
            "confirmed": [{name: run[name] for name in METRICS} for run in a.confirmed],
        }
        for a in search.confirmed
    }
    scored = [[a.costs["latency_ms"], a.searched["default"]] for a in search.results if not a.confirmed]
    return {"experiment": experiment, "networks": networks, "scored": scored}


def alone(seed: int, networks: dict[str, Any], done: dict[str, float], keep: Any) -> None:
    """Train each network of a seed from random weights, once."""
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse, read_experiment

    study = read_experiment(STUDY)[1]
    supernet, finish = Assembled(study).evaluator.recipe.supernet, study.finish
    steps = finish.steps + supernet.steps * supernet.paths // finish.networks
    recipe = {"name": "jared", **FULL_WEIGHT, "steps": steps, "scored_on": "select", "threads": 1}
    trained = Assembled(parse({**study.dump(), "evaluator": recipe, "finish": None, "seed": FIRST_SEED_ALONE + seed}))
    for name, network in networks.items():
        if name not in done:
            done[name] = trained.trained(network["sample"])[1]["default"]
            keep()


def halved(experiment: str, done: dict[str, list[float]], keep: Any) -> None:
    """Finish the members of a search with half the image and predictions at stride 4, once: latency and quality."""
    from ednas_nni.handover.search import open_search
    from ednas_nni.record.parameters import FIRST_SEED

    assembled = open_search(experiment).assembled
    finishing = assembled.again(FIRST_SEED, steps=assembled.study.finish.steps, threads=1)
    table = assembled.table
    for name in assembled.study.start:
        if name not in done:
            sample = table.domains.canonical({**assembled.space.member(name), "resolution": 0.5, "output_stride": "4"})
            latency = table([sample])[0][table.names.index("latency_ms")]
            done[name] = [float(latency), finishing.trained(sample)[1]["default"]]
            keep()


def curve(points: Sequence[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Rising qualities and the log latencies at which they are reached, of (latency, quality)."""
    blocks: list[tuple[float, list[float]]] = []
    for latency, quality in sorted(points):
        blocks.append((np.log(latency), [quality]))
        while len(blocks) > 1 and np.mean(blocks[-2][1]) >= np.mean(blocks[-1][1]):
            _, worse = blocks.pop()
            blocks[-1][1].extend(worse)
    return np.array([np.mean(qualities) for _, qualities in blocks]), np.array([start for start, _ in blocks])


def compared(
    networks: Sequence[tuple[float, float]], members: Sequence[tuple[float, float]]
) -> list[tuple[float, ...]]:
    """(quality, latency of the networks, of the members) at SHARES of the qualities that both have, of one seed.

    Raises:
        ValueError: They have none in common.
    """
    ours, theirs = curve(networks), curve(members)
    low, high = max(ours[0][0], theirs[0][0]), min(ours[0][-1], theirs[0][-1])
    if not low < high:
        raise ValueError(f"no quality in common: {ours[0]} and {theirs[0]}")
    at = [low + share * (high - low) for share in SHARES]
    return [(q, *(float(np.exp(np.interp(q, *side))) for side in (ours, theirs))) for q in at]


def quality(network: dict[str, Any]) -> float:
    """Mean of its confirmed trainings."""
    return statistics.mean(run["default"] for run in network["confirmed"])


def sides(networks: dict[str, Any], of: Any) -> list[list[tuple[float, float]]]:
    """(latency, quality) of what was searched, and of members."""
    return [
        [(n["latency_ms"], of(name)) for name, n in networks.items() if bool(n["name"]) == scaled]
        for scaled in (False, True)
    ]


FINISHED = "Finished from the supernet"
BY_HAND = "Against members with half the image and predictions at stride 4, chosen by hand"
ALONE = "Trained alone from random weights"


def rows_of(pairs: Sequence[Sequence[tuple[float, ...]]]) -> list[list[str]]:
    """A row a point, of what `compared` says of each seed."""
    rows = []
    for share, point in zip(SHARES, zip(*pairs, strict=True), strict=True):
        ratios = [np.log(ours / theirs) for _, ours, theirs in point]
        middle = statistics.mean(ratios)
        half = T95[len(ratios)] * statistics.stdev(ratios) / len(ratios) ** 0.5 if len(ratios) > 1 else float("nan")
        less, most, least = (100 * (1 - np.exp(r)) for r in (middle, middle - half, middle + half))
        means = [statistics.mean(column) for column in zip(*point, strict=True)]
        interval = f" [{least:.0f}, {most:.0f}]" if len(ratios) > 1 else ""
        rows.append([f"{share:.0%}", f"{means[0]:.3f}", f"{means[2]:.1f}", f"{means[1]:.1f}", f"{less:.0f}{interval}"])
    return rows


def order(networks: dict[str, Any]) -> float:
    """Kendall's tau of inherited with confirmed qualities, over what was finished of one seed, members too."""
    pairs = itertools.combinations(networks.values(), 2)
    return statistics.mean(np.sign((a["inherited"] - b["inherited"]) * (quality(a) - quality(b))) for a, b in pairs)


def comparisons(results: dict[str, Any]) -> dict[str, list[list[tuple[float, ...]]]]:
    """Against what -> what `compared` says of each seed that is complete."""
    seeds = {seed: row["networks"] for seed, row in results["seeds"].items() if "networks" in row}
    hands = {s: list(map(tuple, by.values())) for s, by in results.get("halved", {}).items() if len(by) > 2}
    alone = results.get("alone", {})
    pairs = {
        FINISHED: [compared(*sides(found, lambda name, n=found: quality(n[name]))) for found in seeds.values()],
        BY_HAND: [
            compared(sides(seeds[s], lambda name, s=s: quality(seeds[s][name]))[0], hand) for s, hand in hands.items()
        ],
        ALONE: [
            compared(*sides(found, alone[s].__getitem__))
            for s, found in seeds.items()
            if set(found) <= set(alone.get(s, {}))
        ],
    }
    return {title: each for title, each in pairs.items() if each}


def sentences(results: dict[str, Any]) -> str:
    """What docs/search_space.md says of it."""
    pairs = comparisons(results)
    _, at, members, searched, less = rows_of(pairs[FINISHED])[len(SHARES) // 2]
    text = f"{searched} ms of modelled latency instead of {members} at quality {at}, "
    text += f"**{less.replace(' ', ' % less** ', 1)}, 95 % interval over {len(pairs[FINISHED])} seeds. "
    if BY_HAND in pairs:
        *_, less = rows_of(pairs[BY_HAND])[len(SHARES) // 2]
        text += (
            "Most of it is the smaller image with predictions at stride 4: against members to which both are given by "
        )
        text += f"hand it is {less.replace(' ', ' % ', 1)} ({len(pairs[BY_HAND])} seeds)."
    return text.strip()


def table(results: dict[str, Any]) -> str:
    """The tables of the page of results."""
    heading = ["of the common qualities", "quality", "members, ms", "searched, ms", "less latency, % (95 %)"]
    taus = ", ".join(f"{order(row['networks']):.2f}" for row in results["seeds"].values() if "networks" in row)
    parts = [
        f"{title}; seeds: {len(pairs)}\n\n{grid(heading, rows_of(pairs))}"
        for title, pairs in comparisons(results).items()
    ]
    parts.insert(1, f"Kendall's tau of inherited with confirmed quality, over the networks of each seed: {taus}.")
    return "\n\n".join(parts)


def draw(row: dict[str, Any], path: Path) -> None:
    """One search: what was scored, what was finished, and the members; a line from each network's worst to its best."""
    from ednas_nni.report import style

    with style.look():
        figure = style.figure(7.2, 3.8)
        axes = figure.add_subplot()
        axes.plot(*zip(*row["scored"], strict=True), ".", color=style.TRIAL, label="scored with inherited weights")
        for scaled, color, label in ((False, style.FRONT, "searched, finished"), (True, style.MEMBER, "MobileNetV2")):
            chosen = [n for n in row["networks"].values() if bool(n["name"]) == scaled]
            chosen.sort(key=lambda network: network["latency_ms"])
            latencies = [network["latency_ms"] for network in chosen]
            axes.plot(latencies, list(map(quality, chosen)), "D-" if scaled else "o-", color=color, label=label)
            for network in chosen:
                runs = [run["default"] for run in network["confirmed"]]
                axes.plot([network["latency_ms"]] * 2, [min(runs), max(runs)], color=color)
                if scaled:
                    width = f"{int(network['name'][-3:]) / 100:g}"
                    axes.annotate(
                        width,
                        (latencies[chosen.index(network)], quality(network)),
                        (4, -10),
                        textcoords="offset points",
                    )
        axes.set(xlabel="latency_ms at 512 x 1024 (modelled, Edge TPU)", ylabel="quality", xscale="log")
        axes.set_xticks([3, 4, 6, 8, 12, 16, 20], ["3", "4", "6", "8", "12", "16", "20"], minor=False)
        axes.set_xticks([], minor=True)
        axes.legend(loc="upper left")
        figure.tight_layout()
        path.write_bytes(style.png(figure))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trainings", type=int, help="of each finished network, instead of the study's number")
    parser.add_argument("--alone", action="store_true", help="only train what is confirmed from random weights")
    parser.add_argument("--halved", action="store_true", help="only finish members with half the image at stride 4")
    parser.add_argument("--render", action="store_true", help="only make the table again")
    options = parser.parse_args()
    from ednas_nni.record.whole_file import write_whole

    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"seeds": {}, "alone": {}}

    def keep() -> None:
        write_whole(RESULTS, json.dumps(results, indent=1) + "\n")

    for seed in map(str, () if options.render else range(options.seeds)):
        row = results["seeds"].setdefault(seed, {})
        if options.alone:
            alone(int(seed), row.get("networks", {}), results["alone"].setdefault(seed, {}), keep)
            continue
        if options.halved:
            halved(row["experiment"], results.setdefault("halved", {}).setdefault(seed, {}), keep)
            continue
        if "experiment" not in row:
            row["experiment"] = searched(int(seed), options.trainings)
            keep()
        if "networks" not in row:
            results["seeds"][seed] = confirmed(row["experiment"])
            keep()
    print(table(results))
    put(DOCS / "search_space.md", "front", sentences(results))
    put(EVIDENCE, "front", table(results))
    draw(results["seeds"]["0"], DOCS / "images" / "front.png")


if __name__ == "__main__":
    main()
