"""Strategies against each other: regret over trials, on tables of scores and on made-up landscapes.

    OMP_NUM_THREADS=1 nice -n 5 python benchmarks/search_strategies.py [--seeds 30] [--part 0/2] [--only ednas ...]
    python benchmarks/search_strategies.py --render          its tables in benchmarks/results/README.md again
    python benchmarks/search_strategies.py --overhead        milliseconds a proposal, after up to 5,000 results

One run, resumable: every finished search is a line of benchmarks/results/search_strategies.jsonl, and is not run
again. Two processes with `--part` share the work. All contenders have 200 trials, two at a time, the same constraint
filter and the same answers, and train nothing twice. Scored are the true qualities of the front as searched, by
hypervolume from quality 0 at the limit, as a share of what the best front has. Strategies that see one number get five
targets out of the same budget, populations of at most 20. `deceptive` and `noisy` are made up (strategy_worlds.py),
`inherited` is a table of supernet scores (inherited_table.py), `measured` is read where measured_rows.json is.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from itertools import zip_longest
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np

# This file is called like the package it measures: its own folder comes last.
sys.path[:] = [*sys.path[1:], sys.path[0]]

from rows import append, rows_of  # noqa: E402
from strategy_worlds import DIRECTIONS, WORLDS, TableWorld, World, world  # noqa: E402

from ednas_nni.search.problem import Sample  # noqa: E402
from ednas_nni.study import pareto  # noqa: E402

RESULTS = Path(__file__).resolve().parent / "results" / "search_strategies.jsonl"
TRIALS, WORKERS, TARGETS = 200, 2, 5
AT = (*range(10, TRIALS + 1, 10),)
"""Trials, and seconds in trainings of a median network, after which the regret is kept."""
SLOW = {"optuna gp": 3, "neps primo": 3}
BUDGET = {"optuna gp": 50, "neps primo": 50}
"""Seeds, and trials, of those that take too long for more."""
Search = Callable[[World, int], list[Sample]]


# ---------------------------------------------------------------- how each of them searches
def driven(make: Callable[[Any, int], Any], trials: int = TRIALS) -> Search:
    """An ask/tell core of (problem, seed)."""

    def search(on: World, seed: int) -> list[Sample]:
        core, rng = make(on.problem, seed), np.random.default_rng(1000 + seed)
        asked: list[Sample] = []
        running: list[Sample] = []
        while len(asked) < trials or running:
            while len(asked) < trials and len(running) < WORKERS and (sample := core.ask()) is not None:
                asked.append(sample)
                running.append(sample)
            if not running:
                break
            ended = running.pop(int(rng.integers(len(running))))
            core.tell(ended, {"quality": on.observed(ended, seed), "latency_ms": float(on.latency([ended])[0])})
        return asked

    return search


def chained(make: Callable[[int], Any], reward: str, targets: int, weight: float = -0.07) -> Search:
    """A strategy that sees one number, in its chain of middlewares: one search a target, in turns."""
    from ednas_nni.testing.strategies import search as mounted

    def search(on: World, seed: int) -> list[Sample]:
        limit = on.anchor[1]
        wanted = (
            [*np.quantile(on.latency(on.drawn), np.linspace(0.1, 0.9, targets)[:-1]), limit] if targets > 1 else [limit]
        )
        each = TRIALS if targets == 1 else TRIALS // targets + 20  # some of theirs are each other's
        parts = []
        with tempfile.TemporaryDirectory() as folder:
            for i, target in enumerate(wanted):
                settings = {"target": float(target), "reward": reward, "weight": weight}
                made, path = make(100 * seed + i), Path(folder) / f"{i}.jsonl"
                answer = lambda sample: {"default": on.observed(sample, seed)}  # noqa: E731
                _, engine, _ = mounted(made, on, on.problem, path, each, WORKERS, settings, trial=answer)
                parts.append(engine.submitted)
        merged = {on.problem.domains.architecture_id(s): s for turn in zip_longest(*parts) for s in turn if s}
        return list(merged.values())[:TRIALS]

    return search


class RandomFeasible:
    """Feasible random samples, each once."""

    def __init__(self, problem: Any, seed: int) -> None:
        self.problem, self.rng, self.seen = problem, np.random.default_rng(seed), set()

    def ask(self) -> Sample | None:
        for _ in range(5000):
            sample = self.draw()
            name = self.problem.domains.architecture_id(sample)
            if name not in self.seen and self.problem.feasible([sample])[0]:
                self.seen.add(name)
                return sample
        return None

    def draw(self) -> Sample:
        return self.problem.domains.random(self.rng)

    def tell(self, sample: Sample, values: dict[str, float]) -> None:
        """Learns nothing."""


class LocalSearch(RandomFeasible):
    """One or two changes of a random member of the front so far, after ten random ones."""

    def __init__(self, problem: Any, seed: int) -> None:
        super().__init__(problem, seed)
        self.results: list[tuple[Sample, tuple[float, float]]] = []
        self.front: list[Sample] = []

    def draw(self) -> Sample:
        if len(self.results) < 10:
            return super().draw()
        near = self.front[int(self.rng.integers(len(self.front)))]
        return self.problem.domains.mutate(near, self.rng, n=1 + int(self.rng.integers(2)))

    def tell(self, sample: Sample, values: dict[str, float]) -> None:
        self.results.append((sample, (values["quality"], values["latency_ms"])))
        self.front = [self.results[i][0] for i in pareto.front([point for _, point in self.results], DIRECTIONS)]


def contenders() -> dict[str, Search]:
    """Name -> how it searches, the cheapest first."""
    import strategies
    from strategies.evolution import Evolution

    made: dict[str, Search] = {
        "random": driven(RandomFeasible),
        "local search": driven(LocalSearch),
        "ednas": driven(lambda problem, seed: Evolution(problem, seed=seed)),
        "NNI evolution, 1 target": chained(lambda seed: strategies.regularized_evolution(seed=seed), "log", 1),
        "NNI evolution": chained(lambda seed: strategies.regularized_evolution(seed=seed), "tunas_abs", TARGETS),
        "policy_gradient": chained(lambda seed: strategies.PolicyGradient(seed=seed), "tunas_abs", TARGETS),
        "tpe": chained(lambda seed: strategies.tpe(seed=seed), "tunas_abs", TARGETS),
    }
    from strategies.optuna_sampler import OptunaCore, sampler_of

    for name, trials in (("nsga2", TRIALS), ("tpe", TRIALS), ("gp", BUDGET["optuna gp"])):
        sampler = sampler_of(name, {})
        made[f"optuna {name}"] = driven(lambda problem, seed, s=sampler: OptunaCore(problem, s, seed), trials)
    if find_spec("neps"):
        from neps_primo import primo

        made["neps primo"] = lambda on, seed: primo(on, seed, BUDGET["neps primo"])
    return made


# ---------------------------------------------------------------- what came of it
def regrets(on: World, seed: int, asked: list[Sample]) -> np.ndarray:
    """(n,) 1 - hypervolume / best after 1, 2 ... n trials: of the front as searched, by its true values."""
    seen = np.array([(on.observed(s, seed), t) for s, t in zip(asked, on.latency(asked), strict=True)])
    true = np.array([(on.quality(s), t) for s, t in zip(asked, seen[:, 1], strict=True)])
    left = [1 - on.volume(true[pareto.front(seen[: n + 1], DIRECTIONS)]) / on.best for n in range(len(asked))]
    return np.array(left)


def by_seconds(on: World, asked: list[Sample], curve: np.ndarray, times: Sequence[int]) -> list[float]:
    """The same at these seconds, of the trials that have ended by then, one at a time."""
    ended = np.searchsorted(np.cumsum(on.seconds(asked)), times, side="right")
    return np.concatenate([[1.0], curve])[ended].round(4).tolist()


def run(seeds: range, worlds: list[str], only: list[str]) -> None:
    """Search what is not searched yet."""
    logging.disable(logging.WARNING)  # NNI warns about every model that a constraint refused
    from ednas_nni.compat import nas_search  # noqa: F401  (the doorway to nni.nas)

    patch("nni.nas.strategy.hpo.time", SimpleNamespace(sleep=lambda seconds: None)).start()  # a second a submission
    done = {(line["world"], line["strategy"], line["seed"]) for line in rows_of(RESULTS)}
    searches = contenders()
    for seed in seeds:
        for place in worlds:
            missing = [name for name in only or searches if (place, name, seed) not in done]
            on = world(place, seed)
            for name in missing:
                if seed >= SLOW.get(name, seed + 1):
                    continue
                begin = time.process_time()
                asked = searches[name](on, seed)
                seconds = time.process_time() - begin
                curve = regrets(on, seed, asked)
                times = [n for n in AT if name not in BUDGET or n <= on.seconds(asked).sum()]
                if name not in BUDGET:  # nothing new is proposed: what was searched stays
                    curve = np.pad(curve, (0, max(0, TRIALS - len(curve))), mode="edge")
                line = {
                    "world": place, "strategy": name, "seed": seed, "trials": len(asked), "cpu_s": round(seconds, 2),
                    "area": round(float(curve.mean()), 5), "best": round(on.best, 5),
                    "regret": [round(float(curve[n - 1]), 4) for n in AT if n <= len(curve)],
                    "by_seconds": by_seconds(on, asked, curve, times),
                }  # fmt: skip
                append(RESULTS, line)
                print(f"{place} {seed} {name}: {line['regret'][-1]:.3f} in {seconds:.1f} s", flush=True)


# ---------------------------------------------------------------- tables
def paired(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """95 % bootstrap interval of the mean difference over seeds."""
    rng, lead = np.random.default_rng(0), theirs - ours
    means = lead[rng.integers(len(lead), size=(4000, len(lead)))].mean(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


Runs = dict[str, dict[int, dict[str, Any]]]


def by_world() -> dict[str, Runs]:
    """World -> strategy -> seed -> what came of the search, the best strategy first."""
    found: dict[str, Runs] = {}
    for line in rows_of(RESULTS):
        found.setdefault(line["world"], {}).setdefault(line["strategy"], {})[line["seed"]] = line
    regret = lambda runs: np.mean([line["regret"][-1] for line in runs.values()])  # noqa: E731
    return {place: dict(sorted(runs.items(), key=lambda one: regret(one[1]))) for place, runs in found.items()}


def lead(ours: dict[int, dict[str, Any]], theirs: dict[int, dict[str, Any]]) -> list[str]:
    """Intervals of how much more regret `theirs` has, at its end and in the mean, over the seeds that both have."""
    both = sorted(ours.keys() & theirs.keys())
    if ours is theirs or len(both) < 5:  # fewer tell no interval
        return ["", ""]
    last = min(len(theirs[seed]["regret"]) for seed in both)
    cells = []
    for part in (slice(last - 1, last), slice(last)):
        mine, other = (np.array([np.mean(runs[seed]["regret"][part]) for seed in both]) for runs in (ours, theirs))
        low, high = paired(mine, other)
        cells.append(f"{low:+.3f} to {high:+.3f}")
    return cells


def trials_to_nni(runs: Runs, name: str) -> float:
    """Trials (median) after which a strategy has what NNI's evolution has after all of its own."""
    goal = {seed: line["regret"][-1] for seed, line in runs.get("NNI evolution", {}).items()}
    needed = [
        next((n for n, r in zip(AT, line["regret"], strict=False) if r <= goal[seed]), TRIALS + 1)
        for seed, line in runs[name].items() if seed in goal
    ]  # fmt: skip
    return float(np.median(needed)) if needed else TRIALS + 1


