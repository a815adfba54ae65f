"""From a study to the objects that run it: the one place where plugins are put together.

The Advisor, the trial, `ednas_nni.experiment` and `ednas check` all come through here, so a study means the
same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ednas_nni import plugins
from ednas_nni.errors import EdnasError, StudyError, did_you_mean
from ednas_nni.study import HardwareReward, Plugin, Study
from ednas_nni.study.objectives import DELTA_T, QUALITY, parse_constraint, parse_objective
from ednas_nni.study.options import check_options
from ednas_nni.study.reward import hardware_reward as hardware_reward

if TYPE_CHECKING:
    from ednas_nni.baselines import Comparison
    from ednas_nni.cost.plan import Plan
    from ednas_nni.search.problem import Problem

OFTEN = 0.02  # a share of random architectures at which a search for a feasible one cannot miss
SPACE_GIVEN = ("tasks",)
DATA_GIVEN = ("size",)
EVALUATOR_GIVEN = ("tasks", "data", "train_size", "seed", "references", "score", "init_from")


def data_options(study: Study) -> dict[str, Any]:
    """The data set as the evaluator receives it: plain data, `{name, size, **options}`."""
    return {"name": study.data.name, "size": list(study.train_size), **study.data.options}


def data_source(study: Study) -> Any:
    """The data set. Nothing is read or rendered before its `prepare`."""
    from ednas_nni.data.opening import open_source

    check_options(plugins.load("datasets", study.data.name), study.data.options, "data", DATA_GIVEN)
    return open_source(data_options(study), tuple(study.train_size))


def task_objects(study: Study) -> dict[str, Any]:
    """Task plugins, sized for the study's data. Imports torch."""
    from ednas_nni.tasks.binding import bind_task

    source = data_source(study)
    protocol = str(study.evaluator.options.get("protocol", "standard"))
    return {name: bind_task(name, source, protocol, _task_options(study, name)) for name in study.tasks}


def _task_options(study: Study, task: str) -> Mapping[str, Any]:
    """A task's own options; what is no mapping is refused by the evaluator."""
    given = study.evaluator.options.get("task_options")
    options = given.get(task) if isinstance(given, Mapping) else None
    return options if isinstance(options, Mapping) else {}


def space(study: Study) -> Any:
    """The NNI model space (not frozen). Imports torch."""
    factory = plugins.load("search_spaces", study.space.name)
    check_options(factory, study.space.options, "space", SPACE_GIVEN)
    channels = {name: task.channels for name, task in task_objects(study).items()}
    return factory(tasks=channels, **study.space.options)


def initial_weights(study: Study, model_space: Any) -> dict[str, str]:
    """What networks start from beside the seed: `init_from`, and files of weights that the space reads itself.

    Results of trainings that start elsewhere must not be mixed, so journals and references keep this.

    Args:
        study: The study.
        model_space: Its space; one that reads files tells them in `weight_fingerprints`, name -> fingerprint.

    Returns:
        Name -> fingerprint of the content.

    Raises:
        StudyError: A file is missing, or holds no tensors.
    """
    found = {}
    if study.init_from is not None:
        from ednas_nni.nn.checkpoint import Checkpoint

        try:
            found["init_from"] = Checkpoint.read(study.init_from).fingerprint
        except StudyError as error:
            raise StudyError(f"init_from: {error}") from None
    from ednas_nni.nn.capabilities import capabilities_of

    return {**found, **capabilities_of(model_space).weight_fingerprints}


def references(study: Study, file: str = "FILE.yml") -> tuple[Comparison | None, str]:
    """The single-task references that `delta_t` is measured against, or None and why; see `references.in_study`."""
    from ednas_nni.baselines import in_study

    return in_study.lookup(study, plugins.load("evaluators", study.evaluator.name), file)


