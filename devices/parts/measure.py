"""How long graphs take in a runtime on this machine, measured so that other work on it hardly matters.

Many graphs are loaded at a time and measured in rounds, in a new order each time, so that a busy minute touches all
of them alike. One thread is timed by its own processor time, which stands still while others run; of all times the
smallest counts, because disturbances only ever add. Rounds end when the smallest times of the even and of the odd ones
agree, at the latest after `Rounds.most`. What does not fit into memory together is compared over probe graphs.
Several threads have no processor time that is their latency: there the clock on the wall counts, and the machine should
be idle.
"""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tqdm import tqdm

from devices.parts.probe_graphs import probe_graphs
from devices.parts.timings import Store, Timing, comparable
from ednas_nni.graphs.graph import Graph

Opened: TypeAlias = Callable[[], object]
"""A graph that is loaded, with its inputs: each call is one inference."""
Open: TypeAlias = Callable[[Graph], Opened]
"""Loads a graph with the number of threads of the store's machine."""


@dataclass(frozen=True)
class Rounds:
    """When a measurement ends.

    Attributes:
        least: Rounds at least.
        most: Rounds at most.
        agreement: Largest difference of the halves' smallest times, as a share, that counts as stable.
        stable: Rounds end when this share of the graphs is stable. All get the same rounds, because the machine may be
            faster in later ones.
        visit_ms: A graph runs about this long in each round, at least `runs[0]` times, at most `runs[1]` times.
        runs: See `visit_ms`.
    """

    least: int = 8
    most: int = 40
    agreement: float = 0.02
    stable: float = 0.95
    visit_ms: float = 10.0
    runs: tuple[int, int] = (2, 10)


SESSIONS = 256
"""Graphs loaded at a time."""
SESSION_BYTES = 1 << 31
"""Weights and activations of all graphs loaded at a time, roughly: the runtime's arena may take twice as much."""
MEMORY_SHARE = 0.2
"""Of the free memory, at most this much is meant to be used by them."""


def measured(
    graphs: Mapping[str, Graph],
    store: Store,
    opened: Open,
    rounds: Rounds | None = None,
    title: str = "",
    quiet: bool = False,
) -> dict[str, Timing]:
    """Timings of graphs, from the store where it has them; new ones are added to it.

    Args:
        graphs: By signature.
        store: Timings of this machine. An interrupted measurement goes on after the last complete group.
        opened: Loads a graph.
        rounds: When to stop.
        title: Of the progress bar.
        quiet: Whether there is no progress bar.

    Returns:
        Signature -> timing, of all graphs, as if measured at one time.

    Raises:
        DataError: The store is damaged or cannot be written.
        StudyError: What `opened` raises where a graph cannot be loaded.
    """
    timings = store.read()
    lacking = {signature: graph for signature, graph in graphs.items() if signature not in timings}
    if lacking and not quiet:
        print(
            f"{title}: measuring {len(lacking)} of {len(graphs)} on {store.machine.title}; timings go to {store.path}",
            file=sys.stderr,
            flush=True,
        )
    rounds = rounds or Rounds()
    off = True if quiet or not lacking else None
    with tqdm(total=rounds.most * len(lacking), desc=title, unit="visit", disable=off, leave=False) as bar:
        for group in _groups(lacking):
            fresh = _measure(group, opened, store.machine.threads, rounds, bar.update)
            store.add(fresh)
            timings.update(fresh)
    # Of these alone: what is measured for another search must not move the latencies of this one.
    return comparable({signature: timings[signature] for signature in graphs})


class _Visited:
    """One loaded graph and its smallest time of each round, in ms."""

    def __init__(self, signature: str, opened: Opened, threads: int) -> None:
        self.signature = signature
        self.times: list[float] = []
        self._clock = time.thread_time if threads == 1 else time.perf_counter
        self._opened = opened
        self._run()
        self._last = self._run()

    def _run(self) -> float:
        before = self._clock()
        self._opened()
        return (self._clock() - before) * 1e3

    def visit(self, rounds: Rounds) -> None:
        """One round: once to warm the caches, then as often as it is short."""
        runs = min(max(math.ceil(rounds.visit_ms / self._last), rounds.runs[0]), rounds.runs[1])
        self._run()
        self._last = min(self._run() for _ in range(runs))
        self.times.append(self._last)

    @property
    def disagreement(self) -> float:
        """How far the smallest times of even and of odd rounds lie apart, as a share of the smallest of all."""
        halves = min(self.times[0::2]), min(self.times[1::2], default=math.inf)
        return (max(halves) - min(halves)) / min(halves)


def _measure(
    graphs: Mapping[str, Graph], opened: Open, threads: int, rounds: Rounds, advance: Callable[[int], object]
) -> dict[str, Timing]:
    """Rounds over one group of loaded graphs, with the probe graphs among them."""
    probes = probe_graphs()
    loaded = [_Visited(signature, opened(graph), threads) for signature, graph in {**probes, **graphs}.items()]
    order = random.Random(0)
    for number in range(1, rounds.most + 1):
        order.shuffle(loaded)
        for visited in loaded:
            visited.visit(rounds)
            advance(visited.signature in graphs)
        restless = sum(visited.disagreement > rounds.agreement for visited in loaded)
        if number >= rounds.least and restless <= (1 - rounds.stable) * len(loaded):
            advance((rounds.most - number) * len(graphs))
            break
    best = {visited.signature: min(visited.times) for visited in loaded}
    pace = math.exp(sum(math.log(best[signature]) for signature in probes) / len(probes))
    return {
        visited.signature: Timing(best[visited.signature], pace, len(visited.times), visited.disagreement)
        for visited in loaded
        if visited.signature in graphs
    }


def _groups(graphs: Mapping[str, Graph]) -> Iterator[dict[str, Graph]]:
    """Parts that fit into memory together, each a random one."""
    limit = min(SESSION_BYTES, int(MEMORY_SHARE * _free_memory()))
    order = list(graphs)
    random.Random(0).shuffle(order)
    group: dict[str, Graph] = {}
    held = 0
    for signature in order:
        size = graphs[signature].memory_bytes
        if group and (len(group) == SESSIONS or held + size > limit):
            yield group
            group, held = {}, 0
        group[signature] = graphs[signature]
        held += size
    if group:
        yield group


def _free_memory() -> int:
    """Bytes; a cautious guess where the system does not say."""
    try:
        rows = (line.split() for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
        return next(int(row[1]) << 10 for row in rows if row[0] == "MemAvailable:")
    except (OSError, StopIteration, ValueError, IndexError):
        return 1 << 31
