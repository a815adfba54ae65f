"""The one join: from a study to everything that runs it.

The Advisor, the trial, `ednas_nni.experiment`, baselines, `ednas trust` and `ednas check` all come through here, so a
study means the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ednas_nni import cost, plugins
from ednas_nni.baselines.comparison import lookup, score
from ednas_nni.cost import registry
from ednas_nni.cost.plan import plan as outlook
from ednas_nni.data.cache import cache_root
from ednas_nni.data.source import open_source
from ednas_nni.errors import EdnasError, StudyError
from ednas_nni.plugins import Group
from ednas_nni.record.parameters import SPLIT
from ednas_nni.search.checks import (
    check_looks_at_metrics,
    check_quantities,
    check_strategy,
    check_weighting,
    parameters,
    proved,
)
from ednas_nni.search.problem import Problem
from ednas_nni.search.reachable import check_reachable, favourable
from ednas_nni.study import PluginChoice, Study, parse
from ednas_nni.study.objectives import IN_INT8, QUALITY, Constraint, Objective, parse_constraint, parse_objective
from ednas_nni.study.options import check_options
from ednas_nni.study.reward import RewardOptions, hardware_reward
from ednas_nni.training.evaluator import EVALUATORS, Evaluator, NetworkEvaluator, needs_network

if TYPE_CHECKING:
    from torch import nn

    from ednas_nni.baselines import Comparison
    from ednas_nni.compat.nas import ModelSpace
    from ednas_nni.compat.nas_search import Chain, Strategy
    from ednas_nni.cost.device import Device
    from ednas_nni.cost.plan import Plan
    from ednas_nni.cost.table import CostTable
    from ednas_nni.data import DataSource
    from ednas_nni.nn.capabilities import Capabilities
    from ednas_nni.record.journal import Journal
    from ednas_nni.search.problem import Sample
    from ednas_nni.space.domains import Domains
    from ednas_nni.tasks.base import Task
    from ednas_nni.training.evaluator import Preparation

STRATEGIES: Group[Callable[..., Strategy]] = Group("strategies")

SPACE_GIVEN = ("tasks",)
DATA_GIVEN = ("size",)
EVALUATOR_GIVEN = ("tasks", "data", "train_size", "seed", "references", "score", "init_from")


class Assembled:
    """A study put together, piece by piece.

    Every piece is made when it is asked for, once, and from the pieces before it: data, tasks, space, costs, problem,
    evaluator, strategy, chain. So `ednas check` can try each on its own, the Advisor connects before anything heavy is
    imported, and nothing is built or checked a second time. What fails is tried again when it is asked for again.

    Pickled, it is its study alone: another process makes its own pieces.

    Args:
        study: The study.
        file: The experiment's file, for messages.

    Example:
        >>> from ednas_nni.study import parse
        >>> assembled = Assembled(parse({"space": "nano", "tasks": ["depth"]}))
        >>> assembled.source.info.size  # nothing is rendered yet
        (64, 128)
    """

    def __init__(self, study: Study, file: str = "FILE.yml") -> None:
        self.study = study
        self.file = file

    def of(self, study: Study) -> Assembled:
        """Another study of the same file, such as that of one task alone."""
        return Assembled(study, self.file)

    def __reduce__(self) -> tuple[Callable[..., Assembled], tuple[dict[str, Any], str]]:
        return _restored, (self.study.dump(), self.file)

    # ---- data and space

    @property
    def data_options(self) -> dict[str, Any]:
        """The data set as the evaluator receives it: plain data, `{name, size, **options}`."""
        data = self.study.data
        return {"name": data.name, "size": list(self.study.train_size), **data.options}

    @cached_property
    def source(self) -> DataSource:
        """The data set. Nothing is read or rendered before its `prepare`."""
        if "size" in self.study.data.options:
            raise StudyError("data.size: is set by the study: remove it, write `train_size: [64, 128]` beside `data`.")
        height, width = self.study.train_size
        return open_source(self.data_options, (height, width))

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """Task plugins by name, sized for the study's data. Imports torch."""
        from ednas_nni.tasks.binding import bind_task  # imports torch

        protocol = str(self.study.evaluator.options.get("protocol", "standard"))
        given = self.study.evaluator.options.get("task_options")
        options = given if isinstance(given, Mapping) else {}  # what is no mapping is rejected by the evaluator
        own = {name: options[name] if isinstance(options.get(name), Mapping) else {} for name in self.study.tasks}
        return {name: bind_task(name, self.source, protocol, own[name]) for name in self.study.tasks}

    @cached_property
    def space(self) -> ModelSpace:
        """The NNI model space (not frozen). Networks are made from its constructor: it is never changed."""
        factory = plugins.load("search_spaces", self.study.space.name)
        check_options(factory, self.study.space.options, "space", SPACE_GIVEN)
        channels = {name: task.channels for name, task in self.tasks.items()}
        from ednas_nni.compat.nas import ModelSpace  # heavy, and loaded by the tasks
        from ednas_nni.nn.capabilities import capabilities_of
        from ednas_nni.nn.sizes import check_resolutions

        space = proved(factory(tasks=channels, **self.study.space.options), ModelSpace, "space", self.study.space)
        said, (height, width), (rows, columns) = capabilities_of(space), self.study.train_size, self.study.deploy_size
        sizes = {"train_size": (height, width), "deploy_size": (rows, columns)}
        check_resolutions(said.resolutions, said.stride, sizes)
        return space

    @property
    def capabilities(self) -> Capabilities:
        """What the space says of itself beside its module tree."""
        from ednas_nni.nn.capabilities import capabilities_of  # imports torch

        return capabilities_of(self.space)

    @cached_property
    def domains(self) -> Domains:
        """The space as labels with values."""
        from ednas_nni.nn.tree import domains_of  # imports torch

        return domains_of(self.space)

    @cached_property
    def weights(self) -> dict[str, str]:
        """What networks start from beside the seed: `init_from`, and files of weights that the space reads itself.

        Results of trainings that start elsewhere must not be mixed, so journals and baselines keep this: name ->
        fingerprint of the content.
        """
        return {**self.initial, **self.capabilities.weight_fingerprints}

    @property
    def initial(self) -> dict[str, str]:
        """The part of `weights` that the study itself names, `init_from`; {} where it names none."""
        if self.study.init_from is None:
            return {}
        from ednas_nni.nn.checkpoint import Checkpoint  # imports torch

        try:
            return {"init_from": Checkpoint.read(self.study.init_from).fingerprint}
        except StudyError as error:
            raise StudyError(f"init_from: {error}") from None

    def member(self, name: str, field: str = "") -> Sample:
        """The sample of a named member of the space; the `field` of the study that names it is for messages.

        Raises:
            StudyError: The space has no such member, or none with names.
        """
        where = f"{field}: " if field else ""
        if not self.capabilities.member_names:
            remedy = f"; remove `{field}`." if field else "."
            raise StudyError(f"{where}space {self.study.space.name!r} has no named members{remedy}")
        try:
            return self.capabilities.member(name)
        except EdnasError as error:
            raise StudyError(f"{where}{error}") from None

    @cached_property
    def members(self) -> dict[str, str]:
        """Named members of the space -> architecture id; {} for a space without names."""
        return {name: self.domains.architecture_id(self.member(name)) for name in self.capabilities.member_names}

    @cached_property
    def starts(self) -> list[Sample]:
        """Samples of the members named under `start`."""
        return [self.member(name, "start") for name in self.study.start]

    # ---- what is asked

    @cached_property
    def objectives(self) -> tuple[Objective, ...]:
        """The parsed objectives of the study."""
        return tuple(map(parse_objective, self.study.objectives))

    @cached_property
    def constraints(self) -> tuple[Constraint, ...]:
        """The parsed constraints of the study, as it writes them."""
        return tuple(map(parse_constraint, self.study.constraints))

    @cached_property
    def table(self) -> CostTable:
        """Costs of every architecture of the space, priced at `deploy_size`."""
        # Nobody has to name a device for this cost; its numbers have the width of the first device that has one.
        named = [device(entry) for entry in self.study.device if entry != "peak_memory"]
        dtype = next((one.dtype for one in named if one.dtype and one.name != "peak_memory"), "int8")
        peak_memory = registry.device("peak_memory", {"dtype": dtype})
        rest = iter(named)
        devices = [peak_memory if entry == "peak_memory" else next(rest) for entry in self.study.device]
        priced = {column.name for one in devices for column in one.columns}
        asked = f"{self.study.objectives} {self.study.constraints} {self.study.hardware_aware}"
        if any(column.name in asked and column.name not in priced for column in peak_memory.columns):
            devices.append(peak_memory)
        size, root = tuple(self.study.deploy_size), cache_root(None)
        table: CostTable = cost.cost_table(self.space, devices, deploy_size=size, folder=root, classes=self.classes)
        return table

    @property
    def classes(self) -> frozenset[str]:
        """Tasks of which the device gives classes instead of their scores, see `deploy_outputs`."""
        from ednas_nni.tasks.decoding import picking  # imports torch

        if self.study.deploy_outputs == "raw":
            return frozenset()
        if not (tasks := picking({name: task.decoding for name, task in self.tasks.items()})):
            raise StudyError(
                f"deploy_outputs = 'classes': none of the tasks {', '.join(self.tasks)} picks one of several classes, "
                "as segmentation does. Write `deploy_outputs: raw`, or remove the line."
            )
        return tasks

    @cached_property
    def metrics(self) -> dict[str, str]:
        """What trials report beside quality, `<task>_<metric>` -> "max" or "min"; {} where no network is trained."""
        if not self.needs_network:
            return {}
        own: dict[str, str] = {
            f"{name}_{spec.name}": spec.direction for name, task in self.tasks.items() for spec in task.metrics
        }
        if self.study.evaluator.options.get("int8") is not True:
            return own
        return own | {f"{name}{IN_INT8}": direction for name, direction in {QUALITY: "max", **own}.items()}

    @cached_property
    def problem(self) -> Problem:
        """What a strategy is asked to solve; objectives and constraints name known quantities."""
        table = self.table
        check_quantities(self)
        return Problem(
            domains=table.domains,
            cost_names=tuple(table.names),
            costs=table,
            objectives=self.objectives,
            # A cost that is known up to an interval is checked at the interval's upper end.
            constraints=tuple(table.checked(constraint) for constraint in self.constraints),
        )

    def plan(self, **options: Any) -> Plan:
        """What costs and constraints mean for the space; `options` are those of `ednas_nni.cost.plan.plan`."""
        return outlook(self.table, list(self.objectives), list(self.constraints), **options)

    @cached_property
    def reachable(self) -> dict[Constraint, float]:
        """Most favourable cost for each constraint, for `mount`; takes seconds, see `favourable`."""
        return favourable(self.table, self.problem.constraints)

    def check_reachable(self) -> None:
        """Reject constraints that nothing meets; `mount` does it too."""
        check_reachable(self.problem, self.reachable)

    # ---- how a network is trained

    @cached_property
    def evaluator_plugin(self) -> Callable[..., Evaluator]:
        """The evaluator's class or factory, with its options checked."""
        name, options = self.study.evaluator.name, self.study.evaluator.options
        factory = EVALUATORS.load(name)
        check_options(factory, options, "evaluator", EVALUATOR_GIVEN)
        return factory

    @property
    def needs_network(self) -> bool:
        """Whether trials build a network and read the data; the stub evaluator answers by the sample alone."""
        return needs_network(EVALUATORS.load(self.study.evaluator.name))

    @cached_property
    def baselines(self) -> tuple[Comparison | None, str]:
        """The single-task baselines that `delta_t` is measured against, or None and why; see `baselines.comparison`."""
        return lookup(self)

    @cached_property
    def evaluator(self) -> Evaluator:
        """The evaluator; constructing it reads no data. Raises where `delta_t` is an objective without baselines."""
        return self.evaluator_against(self.baselines[0])

    def evaluator_against(self, comparison: Comparison | None) -> Evaluator:
        """As `evaluator`, measured against these baselines; None = do without `delta_t`."""
        factory, given = self.evaluator_plugin, dict[str, Any]()
        if comparison is not None:
            given = {"references": comparison.means(), "score": score(self.study)}
        if self.study.init_from is not None:
            if "init_from" not in parameters(factory):
                plugin = self.study.evaluator.name
                raise StudyError(f"init_from: evaluator {plugin!r} takes no weights of a file; remove it.")
            given["init_from"] = self.study.init_from
        check_weighting(self.study.evaluator.options)
        evaluator = factory(
            tasks=tuple(self.study.tasks),
            data=self.data_options,
            train_size=tuple(self.study.train_size),
            seed=self.study.seed,
            **given,
            **self.study.evaluator.options,
        )
        return proved(evaluator, Evaluator, "evaluator", self.study.evaluator)

    @cached_property
    def preparation(self) -> Preparation | None:
        """What the evaluator makes before its first trial, such as a supernet; mostly nothing."""
        return self.evaluator.preparation(self.space)

    def prepare(self, here: bool, progress: bool = True) -> None:
        """Make what trials read: the data and, where trials run `here`, what the evaluator makes before the first."""
        if self.needs_network:
            self.source.prepare(progress)
            if here and self.preparation is not None:
                self.preparation.make(progress)

    @cached_property
    def checked_evaluator(self) -> Evaluator:
        """As `evaluator`, which also looks at whatever its trials would be the first to miss."""
        self.evaluator.check()
        return self.evaluator

    def again(self, seed: int, **options: Any) -> Assembled:
        """The study with another seed, scored on images that no candidate has seen: what confirms its networks."""
        recipe = {**self.study.evaluator.options, **options, "scored_on": SPLIT}
        evaluator = self.study.evaluator.model_copy(update={"options": recipe})
        return self.of(self.study.model_copy(update={"evaluator": evaluator, "seed": seed}))

    def trained(self, sample: Mapping[str, Any]) -> tuple[nn.Module, dict[str, float]]:
        """The network of a sample and its final result; see the function `trained`."""
        if not isinstance(self.evaluator, NetworkEvaluator):
            raise StudyError(f"evaluator: {self.study.evaluator.name!r} trains no network; take 'jared'.")
        return trained(self.space, sample, self.evaluator)

    # ---- how it is searched

    @cached_property
    def strategy(self) -> Strategy:
        """The NNI strategy named by the study, with the study's seed where it takes one. It can be mounted once."""
        from ednas_nni.compat.nas_search import Strategy  # heavy

        factory = STRATEGIES.load(self.study.strategy.name)
        check_strategy(factory, self.study.strategy)
        options = dict(self.study.strategy.options)
        accepted = parameters(factory)
        if "seed" in accepted:
            options.setdefault("seed", self.study.seed)
        if "start" in accepted:
            options.setdefault("start", list(self.starts))
        try:
            strategy = factory(**options)
        except (TypeError, ValueError) as error:
            raise StudyError(f"strategy {self.study.strategy.name!r}: {error}") from None
        return proved(strategy, Strategy, "strategy", self.study.strategy)

    @property
    def multi_objective(self) -> bool:
        """Whether the strategy looks at the objectives itself."""
        from ednas_nni.search.shell import multi_objective  # imports torch

        return multi_objective(self.strategy)

    @cached_property
    def reward(self) -> RewardOptions | None:
        """Arguments of the reward around the strategy, None where there is none."""
        from ednas_nni.search.shell import AskTellStrategy, check_rewardable  # imports torch

        check_looks_at_metrics(self)
        usual = self.strategy.reward if isinstance(self.strategy, AskTellStrategy) else AskTellStrategy.reward
        reward = hardware_reward(self.study, not self.multi_objective, usual)
        if reward is not None:
            check_rewardable(self.strategy)
        return reward

    def mount(self, journal: Journal) -> Chain:
        """The strategy in its chain of middlewares, which writes this journal."""
        from ednas_nni.search.mounting import mount  # imports torch

        takes_starts = "start" in parameters(STRATEGIES.load(self.study.strategy.name))
        return mount(
            self.strategy,
            self.problem,
            journal,
            hardware_aware=self.reward,
            reachable=self.reachable,
            retries=self.study.retries,
            stop_after_failures=self.study.stop_after_failures,
            finish=self.study.finish,
            prune=self.study.prune,
            stop_when=self.study.stop_when,
            evaluator=lambda seed, steps: self.again(seed, steps=steps).evaluator_against(None),
            start=() if takes_starts else self.starts,
        )