def evaluator(study: Study, compared: Comparison | None = None) -> Any:
    """The evaluator; constructing it reads no data.

    Args:
        study: The study.
        compared: Its `references`; None = do without `delta_t`, unless the study cannot.

    Raises:
        EdnasError: The plugin or an option is wrong, or `delta_t` is an objective and there are no references.
    """
    factory = plugins.load("evaluators", study.evaluator.name)
    check_options(factory, study.evaluator.options, "evaluator", EVALUATOR_GIVEN)
    if compared is None and DELTA_T in _objective_names(study):
        compared = references(study)[0]
    given: dict[str, Any] = {}
    if compared is not None:
        from ednas_nni.baselines.in_study import score

        given = {"references": compared.means(), "score": score(study)}
    if study.init_from is not None:
        if "init_from" not in parameters(factory):
            raise StudyError(f"init_from: evaluator {study.evaluator.name!r} takes no weights of a file; remove it.")
        given["init_from"] = study.init_from
    _check_weighting(study.evaluator.options.get("weighting"))
    return factory(
        tasks=tuple(study.tasks),
        data=data_options(study),
        train_size=tuple(study.train_size),
        seed=study.seed,
        **given,
        **study.evaluator.options,
    )


def checked_evaluator(study: Study, compared: Comparison | None = None) -> Any:
    """As `evaluator`; one that has a `check` also looks at whatever its trials would be the first to miss.

    Raises:
        EdnasError: As `evaluator`, or a trial could not be built.
    """
    found = evaluator(study, compared)
    if hasattr(found, "check"):
        found.check()
    return found


def parameters(factory: Any) -> tuple[str, ...]:
    """Names of the arguments that a plugin takes."""
    import inspect

    return tuple(inspect.signature(getattr(factory, "__wrapped__", factory)).parameters)


def _objective_names(study: Study) -> list[str]:
    return [parse_objective(text).name for text in study.objectives]


def _check_weighting(given: Any) -> None:
    """The loss weighting is an option of evaluators; trials would be the first to miss it."""
    options = dict(given) if isinstance(given, dict) else {"name": given}
    name = options.pop("name", None)
    if name is not None:
        check_options(plugins.load("weightings", name), options, "evaluator.weighting", ("tasks",))


def trained(model_space: Any, sample: dict[str, Any], evaluator: Any) -> tuple[Any, dict[str, float]]:
    """The network of a sample, built and trained as every trial does it; it does not matter who found the sample.

    Args:
        model_space: Only its constructor is used; nothing of it is changed or shared.
        sample: Inactive labels may be missing.
        evaluator: Of `evaluator`.

    Returns:
        The trained network and its final result.

    Raises:
        SampleError: The sample does not belong to the space.
        TrialError: As the evaluator.
    """
    from ednas_nni.nn.tree import build

    evaluator.seed_everything()
    network = build(model_space, sample)
    return network, evaluator.evaluate(network)


def cost_table(study: Study, model_space: Any) -> Any:
    """Costs of every architecture of the space, priced at `deploy_size`."""
    from ednas_nni.cost import cost_table as build
    from ednas_nni.cost import registry
    from ednas_nni.data.cache import cache_root

    devices = [device(entry) for entry in study.device]
    dtype = next((one.dtype for one in devices if one.dtype), "int8")
    peak_memory = registry.device("peak_memory", {"dtype": dtype})
    columns = {column.name for one in devices for column in one.columns}
    if {column.name for column in peak_memory.columns} & (_named_costs(study) - columns):
        devices.append(peak_memory)
    return build(model_space, devices, deploy_size=tuple(study.deploy_size), folder=cache_root(None))


def _named_costs(study: Study) -> set[str]:
    """What objectives, constraints and the reward name; `problem` tells which of them cannot be read."""
    rewarded = study.hardware_aware
    found = {rewarded.cost} if isinstance(rewarded, HardwareReward) else set()
    for parse, texts in ((parse_objective, study.objectives), (parse_constraint, study.constraints)):
        for text in texts:
            with suppress(StudyError):
                found.add(parse(text).name)
    return found


def device(entry: str | Plugin) -> Any:
    """A device as a study names it.

    Raises:
        EdnasError: The device or an option is wrong.
    """
    from ednas_nni.cost import registry

    return registry.device(entry) if isinstance(entry, str) else registry.device(entry.name, entry.options)


