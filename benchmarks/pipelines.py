"""Three ways to networks for equal training images: one supernet, separate trials, and members trained for long.

    nice python benchmarks/pipelines.py [--seeds 5] [--only separate alone]      resumable
    python benchmarks/pipelines.py --render

(a) is the shipped search of front_against_members.py: 700 steps of 4 paths, 4 networks finished twice for 500 steps;
2,800 + 4,000 steps of 8 images for a network, 54,400 images in all. The others get as many:
(b) `separate`: the same study, but that every trial trains its network alone: 14 trials of 200 steps, then the same
finishing, from random weights. `former`, printed beside, is the recipe before supernets, 24 trials of 500 steps, with
2.4 times the images. `evolution` is NNI's RegularizedEvolution, made hardware-aware, with 200 trials of 500 steps
and the same finishing: 15 times the images. `supernet` is (a) once more, from nothing, for its seconds; `tenth` is it
with a supernet of 1,600 steps, a tenth of evolution's images.
(c) `alone`: members of the space at several widths, each trained alone for all 6,800 steps, once: what somebody has who
guesses the right network and spends everything on it. A whole set of them costs (a)'s images times their number.
`one`, to be set beside them, is (a) of somebody who needs one network: instead of finishing four, the slowest of them
is trained on from the supernet's weights for all of the images that are left, 4,000 steps.

A way is worth, at a limit of latency, the quality of the best network that meets it; of a set of networks the curve of
quality over latency is made to rise (front_against_members.py), which takes the luck out of the best. Four limits lie
evenly in log latency between the first at which both ways have a network and the last at which either gains one.
Quality is on `select`, which no search sees; differences are paired by seed, 95 % intervals over seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from front_against_members import RESULTS as SEARCHED
from front_against_members import STUDY, curve, quality
from into_docs import EVIDENCE, grid, put
from rows import append, rows_of
from scipy import stats
from worlds import FULL_WEIGHT

from ednas_nni.study.pareto import hypervolume

RESULTS = Path(__file__).resolve().parent / "results" / "pipelines.jsonl"
STEPS, LIMITS, FIRST_SEED = 6800, 4, 9000
TRIALS = {"separate": (14, 200), "former": (24, 500), "evolution": (200, 500), "supernet": (56, 0), "tenth": (56, 0)}
"""Way -> trials and the steps of each."""
SHARED = {"supernet": 700, "tenth": 1600}
"""Way -> steps of its supernet."""
FINISHED, PATHS, BATCH = 8 * 500, 4, 8
"""Steps of the last trainings; networks in a step of a supernet; images a step."""
CORNER = (0.0, 25.0)
"""Of the hypervolume: no better than the prior, at the study's limit in ms."""
MEMBERS = (
    "mobilenet_v2_050", "mobilenet_v2_100", "efficientnet_lite_050", "efficientnet_lite_075", "mobilenet_v3_100"
)  # fmt: skip
SHARING = {"supernet": "one supernet", "tenth": "one supernet, a tenth of evolution's images"}
ONE = "one"
LABELS = {
    "separate": "separate trials, equal images", "former": "separate trials, 2.4 x the images",
    "alone": "members, equal images for each", "evolution": "NNI's evolution, 15 x the images",
}  # fmt: skip


def separate(seed: int, way: str) -> list[list[float]]:
    """[latency, quality] of what a search with separate trials finished; it goes through NNI, one trial at a time."""
    import ednas_nni
    from ednas_nni.bridge.manager.experiment_file import read
    from ednas_nni.handover.search import open_search

    trials, steps = TRIALS[way]
    evaluator = f"{{name: jared, depth_loss: {FULL_WEIGHT['depth_loss']}, steps: {steps}, threads: 1}}"
    if way in SHARED:  # of a seed that nobody has made before
        supernet = f"{{steps: {SHARED[way]}, seed: {FIRST_SEED + seed}}}"
        evaluator = f"{{name: inherited, depth_loss: {FULL_WEIGHT['depth_loss']}, threads: 1, supernet: {supernet}}}"
    others = ["strategy=regularized_evolution"] if way == "evolution" else []
    file = read(STUDY, [f"seed={seed}", f"evaluator={evaluator}", *others])
    finished = file.study.finish.networks * file.study.finish.seeds
    record = ednas_nni.search(file.study, trials + finished, concurrency=1)
    return [
        [a.costs["latency_ms"], statistics.mean(run["default"] for run in a.confirmed)]
        for a in open_search(record.experiment).confirmed
    ]