def sentence() -> str:
    """The sum of it."""
    worlds = by_world()
    first = sum(next(iter(runs)) == "ednas" for runs in worlds.values())
    needed = sorted(trials_to_nni(runs, "ednas") for runs in worlds.values())
    return (
        f"In {first} of {len(worlds)} worlds `ednas` ends with the least regret; it has after {needed[0]:.0f} to "
        f"{needed[-1]:.0f} trials (medians) what NNI's evolution has after {TRIALS}."
    )


def tables() -> Iterator[tuple[str, str]]:
    """World -> its table."""
    from into_docs import grid

    trials, seconds = (20, 50, 100, 200), (50, 100)
    heads = ["strategy", *(f"{n} trials" for n in trials), *(f"{n} s" for n in seconds)]
    heads += ["area", "lead of `ednas` at the end", "in area", "trials to NNI's", "n"]
    for place, runs in by_world().items():
        rows = []
        for name, by_seed in runs.items():
            cells = []
            for key, n in [("regret", n) for n in trials] + [("by_seconds", n) for n in seconds]:
                values = [x[key][AT.index(n)] for x in by_seed.values() if len(x[key]) > AT.index(n)]
                cells.append(f"{np.mean(values):.3f}" if values else "")
            median = trials_to_nni(runs, name)
            area = np.mean([x["area"] for x in by_seed.values()])
            cells += [f"{area:.3f}", *lead(runs.get("ednas", {}), by_seed)]
            rows.append([name, *cells, f"{median:.0f}" if median <= TRIALS else "-", str(len(by_seed))])
        yield place, grid(heads, rows)


