"""Which networks a supernet trains: the largest, the smallest, and others spread over what they cost.

Labels drawn evenly hardly ever give a network at either end: of twelve blocks that are each large or small, one in
4,096 is all small. Yet the ends are where devices with little and with much room look, and where shared weights fit
worst. So a pool of samples is drawn that mixes the smallest, the largest and even draws in every proportion, sorted by
MACs and cut into bins that are equally wide in log MACs; a path takes a bin at random, then a sample of that bin.

Example: with MACs from 10 M to 80 M and 3 bins, a third of the paths has 10 to 20 M, a third 20 to 40 M, a third 40 to
80 M, whatever share of the space that is. (Samples by cost: AttentiveNAS, Wang et al., CVPR 2021, arXiv 2011.09011.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ednas_nni.space.domains import Domains, Sample

Price = Callable[[NDArray[np.int16]], NDArray[np.float64]]
"""Encoded samples (n, labels) -> their MACs (n,)."""

POOL, BINS = 4096, 12


def extreme(domains: Domains, price: Price, largest: bool) -> Sample:
    """The network of most, or of fewest MACs: label by label, until no change of one label helps.

    Exact where each choice adds its own part, as in a trunk of blocks; elsewhere near enough for training.
    """
    best = domains.decode([len(d.values) - 1 if largest else 0 for d in domains.dimensions])
    sign = 1.0 if largest else -1.0
    while True:
        changes = [
            domains.encode({**best, d.label: value})
            for d in domains.dimensions
            for value in d.values
            if value != best[d.label]
        ]
        prices = sign * price(np.stack([domains.encode(best), *changes]))
        top = int(prices.argmax())
        if prices[top] <= prices[0]:
            return best
        best = domains.decode(changes[top - 1])


class Paths:
    """Draws the networks of each step.

    Args:
        domains: Of the space.
        price: MACs of samples.
        seed: Equal seeds draw equally.
        sampling: "macs" spreads draws over MACs; "labels" draws each choice evenly and by itself; "dealt" deals its
            values like shuffled cards, so that among any k draws in a row from the first each of its k values comes
            once: operations with weights of their own are then trained equally often, and ranked by what they are worth
            instead of by their luck (strict fairness of FairNAS, Chu et al., ICCV 2021, arXiv 1907.01845).

    Attributes:
        largest: The network of most MACs; `smallest` of fewest.
    """

    def __init__(self, domains: Domains, price: Price, seed: int, sampling: str = "macs") -> None:
        self.largest, self.smallest = extreme(domains, price, True), extreme(domains, price, False)
        self._domains, self._rng, self._seed = domains, np.random.default_rng([seed, 17]), seed
        self._sampling, self._drawn = sampling, 0
        self._bins: list[NDArray[np.int16]] = []
        if sampling == "macs":
            pool = np.unique(self._pool(), axis=0)
            macs = np.log(np.maximum(price(pool), 1.0))
            edges = np.linspace(macs.min(), macs.max(), BINS + 1)[1:-1]
            where = np.searchsorted(edges, macs)
            self._bins = [pool[where == i] for i in range(BINS) if (where == i).any()]

    def _pool(self) -> NDArray[np.int16]:
        """Encoded samples (POOL, labels): each label as in the smallest, as in the largest, or drawn evenly."""
        rng, domains = self._rng, self._domains
        ends = np.stack([domains.encode(self.smallest), domains.encode(self.largest)])
        even = (rng.random((POOL, len(domains))) * [len(d.values) for d in domains.dimensions]).astype(np.int16)
        end = ends[rng.integers(2, size=POOL)]
        mixed = np.where(rng.random((POOL, len(domains))) < rng.random((POOL, 1)), end, even)
        return np.stack([domains.encode(domains.decode(row)) for row in mixed])

    def draw(self) -> Sample:
        """One canonical sample."""
        if self._sampling == "labels":
            return self._domains.random(self._rng)
        if self._sampling == "dealt":
            self._drawn += 1
            return self._domains.decode([self._dealt(i) for i in range(len(self._domains))])
        chosen = self._bins[self._rng.integers(len(self._bins))]
        return self._domains.decode(chosen[self._rng.integers(len(chosen))])

    def _dealt(self, label: int) -> int:
        """The code that a label has in the last draw."""
        cards = len(self._domains.dimensions[label].values)
        deal, card = divmod(self._drawn - 1, cards)
        return int(np.random.default_rng([self._seed, 18, label, deal]).permutation(cards)[card])

    @property
    def state(self) -> dict[str, Any]:
        """Which draws come next, as plain data; it can be set."""
        return {"generator": dict(self._rng.bit_generator.state), "drawn": self._drawn}

    @state.setter
    def state(self, value: dict[str, Any]) -> None:
        self._rng.bit_generator.state, self._drawn = value["generator"], value["drawn"]

    def step(self, number: int, sandwich: bool) -> list[Sample]:
        """The networks of one step, canonical; with the sandwich rule the largest comes first, then the smallest.

        Args:
            number: How many, at least 1.
            sandwich: Whether both ends take part in every step (BigNAS, arXiv 2003.11142, section 3.2).
        """
        ends = [self.largest, self.smallest][:number] if sandwich else []
        return [*ends, *(self.draw() for _ in range(number - len(ends)))]
