"""`optuna`: any sampler of Optuna as a strategy, asynchronous; needs the extra `optuna`.

**The idea.** Optuna's study is the memory: what is handed out is a running trial of it, what has ended a finished one,
with the study's objectives as values and the constraints as Optuna's. A sampler is asked for a point, which becomes
the canonical sample of that point: inactive labels must not look like differences.

**Why this way.** Costs are known before a training, so a point outside the limits is never trained: it becomes a pruned
trial with its violation, from which TPE learns, and the sampler is asked again. After a few such points, or ones that
were asked before, the last one is changed until it fits, as a model that insists would insist for ever. Samplers keep
random numbers and caches that cannot be saved, so each question makes a new one: Optuna's trials are the whole state.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from ednas_nni.errors import StudyError, did_you_mean
from ednas_nni.plugins import load_path
from ednas_nni.search.problem import Problem, Sample
from ednas_nni.search.shell import AskTellStrategy
from strategies.remembering import Remembering

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler

SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "tpe": ("TPESampler", {}),
    "gp": ("GPSampler", {}),
    "nsga2": ("NSGAIISampler", {"population_size": 12}),
    "nsga3": ("NSGAIIISampler", {"population_size": 12}),
}
"""Short names -> Optuna's, with options for searches of a few dozen trials."""


class OptunaCore(Remembering):
    """An Optuna study that is asked and told; `sampler` makes a sampler from a seed."""

    multi_objective = True
    draws: ClassVar[int] = 4

    def __init__(self, problem: Problem, sampler: Callable[..., BaseSampler], seed: int | None = 0) -> None:
        super().__init__(problem, seed)
        self._make = sampler
        self._numbers: dict[str, int] = {}  # open architecture -> number of its trial
        self._new_study()

    def _new_study(self) -> None:
        import optuna  # an extra

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        one, goal = optuna.distributions.CategoricalDistribution, optuna.study.StudyDirection
        self._axes: dict[str, BaseDistribution] = {d.label: one(d.values) for d in self.problem.domains.dimensions}
        self._states = {state.name: state for state in optuna.trial.TrialState}
        self._storage = optuna.storages.InMemoryStorage()
        directions = [goal.MAXIMIZE if o.maximise else goal.MINIMIZE for o in self.problem.objectives]
        self._study = optuna.create_study(storage=self._storage, directions=directions)
        self._id = self._storage.get_study_id_from_name(self._study.study_name)

    def draw(self) -> Sample:
        """A new sampler's point; where it breaks a constraint, a pruned trial says so."""
        self._study.sampler = self._make(seed=int(self._rng.integers(2**32)))
        asked = self._study.ask(self._axes)
        sample = self.problem.domains.canonical(asked.params)
        self._study.tell(asked, state=self._states["FAIL"])  # a trial of the canonical sample takes its place
        if not self.problem.feasible([sample])[0]:
            self._add("PRUNED", sample)
        return sample

    def opened(self, sample: Sample) -> None:
        """A running trial; to genetic samplers it belongs to the generation in which it was opened."""
        from optuna.samplers import BaseGASampler  # an extra

        number = self._numbers[self.problem.domains.architecture_id(sample)] = self._add("RUNNING", sample)
        if isinstance(self._study.sampler, BaseGASampler):
            self._study.sampler.get_trial_generation(self._study, self._study.get_trials(deepcopy=False)[number])

    def learn(self, sample: Sample, values: Mapping[str, float] | None) -> None:
        """End the trial."""
        number = self._numbers.pop(self.problem.domains.architecture_id(sample))
        results = [float(values[o.name]) for o in self.problem.objectives] if values else None
        self._study.tell(number, results, state=self._states["COMPLETE" if results else "FAIL"])

    def _add(self, state: str, sample: Sample | None = None, values: Any = None, attributes: Any = None) -> int:
        """Add a trial as it stands; its number. Without attributes, which are of a saved one, it has constraints."""
        from optuna.trial import create_trial  # an extra

        excess: dict[str, float] = {}
        if sample and attributes is None:
            costs = self.problem.cost_dict(sample)
            for one in self.problem.constraints:
                excess[str(one)] = min((costs[one.name] - one.bound) * (1 if one.op == "<=" else -1), 1e18)
        now, axes = self._states[state], self._axes if sample else dict[str, Any]()
        given: dict[str, Any] = {"values": values, "system_attrs": attributes, "constraints": excess or None}
        self._study.add_trial(create_trial(state=now, params=sample or {}, distributions=axes, **given))
        return len(self._study.get_trials(deepcopy=False)) - 1

    def state_dict(self) -> dict[str, Any]:
        """As `Core.state_dict`."""
        lines: list[list[Any]] = []
        for trial in self._study.get_trials(deepcopy=False):
            codes = self.problem.domains.encode(trial.params).tolist() if trial.state.name != "FAIL" else None
            lines.append([trial.state.name, codes, trial.values, dict(trial.system_attrs) if codes else None])
        shared = self._storage.get_study_system_attrs(self._id)
        return super().state_dict() | {"trials": lines, "numbers": dict(self._numbers), "study": dict(shared)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As `Core.load_state_dict`."""
        super().load_state_dict(state)
        self._new_study()
        for name, codes, values, attributes in state["trials"]:
            self._add(name, self.problem.domains.decode(codes) if codes else None, values, attributes)
        for key, value in state["study"].items():
            self._storage.set_study_system_attr(self._id, key, value)
        self._numbers = dict(state["numbers"])


class OptunaStrategy(AskTellStrategy):
    """Asks a sampler of Optuna; it weighs the objectives itself. Needs the extra `optuna`.

    Args:
        sampler: `tpe`, `gp` (a Gaussian process), `nsga2`, `nsga3`, another class of `optuna.samplers`, or
            `module:Class`.
        sampler_options: Arguments of the sampler, such as `{n_startup_trials: 8}`.
        seed: Random seed.

    Raises:
        StudyError: Optuna is not installed, there is no such sampler, or it does not take these options.
    """

    multi_objective = True

    def __init__(
        self,
        sampler: str = "tpe",
        sampler_options: dict[str, Any] | None = None,
        seed: Annotated[int, Field(ge=0)] | None = 0,
    ) -> None:
        super().__init__()
        self.seed, self.sampler = seed, sampler_of(sampler, sampler_options or {})

    def make_core(self, problem: Problem) -> OptunaCore:
        """Make the study."""
        return OptunaCore(problem, self.sampler, self.seed)


def sampler_of(name: str, options: Mapping[str, Any]) -> Callable[..., BaseSampler]:
    """What makes the sampler of that name from a seed; see `OptunaStrategy`."""
    try:
        import optuna  # an extra
    except ImportError as error:
        raise StudyError(f"strategy 'optuna' needs Optuna ({error}): pip install 'ednas-nni[optuna]'") from None
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)  # NSGA-III is one, for years
    title, defaults = SAMPLERS.get(name, (name, {}))
    kind: Any = load_path("strategies", name) if ":" in name else vars(optuna.samplers).get(title)
    if not (isinstance(kind, type) and issubclass(kind, optuna.samplers.BaseSampler)):
        hint = did_you_mean(name, [*SAMPLERS, *optuna.samplers.__all__])
        raise StudyError(f"strategy.sampler: {name!r} is no sampler of Optuna.{hint}")
    make: Callable[..., BaseSampler] = partial(kind, **{**defaults, **options})
    try:
        make(seed=0)  # so that options are rejected at once
    except (TypeError, ValueError) as error:
        raise StudyError(f"strategy.sampler_options: {title} is not made with {options}: {error}") from None
    return make