def picture(path: Path) -> None:
    """Mean regret over trials, a panel a world."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    worlds = by_world()
    figure, panels = plt.subplots(1, len(worlds), figsize=(3.2 * len(worlds), 3.4), layout="constrained")
    names = sorted({name for runs in worlds.values() for name in runs})
    for panel, (place, runs) in zip(panels, worlds.items(), strict=True):
        for name, by_seed in runs.items():
            n = min(len(line["regret"]) for line in by_seed.values())
            mean = np.mean([line["regret"][:n] for line in by_seed.values()], axis=0)
            kind, width = {"NNI": ":", "optuna": "--"}.get(name.split()[0], "-"), 2.4 if name == "ednas" else 1.1
            panel.plot(AT[:n], mean, kind, label=name, color=f"C{names.index(name)}", linewidth=width)
        panel.set(title=place, xlabel="trials", yscale="log")
    panels[0].set_ylabel("regret")
    shown = {label: line for panel in panels for line, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    figure.legend(shown.values(), shown, loc="outside lower center", ncols=5, fontsize=7)
    figure.savefig(path, dpi=80)


def markdown() -> str:
    """What stands in the evidence."""
    image = "![Mean regret of each strategy over trials, a panel a world](../../docs/images/strategies.png)"
    return "\n\n".join([*(f"**{place}**{spread(place)}\n\n{table}" for place, table in tables()), image])


def spread(place: str) -> str:
    """How far a table's networks lie apart beside the noise of a trial, where it has several trainings of each."""
    on = world(place, 0)
    if not (isinstance(on, TableWorld) and on.noise):
        return ""
    return f" (standard deviations of quality: a trial's noise {on.noise:.3f}, the networks {on.spread:.3f})"


