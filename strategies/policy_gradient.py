"""`policy_gradient`: the controller of the first NAS papers; a distribution over each choice, moved towards reward.

**The idea.** Every label has its own categorical distribution over its choices. A network is drawn from them, trained,
and the probabilities of its choices rise if its reward was above the average of late, and fall if it was below
(REINFORCE, Williams 1992). What remains likely at the end is what the search has learned.

**Why this way.** As TuNAS (Bender et al., CVPR 2020), which found that it does what recurrent controllers do: the
reward is quality - |cost / target - 1|, an average of late rewards is the baseline, and entropy keeps the distributions
from closing too early. With `algorithm: ppo` (Schulman et al., 2017) so many results in a row are used several times,
and the ratio of a choice's new to its old probability is clipped, so that old results cannot push too far. Trials run
side by side: a result is weighed by how likely its choices have become since it was drawn.

**A tiny example**: one label with choices a, b at 0.5 each, learning rate 0.4, without entropy.

    b is drawn, its reward is one standard deviation above the baseline: logits a -0.2, b +0.2, so b has 0.60 now
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from ednas_nni.search.problem import Problem, Sample
from ednas_nni.search.shell import AskTellStrategy
from ednas_nni.study.objectives import score_of
from ednas_nni.study.options import filled, takes
from strategies.remembering import Remembering

Floats = NDArray[np.float64]
CLIP, EPOCHS = 0.2, 4
"""Of PPO: how far a ratio may go, and how often a batch is used."""
MOST = 2.0
"""Ratios of probabilities and advantages, in standard deviations, count up to here."""
CLOSED = 200
"""Results after which nothing holds the distributions open."""
STATE = ("_drawn", "_mean", "_variance", "_batch", "_results")


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class PolicyOptions:
    """Options of the policy.

    Attributes:
        seed: Random seed.
        algorithm: The policy moves after every result, or after every `batch` of them.
        learning_rate: How far one standard deviation moves the logarithms of probabilities.
        baseline: Share of the past in the running mean and spread of rewards.
        entropy: Pull towards even probabilities, as a share of the learning rate; falls to 0 in 200 results.
        batch: Results of an update of `ppo`.
    """

    seed: Annotated[int, Field(ge=0)] | None = 0
    algorithm: Literal["reinforce", "ppo"] = "reinforce"
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.4
    baseline: Annotated[float, Field(ge=0, lt=1)] = 0.9
    entropy: Annotated[float, Field(ge=0, le=10)] = 0.1
    batch: Annotated[int, Field(ge=2, le=1000)] = 8


class PolicyCore(Remembering):
    """Independent categoricals that follow the gradient of the reward; its options are `PolicyOptions`."""

    def __init__(self, problem: Problem, **options: Any) -> None:
        self.options = filled(PolicyOptions, "strategy", **options)
        super().__init__(problem, self.options.seed)
        self._logits = {d.label: np.zeros(len(d.values)) for d in problem.domains.dimensions}
        self._drawn: dict[str, dict[str, float]] = {}  # open architecture -> label -> probability when handed out
        self._mean = self._variance = 0.0  # of rewards, running
        self._batch: list[list[Any]] = []  # sample, probabilities when drawn, advantage in standard deviations
        self._results = 0

    def draw(self) -> Sample:
        """Every label by its distribution."""
        drawn = {label: self._rng.choice(len(p), p=p) for label, p in self.chances().items()}
        return self.problem.domains.decode(list(drawn.values()))

    def chances(self) -> dict[str, Floats]:
        """Label -> probability of each of its choices."""
        return {label: _softmax(logits) for label, logits in self._logits.items()}

    def opened(self, sample: Sample) -> None:
        """Remember how likely its choices are now."""
        chances = self.chances()
        likely = {label: float(chances[label][position]) for label, position in self._positions(sample).items()}
        self._drawn[self.problem.domains.architecture_id(sample)] = likely

    def learn(self, sample: Sample, values: Mapping[str, float] | None) -> None:
        """Move the distributions; a failure teaches nothing."""
        before = self._drawn.pop(self.problem.domains.architecture_id(sample))
        if values is None:
            return
        objectives = self.problem.objectives
        goal = next((o for o in objectives if o.name == score_of(objectives)), objectives[0])
        reward = float(values[goal.name] if goal.maximise else -values[goal.name])
        if self._results:
            lead = reward - self._mean
            share = min(self.options.baseline, self._results / (self._results + 1))  # a plain mean at first
            self._variance = share * (self._variance + (1 - share) * lead**2)
            self._mean += (1 - share) * lead
            self._batch.append([sample, before, float(np.clip(lead / max(self._variance, 1e-12) ** 0.5, -MOST, MOST))])
        else:
            self._mean = reward
        self._results += 1
        if self.options.algorithm == "reinforce" or len(self._batch) >= self.options.batch:
            epochs = EPOCHS if self.options.algorithm == "ppo" else 1
            for _ in range(epochs):
                self._move(self.options.learning_rate / epochs)
            self._batch = []

    def _move(self, rate: float) -> None:
        """One step along the gradient of the clipped objective, summed over the batch, and of the entropy."""
        chances = self.chances()
        steps = {label: np.zeros(len(p)) for label, p in chances.items()}
        for sample, before, lead in self._batch:
            for label, position in self._positions(sample).items():
                ratio = min(chances[label][position] / before[label], MOST)
                if self.options.algorithm == "reinforce" or (ratio - 1) * np.sign(lead) <= CLIP:
                    steps[label] -= ratio * lead * chances[label]
                    steps[label][position] += ratio * lead
        entropy = self.options.entropy * len(self._batch) * max(0.0, 1 - self._results / CLOSED)
        for label, p in chances.items():
            logs = np.log(np.maximum(p, 1e-12))
            self._logits[label] += rate * (steps[label] - entropy * p * (logs - (p * logs).sum()))

    def _positions(self, sample: Sample) -> dict[str, int]:
        """Active label -> position of its choice."""
        domains = self.problem.domains
        codes = dict(zip(domains.labels, domains.encode(sample).tolist(), strict=True))
        return {label: codes[label] for label in domains.active(sample)}

    def state_dict(self) -> dict[str, Any]:
        """As `Core.state_dict`; `shares` is for the report."""
        own = {name: getattr(self, name) for name in STATE}
        logits = {label: logits.tolist() for label, logits in self._logits.items()}
        chances = {label: p.tolist() for label, p in self.chances().items()}
        axes = self.problem.domains.dimensions
        shares = {d.label: list(map(list, zip(d.values, chances[d.label], strict=True))) for d in axes}
        return super().state_dict() | deepcopy(own) | {"logits": logits, "shares": shares}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As `Core.load_state_dict`."""
        super().load_state_dict(state)
        vars(self).update(deepcopy({name: state[name] for name in STATE}))
        self._logits = {label: np.array(logits) for label, logits in state["logits"].items()}


def _softmax(logits: Floats) -> Floats:
    raised = np.exp(logits - logits.max())
    return raised / raised.sum()


class PolicyGradient(AskTellStrategy):
    """Samples from a distribution over each choice, which moves towards reward (REINFORCE or PPO).

    It sees one number: the study's `hardware_aware` makes a reward of quality and cost of it, by default the absolute
    one of TuNAS. The report shows the probabilities of all choices.
    """

    reward = "tunas_abs"

    @takes(PolicyOptions)
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__()
        self.options = filled(PolicyOptions, "strategy", *args, **options)

    def make_core(self, problem: Problem) -> PolicyCore:
        """Make the policy."""
        return PolicyCore(problem, **vars(self.options))
