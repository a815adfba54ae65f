"""The contract of a search strategy, for a test of its author; see docs/adding_a_strategy.md.

`check_strategy(lambda seed: my_strategy(seed=seed), tmp_path)`

For an ask/tell core alone there is `check_core`. Both raise `PluginError` with what is wrong.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ednas_nni.errors import PluginError
from ednas_nni.record.journal import History, Journal
from ednas_nni.search.core import Core
from ednas_nni.search.problem import Problem, Sample
from ednas_nni.space.domains import Dimension, Domains
from ednas_nni.testing.rules import rule
from ednas_nni.testing.synthetic import Synthetic, drive

if TYPE_CHECKING:
    from ednas_nni.compat.nas_search import Chain, Strategy
    from ednas_nni.search.middleware.cost_aware import CostAware
    from ednas_nni.testing.engines import FakeEngine

ASK_MEDIAN_S = 0.1
CONSTRAINTS = ("latency_ms <= 3", "macs >= 3.5e8")
"""Of the problem for cores: a limit of each direction."""


def search(
    strategy: Strategy,
    world: Synthetic,
    problem: Problem,
    path: Path,
    trials: int = 8,
    workers: int = 1,
    hardware_aware: CostAware | Mapping[str, object] | None = None,
    seed: int = 0,
    trial: Callable[[Sample], object] | None = None,
    **engine: Any,
) -> tuple[Chain, FakeEngine, History]:
    """Run a mounted strategy on a synthetic problem: the chain, the engine and the journal's history."""
    from ednas_nni.search.mounting import mount
    from ednas_nni.testing.engines import FakeEngine, PlainSpace

    rng = np.random.default_rng(seed)
    fake = FakeEngine(trial or (lambda sample: world.trial(sample, rng)), trials, workers, **engine)
    journal = Journal(path)
    try:
        chain = mount(strategy, problem, journal, hardware_aware=hardware_aware)
        chain(PlainSpace(world.domains), fake)
        fake.wait_models()
    finally:
        journal.close()
    return chain, fake, journal.history()


def check_strategy(make: Callable[[int], Strategy], folder: Path, trials: int = 6, seeded: bool = True) -> None:
    """Run the whole contract of a multi-trial strategy.

    `make` takes a seed; journals are written to the folder. Keep `trials` (a search) small where NNI's strategy sleeps
    a second per submission; `seeded` is whether the same seed must give the same architectures.
    """
    world = Synthetic(noise=0.01)
    problem = world.problem()
    _, fake, history = search(make(1), world, problem, folder / "one.jsonl", trials)
    check_history(history, fake.submitted, problem, trials)
    if seeded:
        _, again, _ = search(make(1), world, problem, folder / "two.jsonl", trials)
        same = again.submitted == fake.submitted
        rule("strategy", same, "the same seed and one worker gave another sequence of architectures.")
    _, wide, history = search(make(2), world, problem, folder / "three.jsonl", trials, workers=3)
    check_history(history, wide.submitted, problem, trials)
    check_failures(make, folder / "four.jsonl", trials)


def check_history(history: History, submitted: list[Sample], problem: Problem, trials: int) -> None:
    """What must hold of every journal: budget used, each architecture once, feasible, canonical, ended."""
    domains = problem.domains
    started = [record.sample for record in history.trials]
    rule("strategy", len(started) == trials, f"{len(started)} trials were started, the budget was {trials}.")
    rule("record", started == submitted, "the journal and the engine disagree about what was trained.")
    ids = [record.architecture for record in history.trials]
    rule("strategy", len(set(ids)) == len(ids), "an architecture was trained twice.")
    for record in history.trials:
        trial, sample, broken = f"trial {record.trial}", record.sample, problem.violations(record.sample)
        rule("strategy", domains.canonical(sample) == sample, f"{trial} has a sample that is not canonical.")
        rule("strategy", not broken, f"{trial} is outside the constraints: {'; '.join(broken)}.")
        rule("record", record.costs == problem.cost_dict(sample), f"{trial} has other costs than its network.")
        rule("record", record.status != "running", f"{trial} never ended.")


def check_failures(make: Callable[[int], Strategy], path: Path, trials: int) -> None:
    """A strategy goes on after trials that crash or report NaN, and none of them becomes a number."""
    world = Synthetic(noise=0.0)
    problem = world.problem()
    count = iter(range(10**6))

    def trial(sample: Sample) -> Any:
        turn = next(count) % 3
        if turn == 0:
            raise RuntimeError("boom")
        return {"default": float("nan")} if turn == 1 else world.trial(sample, np.random.default_rng(0))

    chain, fake, history = search(make(3), world, problem, path, trials, trial=trial)
    check_history(history, fake.submitted, problem, trials)
    for turn, record in enumerate(history.trials):
        good = turn % 3 == 2
        if good != (record.status == "trained") or good != (record.quality is not None):
            raise PluginError(f"record: trial {record.trial} is {record.status} with quality {record.quality}.")
        rule("record", good or bool(record.cause), f"trial {record.trial} failed without a cause.")
    best = max((r.quality for r in history.trials if r.quality is not None), default=None)
    listed = [model.metric for model in chain.list_models(limit=1)]
    rule("list_models", listed == [best] or best is None, f"the best is {listed}, that of the journal {best}.")