def overhead() -> None:
    """Print the median milliseconds of the processor for a proposal, after so many results."""
    from strategies.evolution import Evolution
    from strategies.policy_gradient import PolicyCore

    on, rng = world("noisy", 0), np.random.default_rng(1)
    results: dict[str, Sample] = {}
    while len(results) < 5000:
        drawn = [on.domains.random(rng) for _ in range(256)]
        fits = zip(drawn, on.problem.feasible(drawn), strict=True)
        results |= {on.domains.architecture_id(sample): sample for sample, ok in fits if ok}
    samples = list(results.values())
    values = [
        {"quality": on.observed(sample, 0), "latency_ms": float(latency)}
        for sample, latency in zip(samples, on.latency(samples), strict=True)
    ]
    for name, make in {"ednas": Evolution, "policy_gradient": PolicyCore}.items():
        for count in (100, 1000, 5000):
            core, times = make(on.problem, seed=0), []
            for sample, value in zip(samples[:count], values, strict=False):
                core.tell(sample, value)
            for _ in range(25):
                begin = time.thread_time()
                core.ask()
                times.append(1e3 * (time.thread_time() - begin))
            # The first proposals of `ednas` are planned before the search and cost nothing.
            print(f"{name} after {count} results: {np.median(times[10:]):.1f} ms", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--part", metavar="I/N", default="0/1", help="only every Nth seed, from the Ith on")
    parser.add_argument("--worlds", nargs="*", default=list(WORLDS), choices=WORLDS, metavar="WORLD")
    parser.add_argument("--only", nargs="*", default=[], metavar="STRATEGY")
    parser.add_argument("--render", action="store_true", help="only make the tables of the evidence again")
    parser.add_argument("--overhead", action="store_true", help="only measure how long proposals take")
    given = parser.parse_args()
    if given.overhead:
        overhead()
    elif given.render:
        from into_docs import DOCS, EVIDENCE, put

        put(EVIDENCE, "strategies", markdown())
        put(DOCS / "reuse.md", "first", sentence())
        picture(DOCS / "images" / "strategies.png")
    else:
        first, step = map(int, given.part.split("/"))
        run(range(first, given.seeds, step), given.worlds, given.only)


if __name__ == "__main__":
    main()