def alone(seed: int, member: str) -> list[list[float]]:
    """[[latency, quality]] of a member trained from random weights for everything that a search may see."""
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse, read_experiment

    study = read_experiment(STUDY)[1]
    recipe = {"name": "jared", **FULL_WEIGHT, "steps": STEPS, "scored_on": "select", "threads": 1}
    joined = Assembled(parse({**study.dump(), "evaluator": recipe, "finish": None, "seed": FIRST_SEED + seed}))
    sample = joined.member(member)
    latency = joined.table([sample])[0][joined.table.names.index("latency_ms")]
    return [[float(latency), joined.trained(sample)[1]["default"]]]


def searched_network(seed: int) -> dict[str, Any]:
    """The slowest network that (a) finished: its sample, latency and so on."""
    networks = json.loads(SEARCHED.read_text(encoding="utf-8"))["seeds"][str(seed)]["networks"].values()
    return max((n for n in networks if not n["name"]), key=lambda network: network["latency_ms"])


def one(seed: int) -> list[list[float]]:
    """[[latency, quality]] of that network, trained on from the supernet's weights for all images that are left."""
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse, read_experiment

    study = read_experiment(STUDY)[1].dump()
    more = {**FULL_WEIGHT, "steps": STEPS - PATHS * SHARED["supernet"], "scored_on": "select", "threads": 1}
    evaluator = {**study["evaluator"], **more}
    joined = Assembled(parse({**study, "evaluator": evaluator, "finish": None, "seed": FIRST_SEED + seed}))
    network = searched_network(seed)
    return [[network["latency_ms"], joined.trained(network["sample"])[1]["default"]]]


def measure(seeds: int, ways: Sequence[str]) -> None:
    """Run what is missing, seed by seed."""
    there = {(row["way"], row["seed"], row["member"]) for row in rows_of(RESULTS)}
    for seed in range(seeds):
        for way in ways:
            for member in MEMBERS if way == "alone" else [""]:
                if (way, seed, member) not in there:
                    started = time.perf_counter()
                    make = {"alone": partial(alone, member=member), ONE: one}.get(way, partial(separate, way=way))
                    row = {"way": way, "seed": seed, "member": member, "points": make(seed)}
                    append(RESULTS, {**row, "seconds": round(time.perf_counter() - started, 1)})


def attained(points: Sequence[Sequence[float]], limits: np.ndarray) -> np.ndarray:
    """Quality that a way attains within each limit in ms, from (latency, quality) of its networks; NaN where none."""
    qualities, starts = curve([(latency, quality) for latency, quality in points])
    at = np.searchsorted(starts, np.log(limits) + 1e-9) - 1
    return np.where(at >= 0, qualities[at], np.nan)


def limits_of(ways: Sequence[Sequence[Sequence[Sequence[float]]]]) -> np.ndarray:
    """Four limits in ms that all seeds of all ways attain: (way, seed, network, [latency, quality])."""
    first = max(min(latency for latency, _ in networks) for way in ways for networks in way)
    last = max(latency for way in ways for networks in way for latency, _ in networks)
    return np.geomspace(first, last, LIMITS)


def report(rows: Sequence[dict[str, Any]], searched: dict[str, Any]) -> str:
    """Difference of (a) to every other way at four limits, and over all of them."""
    supernet = {
        int(seed): [(n["latency_ms"], quality(n)) for n in row["networks"].values() if not n["name"]]
        for seed, row in searched["seeds"].items()
        if "networks" in row
    }
    lines = []
    for way, label in LABELS.items():
        points: dict[int, list[Any]] = {}
        for row in rows:
            if row["way"] == way:
                points.setdefault(row["seed"], []).extend(row["points"])
        full = len(MEMBERS) if way == "alone" else 1
        seeds = [s for s in sorted(points) if s in supernet and len(points[s]) >= full]
        if len(seeds) < 2:
            continue
        limits = limits_of([[supernet[s] for s in seeds], [points[s] for s in seeds]])
        gains = np.array([attained(supernet[s], limits) - attained(points[s], limits) for s in seeds])
        cells = [f"{limit:.1f} ms: {estimate(gains[:, i])}" for i, limit in enumerate(limits)]
        lines.append([label, str(len(seeds)), *cells, estimate(gains.mean(axis=1))])
    heads = ["quality of one supernet's networks minus", "seeds", *[f"limit {i + 1}" for i in range(LIMITS)], "mean"]
    return grid(heads, lines)