def problem(study: Study, table: Any) -> Problem:
    """What a strategy is asked to solve.

    Raises:
        StudyError: An objective or constraint names no known quantity.
    """
    from ednas_nni.search.problem import Problem

    known = (QUALITY, *((DELTA_T,) if study.reference else ()), *table.names)
    objectives = tuple(parse_objective(text) for text in study.objectives)
    constraints = tuple(parse_constraint(text) for text in study.constraints)
    for field, names, allowed in (
        ("objectives", [o.name for o in objectives], known),
        ("constraints", [c.name for c in constraints], table.names),
    ):
        for name in names:
            if name not in allowed:
                measured = " It is known only after the training: name it under `objectives`." if name in known else ""
                raise StudyError(
                    f"{field}: {name!r} is not a quantity of this study.{measured}{did_you_mean(name, allowed)}"
                )
    return Problem(
        domains=table.domains,
        cost_names=tuple(table.names),
        costs=table,
        objectives=objectives,
        # A cost that is known up to an interval is checked at the interval's upper end.
        constraints=tuple(table.checked(constraint) for constraint in constraints),
    )


def plan(study: Study, table: Any, **options: Any) -> Plan:
    """What costs and constraints mean for the space; `options` are those of `hardware.plan.plan`.

    Raises:
        StudyError: As `problem`.
    """
    from ednas_nni.cost.plan import plan as make

    objectives = [parse_objective(text) for text in study.objectives]
    return make(table, objectives, [parse_constraint(text) for text in study.constraints], **options)


def reachable(problem: Problem, table: Any) -> dict[str, float]:
    """Most favourable value of each constrained cost, for `strategy.mount`; {} where many architectures meet them all.

    They take seconds to find and say two things: that a rare network does exist, or by how much a limit is too strict.
    """
    from ednas_nni.cost import summary

    limits = problem.constraints
    if not limits or summary.feasible_share(table, limits) >= OFTEN:
        return {}
    return {c.name: (summary.smallest if c.op == "<=" else summary.largest)(table, c.name).value for c in limits}


def check_plan(problem: Problem, found: Plan) -> None:
    """Refuse constraints that no architecture meets, with the most favourable values that the plan has found.

    Raises:
        InfeasibleError: As `strategy.reachable.check_reachable`.
    """
    from ednas_nni.search.reachable import check_reachable

    if found.kept["strategies"].count or found.kept["architectures"].count:
        return
    known = {o.checked.name: o.reachable.value for o in found.constraints if o.reachable is not None}
    check_reachable(problem, known)


def member_ids(model_space: Any) -> dict[str, str]:
    """Named members of a space -> architecture id; empty for a space without names."""
    from ednas_nni.nn.capabilities import capabilities_of
    from ednas_nni.nn.tree import domains_of

    domains, space = domains_of(model_space), capabilities_of(model_space)
    return {name: domains.architecture_id(space.member(name)) for name in space.member_names}


def start_samples(study: Study, model_space: Any) -> list[dict[str, Any]]:
    """Samples of the members named under `start`."""
    if not study.start:
        return []
    from ednas_nni.nn.capabilities import capabilities_of

    space = capabilities_of(model_space)
    if not space.member_names:
        raise StudyError(f"start: space {study.space.name!r} has no named members; remove `start`.")
    try:
        return [space.member(name) for name in study.start]
    except EdnasError as error:
        raise StudyError(f"start: {error}") from None


def strategy(study: Study, starts: Sequence[dict[str, Any]] = ()) -> Any:
    """The NNI strategy named by the study, with the study's seed where it takes one."""
    import inspect

    factory = plugins.load("strategies", study.strategy.name)
    check_options(factory, study.strategy.options, "strategy", ())
    options = dict(study.strategy.options)
    accepted = inspect.signature(factory).parameters
    if "tolerance" in accepted and DELTA_T in _objective_names(study):
        options.setdefault("tolerance", 1.0)  # percent; the strategies' own default is meant for quality
    if "seed" in accepted:
        options.setdefault("seed", study.seed)
    if "start" in accepted:
        options.setdefault("start", list(starts))
    try:
        return factory(**options)
    except (TypeError, ValueError) as error:
        raise StudyError(f"strategy {study.strategy.name!r}: {error}") from None