def _restored(study: dict[str, Any], file: str) -> Assembled:
    return Assembled(parse(study), file)


def device(entry: str | PluginChoice) -> Device:
    """A device as a study names it."""
    return registry.device(entry) if isinstance(entry, str) else registry.device(entry.name, entry.options)


def trained(
    space: ModelSpace, sample: Mapping[str, Any], evaluator: NetworkEvaluator
) -> tuple[nn.Module, dict[str, float]]:
    """The network of a sample, built and trained as every trial does it, and its final result.

    Of the space only the constructor is used; nothing of it is changed or shared. Inactive labels may be missing.
    """
    from ednas_nni.nn.tree import build  # imports torch

    evaluator.seed_everything()
    network = build(space, sample)
    return network, evaluator.evaluate(network)


def by_recipe(assembled: Assembled) -> Assembled:
    """The study with an evaluator that trains a network by itself: one of a supernet lends its recipe."""
    from ednas_nni.training.jared import JaredEvaluator, TrainingEvaluator  # torch
    from ednas_nni.training.recipe import Recipe

    study, evaluator = assembled.study, assembled.evaluator_against(None)
    if isinstance(evaluator, JaredEvaluator) or not isinstance(evaluator, TrainingEvaluator):
        return assembled
    shared = {entry.name for entry in fields(Recipe)} - {"steps"}  # those of a supernet mean something else
    options = {name: value for name, value in study.evaluator.options.items() if name in shared}
    return assembled.of(parse({**study.dump(), "evaluator": {"name": "jared", **options}}))