def costs(rows: Sequence[dict[str, Any]], searched: dict[str, Any]) -> str:
    """What every search cost, and the hypervolume of what it finished."""
    groups: dict[str, list[tuple[list[Any], float]]] = {way: [] for way in TRIALS}
    for row in rows:
        if row["way"] in groups:
            groups[row["way"]].append((row["points"], row["seconds"]))
    for row in searched["seeds"].values():
        points = [(n["latency_ms"], quality(n)) for n in row.get("networks", {}).values() if not n["name"]]
        groups["supernet"].append((points, np.nan))
    lines = []
    for way, (trials, steps) in TRIALS.items():
        if not groups[way]:
            continue
        images = BATCH * (FINISHED + (trials * steps or PATHS * SHARED[way]))
        volumes = [
            hypervolume([(better, latency) for latency, better in points], CORNER, ["max", "min"])
            for points, _ in groups[way]
        ]
        took = [seconds for _, seconds in groups[way] if not np.isnan(seconds)]
        label = {**SHARING, **LABELS}[way]
        minutes = f"{np.median(took) / 60:.0f}" if took else ""
        spread = f" ± {np.std(volumes, ddof=1):.2f}" if len(volumes) > 1 else ""
        lines.append([label, str(len(volumes)), f"{images:,}", minutes, f"{np.mean(volumes):.2f}{spread}"])
    return grid(["search", "seeds", "images", "minutes of a core", "hypervolume, quality x ms"], lines)


def beside_members(rows: Sequence[dict[str, Any]]) -> str:
    """Quality of `one` beside that of its seed's members within 2 % more latency; "" where none is complete."""
    pairs = []
    for row in (row for row in rows if row["way"] == ONE):
        (latency, quality_of_one), members = row["points"][0], [r for r in rows if r["way"] == "alone"]
        points = [point for r in members if r["seed"] == row["seed"] for point in r["points"]]
        if len(points) == len(MEMBERS):
            best = attained(points, np.array([1.02 * latency]))[0]
            pairs.append(f"{quality_of_one:.3f} at {latency:.1f} ms, that of members {best:.3f}")
    if not pairs:
        return ""
    what = f"Where a search finishes one network instead of four (n = {len(pairs)}), for equal images in all"
    return f"{what}, its quality is {'; '.join(pairs)}."


def estimate(differences: Sequence[float]) -> str:
    """Mean with Student's t interval over seeds; bold where that leaves zero out."""
    middle = float(np.mean(differences))
    reach = float(stats.t.ppf(0.975, len(differences) - 1) * stats.sem(differences))
    text = f"{middle:+.3f} [{middle - reach:+.3f}, {middle + reach:+.3f}]"
    return f"**{text}**" if abs(middle) > reach else text


def tables() -> str:
    """Both, of what is committed."""
    rows, searched = rows_of(RESULTS), json.loads(SEARCHED.read_text(encoding="utf-8"))
    return "\n\n".join(filter(None, [report(rows, searched), beside_members(rows), costs(rows, searched)]))


def sentence() -> str:
    """The first comparison, for docs/supernet.md."""
    rows, searched = rows_of(RESULTS), json.loads(SEARCHED.read_text(encoding="utf-8"))
    lines = {cells[0]: cells for cells in map(_cells, report(rows, searched).splitlines())}
    line = lines[LABELS["separate"]]
    volumes = {cells[0]: f"{cells[-1]} (n = {cells[1]})" for cells in map(_cells, costs(rows, searched).splitlines())}
    more, less = volumes[SHARING["supernet"]], volumes[LABELS["separate"]]
    text = (
        f"For equal images, quality of its finished networks minus that of separate trials': {line[-1]} (mean at four "
        f"latency limits); hypervolume {more}, separate {less}."
    )
    if {LABELS["evolution"], SHARING["tenth"]} <= volumes.keys():
        text += (
            f" NNI's evolution has {volumes[LABELS['evolution']]} after 200 trials of 500 steps; a supernet that sees "
            f"a tenth of their images has {volumes[SHARING['tenth']]}."
        )
    if LABELS["alone"] in lines:
        seeds, *_, mean = lines[LABELS["alone"]][1:]
        text += (
            f" Minus that of members which had all these images to themselves: {mean} (n = {seeds}); they were trained "
            f"for {STEPS:,} steps, the search's four networks for 500."
        )
    return f"{text} {beside_members(rows)}".strip()


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=[*LABELS, *SHARED, ONE], default=list(LABELS), metavar="WAY")
    parser.add_argument("--render", action="store_true", help="only make the table again")
    given = parser.parse_args()
    if not given.render:
        measure(given.seeds, given.only)
    text = tables()
    print(text)
    put(EVIDENCE, "pipelines", text)
    put(EVIDENCE.parents[2] / "docs" / "supernet.md", "pipelines", sentence())


if __name__ == "__main__":
    main()
