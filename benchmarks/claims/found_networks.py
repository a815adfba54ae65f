"""S5 of PROTOCOL.md: what networks on a front look like, what each of their choices is worth, and regret elsewhere.

    python benchmarks/claims/found_networks.py                          choices and regret; nothing is trained
    python benchmarks/claims/found_networks.py --flips --world streets  flips of a winner, trained; resumable

`python benchmarks/results_page.py` puts the tables into benchmarks/results/README.md. Networks come from

* inherited_table.py: 846 networks with the score of one supernet, compared among each other;
* a world of transfer_table.jsonl, where there are enough: fronts by the first seed on `search`, judged by the second
  seed on `select`; compared with random networks of the space;
* each search of front_against_members.py: the finished network nearest to their median latency, compared likewise.

All devices are modelled ones. A training of a flip is a line of benchmarks/results/found_networks.jsonl. `--smoke`
does all of it with few draws, and two steps of two flips, in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:] = [*(p for p in sys.path if p != str(HERE)), str(HERE.parent), str(HERE)]

from inherited_table import STUDY, TABLE, whole  # noqa: E402
from rows import append, rows_of  # noqa: E402

RESULTS = HERE.parent / "results"
FIGURES, TRAININGS = RESULTS / "found_networks.json", RESULTS / "found_networks.jsonl"
STEPS, RANDOM, ENOUGH = 400, 20_000, 24
SEEDS = {"nyuv2": (1300, 1301), "streets": (1300, 1301), "cityscapes": (1300, 1301), "rooms": (930, 931)}
PROFILES = ("phone_cpu", "embedded_gpu", "microcontroller")
DEVICES = {"edge_tpu": "latency_ms"} | {name: f"{name}_latency_ms" for name in PROFILES}
LIMIT = "latency_ms <= 25"
"""Of the shipped study, on the Edge TPU."""
Sample = dict[str, Any]


class Priced:
    """The space `compound` on all devices."""

    def __init__(self) -> None:
        from ednas_nni.search.assembled import Assembled
        from ednas_nni.study import parse

        devices = ["edge_tpu", *({"name": "roofline", "profile": name} for name in PROFILES)]
        self.problem = Assembled(
            parse({**STUDY, "device": devices, "evaluator": "jared", "constraints": [LIMIT]})
        ).problem
        self.domains = self.problem.domains

    def latency(self, samples: Sequence[Sample]) -> dict[str, np.ndarray]:
        """Device -> (n,) in ms."""
        costs = self.problem.canonical_costs([self.domains.canonical(sample) for sample in samples])
        return {device: costs[:, self.problem.cost_names.index(name)] for device, name in DEVICES.items()}

    def random(self, number: int) -> list[Sample]:
        """Of so many random networks those that meet the limit."""
        rng = np.random.default_rng(19)
        samples = [self.domains.random(rng) for _ in range(number)]
        return [sample for sample, ok in zip(samples, self.problem.feasible(samples), strict=True) if ok]


def inherited() -> tuple[list[Sample], np.ndarray, np.ndarray]:
    """Samples and scores of the table; the score that chooses is the one that judges."""
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    values = product(*table["axes"].values())
    rows = [(dict(zip(table["axes"], v, strict=True)), row[0]) for v, row in zip(values, table["rows"], strict=True)]
    scores = np.array([quality for _, quality in rows if quality is not None])
    return [whole(one) for one, quality in rows if quality is not None], scores, scores


def trained(rows: Sequence[Mapping[str, Any]], world: str) -> tuple[list[Sample], np.ndarray, np.ndarray]:
    """Samples that two seeds trained on all tasks, what the first has on `search` and the second on `select`."""
    here = [row for row in rows if row["world"] == world]
    runs: dict[str, list[Mapping[str, Any]]] = {row["architecture"]: [row] for row in here if "sample" in row}
    for row in sorted((row for row in here if row.get("tasks") == "all"), key=lambda row: row["seed"]):
        runs[row["architecture"]].append(row)
    both = [of for of in runs.values() if len(of) == 3]
    searched, judged = ([of[n][split]["quality"] for of in both] for n, split in ((1, "search"), (2, "select")))
    return [of[0]["sample"] for of in both], np.array(searched), np.array(judged)


def middle_of_each(searches: Mapping[str, Any]) -> list[Sample]:
    """Of each search the finished network whose latency is nearest to the median of all."""
    finished = [[n for n in row["networks"].values() if not n["name"]] for row in searches.values()]
    target = np.median([n["latency_ms"] for of in finished for n in of])
    return [min(of, key=lambda n: abs(np.log(n["latency_ms"] / target)))["sample"] for of in finished]


def figures(priced: Priced, rows: Sequence[Mapping[str, Any]], draws: int, number: int) -> list[dict[str, Any]]:
    """Choices and regret of every source that there is."""
    from claims.found_tables import against_random, columns, front, regret

    def source(title: str, scored: tuple[Any, Any, Any], pool: list[Sample], devices: Sequence[str]) -> dict[str, Any]:
        samples, chosen, judged = scored
        every, n = [*samples, *pool], len(samples)
        latency, of = priced.latency(every), columns([priced.domains.active(sample) for sample in every])
        fronts = {d: np.arange(n) if chosen is None else front(chosen, latency[d][:n]) for d in devices}
        others = np.arange(n, len(every)) if pool else np.arange(n)
        compared = {d: against_random(of, latency[d], fronts[d], others, draws) for d in devices}
        lost = {} if chosen is None else {**fronts, "(all networks)": range(n)}
        return {
            "title": title,
            "winners": {d: len(fronts[d]) for d in devices},
            "compared": {d: counted for d, (_, counted) in compared.items()},
            "choices": {d: choices for d, (choices, _) in compared.items()},
            "regret": {a: [regret(b, fronts[d], chosen, judged, latency[d]) for d in devices] for a, b in lost.items()},
        }

    pool, table = priced.random(number), inherited()
    sources = [source(f"Fronts of {len(table[0])} networks by inherited scores", table, [], list(DEVICES))]
    for world in dict.fromkeys(row["world"] for row in rows):
        if len((table := trained(rows, world))[0]) >= ENOUGH:
            sources.append(source(f"Fronts of {len(table[0])} networks trained on {world}", table, pool, list(DEVICES)))
    searches = json.loads((RESULTS / "front_against_members.json").read_text(encoding="utf-8"))["seeds"]
    winners = middle_of_each({seed: row for seed, row in searches.items() if "networks" in row})
    title = f"A network of each of {len(winners)} searches for the Edge TPU on rooms"
    return [*sources, source(title, (winners, None, None), pool, ["edge_tpu"])]


def flips(domains: Any, sample: Sample) -> Iterator[tuple[str, Sample, str]]:
    """Every choice of a network flipped alone: what is flipped, the sample, a label whose width must stay.

    The blocks of a stage are one choice of kind, one of kernel and one of expansion: a single block lies below the
    noise of two seeds. Depths and widths go one step up and down.
    """
    active, swaps = (
        domains.active(sample),
        {"kind": ("ibn", "fused"), "kernel": ("k3", "k5"), "expansion": ("e3", "e6")},
    )
    blocks = {label: found[1] for label in active if (found := re.fullmatch(r"(.*stage\d+)_block\d+_op", label))}
    for (what, (one, two)), stage in product(swaps.items(), dict.fromkeys(blocks.values())):
        changed = dict(sample)
        for label in (label for label, at in blocks.items() if at == stage):
            op = active[label]
            swapped = op.replace(one, two) if one in op else op.replace(two, one)
            offered = [new for new in (swapped, swapped.replace("k5", "k3")) if new in domains[label].values]
            changed[label] = offered[0] if offered else op  # no Fused-IBN has kernel 5
        if changed != sample:
            yield f"{stage} {what} {one} <-> {two}", changed, ""
    for label, value in active.items():
        values = list(domains[label].values)
        at = values.index(value)
        stepped = label.endswith(("_depth", "_width"))
        for other in () if label in blocks else values[max(0, at - 1) : at + 2] if stepped else values:
            changed = {**sample, label: other}
            if label.endswith("_depth") and other > value:  # what is added is like the last block
                stage = label.removesuffix("depth")
                changed[f"{stage}block{other}_op"] = active[f"{stage}block{value}_op"]
            if other != value:
                yield f"{label} {value} -> {other}", changed, label


def matched(priced: Priced, sample: Sample, fixed: str, target: float) -> Sample | None:
    """The sample with widths of stem, stages and fusion that bring its latency on the Edge TPU within 3 % of a target.

    Of all such widths those that change least, as the sum of squared logarithms of ratios; None where no width does it.
    """
    from claims.found_tables import EQUAL

    free, every = with_widths(priced, sample, fixed)
    near = np.flatnonzero(np.abs(priced.latency(every)["edge_tpu"] / target - 1) <= EQUAL)
    change = [sum(np.log(every[i][label] / sample[label]) ** 2 for label in free) for i in near]
    return every[near[int(np.argmin(change))]] if change else None


def with_widths(priced: Priced, sample: Sample, fixed: str) -> tuple[list[str], list[Sample]]:
    """Labels of widths of stem, stages and fusion but one, and the sample with every value that they can have."""
    active = priced.domains.active(sample)
    free = [label for label in active if re.fullmatch(r"(stem|stage\d+|fusion)_width", label) and label != fixed]
    choices = product(*(priced.domains[label].values for label in free))
    return free, [{**sample, **dict(zip(free, widths, strict=True))} for widths in choices]


def measure(priced: Priced, world: str, folder: Path | None, path: Path, steps: int, most: int, workers: int) -> None:
    """Train the middle of the Edge TPU's front, by the world's table or else by inherited scores, and its flips."""
    from claims.found_tables import front
    from one_training import each
    from transfer_table import ALL, plain_study, run

    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    Assembled(parse(plain_study(world, folder, ALL, 0, steps))).source.prepare()  # before the runs need it
    samples, chosen, _ = trained(rows_of(RESULTS / "transfer_table.jsonl"), world)
    if len(samples) < ENOUGH:
        samples, chosen, _ = inherited()
    latency = priced.latency(samples)["edge_tpu"]
    at = min(front(chosen, latency), key=lambda i: abs(np.log(latency[i] / np.median(latency))))
    winner, name = samples[at], priced.domains.architecture_id(samples[at])
    listed = {"": winner}
    there = {tuple(row[key] for key in ("world", "winner", "flip", "seed", "steps")) for row in rows_of(path)}
    for flip, sample, fixed in islice(flips(priced.domains, winner), most):
        if fitting := matched(priced, sample, fixed, latency[at]):
            listed[flip] = fitting
        elif (world, name, flip, None, steps) not in there:
            append(path, {"world": world, "winner": name, "flip": flip, "seed": None, "steps": steps})
    jobs = {
        (world, str(folder or ""), json.dumps(priced.domains.active(sample)), ALL, seed, steps): flip
        for flip, sample in listed.items() for seed in SEEDS[world] if (world, name, flip, seed, steps) not in there
    }  # fmt: skip
    for job, outcome in each(run, list(jobs), workers):
        row = {"world": world, "winner": name, "flip": jobs[job], "seed": job[4], "steps": steps}
        append(path, {**row, "sample": json.loads(job[2]), **outcome})


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", action="store_true", help="train a winner and its flips")
    parser.add_argument("--world", choices=list(SEEDS), default="streets")
    parser.add_argument("--data", type=Path, help="folder of real images")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--smoke", action="store_true", help="few draws, two steps of two flips, to see that it runs")
    given = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from checkout import commit
    from claims.found_tables import DRAWS, report

    priced, rows = Priced(), rows_of(RESULTS / "transfer_table.jsonl")
    if given.smoke:
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "rows.jsonl"
            measure(priced, given.world, given.data, path, 2, 2, 1)
            assert len(rows_of(path)) == 2 * 3
            assert "flip" in report(figures(priced, rows, 50, 2000), rows_of(path))
        return
    if given.flips:
        measure(priced, given.world, given.data, TRAININGS, STEPS, 10_000, given.workers)
    else:
        made = {"command": "python benchmarks/claims/found_networks.py", "commit": commit()}
        sources = figures(priced, rows, DRAWS, RANDOM)
        FIGURES.write_text(json.dumps({**made, "sources": sources}, indent=1) + "\n", encoding="utf-8")
    print(report(json.loads(FIGURES.read_text(encoding="utf-8"))["sources"], rows_of(TRAININGS)))


if __name__ == "__main__":
    main()