def check_core(make: Callable[[Problem, int], Core], budget: int = 40) -> None:
    """Run the contract of an ask/tell core, made of (problem, seed), with so many trials a run."""
    world = Synthetic(noise=0.01)
    problem = world.problem([*CONSTRAINTS])
    for workers in (1, 4):
        core = make(problem, 0)
        asked = drive(core, world, budget, np.random.default_rng(0), workers)
        ids = [problem.domains.architecture_id(sample) for sample in asked]
        rule("core", len(asked) >= budget, f"only {len(asked)} of {budget} samples were proposed: {core.reason!r}.")
        rule("core", len(set(ids)) == len(ids), "an architecture was proposed twice.")
        rule("core", bool(problem.feasible(asked).all()), "an infeasible sample was proposed.")
        rule("core", list(map(problem.domains.canonical, asked)) == asked, "a sample is not canonical.")
        if drive(make(problem, 0), world, budget, np.random.default_rng(0), workers) != asked:
            raise PluginError("core: the same seed gave another sequence.")
    _check_resume(make, world, problem, budget)
    _check_end(make)
    _check_told_by_others(make, world, problem)
    _check_speed(make(problem, 0), world, budget)


def _step(core: Core, world: Synthetic) -> Sample:
    sample = _asked(core)
    _tell(core, world, sample)
    return sample


def _tell(core: Core, world: Synthetic, sample: Sample) -> None:
    costs = core.problem.cost_dict(sample)
    core.tell(sample, {o.name: costs.get(o.name, world.quality(sample)) for o in core.problem.objectives})


def _check_resume(make: Callable[[Problem, int], Core], world: Synthetic, problem: Problem, budget: int) -> None:
    whole = make(problem, 5)
    drive(whole, world, budget // 2, np.random.default_rng(0))
    taken = whole.state_dict()
    text = _as_json(taken)
    rest = [_step(whole, world) for _ in range(budget // 2)]
    rule("core", _as_json(taken) == text, "a state changes while the core goes on; state_dict must give copies.")
    resumed = make(problem, 99)
    resumed.load_state_dict(taken)
    if [_step(resumed, world) for _ in range(budget // 2)] != rest:
        raise PluginError("core: after load_state_dict another sequence followed.")
    rule("core", _as_json(taken) == text, "loading, or what follows, changes the state that it was given; copy it.")
    before = make(problem, 5)
    lost = [_asked(before) for _ in range(3)]
    for _ in range(2):  # a second crash comes when the first of them was handed out again
        resumed = make(problem, 5)
        resumed.load_state_dict(json.loads(_as_json(before.state_dict())))
        resumed.reopen()
        before, again = resumed, [_asked(resumed)]
    again += [_asked(resumed) for _ in lost[1:]]
    rule("core", all(sample in again for sample in lost), "a sample that was open when the state was taken is lost.")


def _check_end(make: Callable[[Problem, int], Core]) -> None:
    few = Domains([Dimension("width", (8, 16, 24))])
    problem = Problem(few, ("latency_ms",), lambda samples: np.array([[s["width"]] for s in samples]))
    core = make(problem, 0)
    for _ in few.dimensions[0].values:
        if sample := core.ask():
            core.tell(sample, {"quality": 0.5})
    rule("core", core.ask() is None and core.reason != "", "a space is used up, and ask gives no None with a reason.")


def _as_json(state: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(state)
        plain = json.loads(text) == state
    except (TypeError, ValueError) as error:
        raise PluginError(
            f"core: state_dict must be plain JSON data ({error}). Write int(x), float(x), list(x)."
        ) from None
    rule("core", plain, "the state is another one after JSON; write lists for tuples, texts for other keys.")
    return text


def _check_told_by_others(make: Callable[[Problem, int], Core], world: Synthetic, problem: Problem) -> None:
    """What somebody else trained is taken in, and not proposed again, whether it succeeded or failed."""
    for succeeded in (True, False):
        core, sample = make(problem, 7), _asked(make(problem, 7))
        try:
            _tell(core, world, sample) if succeeded else core.tell(sample, None, "made by the contract suite")
        except Exception as error:  # whatever an author's code does with a sample that it does not know
            raise PluginError(
                f"core: tell of a sample that it never proposed fails ({type(error).__name__}: {error}); a resumed "
                "search tells what was trained before."
            ) from error
        if sample in [_step(core, world) for _ in range(8)]:
            raise PluginError("core: a sample whose outcome it was told before is proposed again.")


def _asked(core: Core) -> Sample:
    sample = core.ask()
    if sample is None:
        raise PluginError(f"core: it proposes nothing although the budget is not used up: {core.reason!r}.")
    return sample


def _check_speed(core: Core, world: Synthetic, budget: int) -> None:
    # Time of the processor, not of the clock: a busy machine must not fail a plugin.
    times = []
    for _ in range(budget):
        begin = time.thread_time()
        sample = _asked(core)
        times.append(time.thread_time() - begin)
        core.tell(sample, {o.name: world.quality(sample) for o in core.problem.objectives})
    if float(np.median(times)) > ASK_MEDIAN_S:
        raise PluginError(f"core: ask takes {1e3 * float(np.median(times)):.1f} ms in the median.")
