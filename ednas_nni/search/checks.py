"""What an assembled study asks for that cannot be done: each check raises a StudyError that names the way out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import Field

from ednas_nni import plugins
from ednas_nni.errors import StudyError, did_you_mean, quoted
from ednas_nni.search.reachable import check_reachable
from ednas_nni.study import PluginChoice
from ednas_nni.study.objectives import DELTA_T, IN_INT8, QUALITY
from ednas_nni.study.options import check_options, check_value

if TYPE_CHECKING:
    from ednas_nni.cost.plan import Plan
    from ednas_nni.search.assembled import Assembled

Made = TypeVar("Made")
NNI_OPTIONS: dict[str, object] = {
    "population_size": Annotated[int, Field(ge=1, le=100_000)],
    "sample_size": Annotated[int, Field(ge=1, le=100_000)],
    "mutation_prob": Annotated[float, Field(ge=0.001, le=1)],
    "samples_per_update": Annotated[int, Field(ge=1, le=100_000)],
    "seed": Annotated[int, Field(ge=0, lt=2**32)] | None,
    "optimize_mode": Literal["maximize"],
}
"""What arguments of NNI's own strategy classes may be, which check nothing themselves."""


def proved(thing: object, kind: type[Made], field: str, plugin: PluginChoice) -> Made:
    """What a plugin's factory has made, if it is of its group's kind: a path may lead to any function."""
    if not isinstance(thing, kind):
        raise StudyError(
            f"{field}: {plugin.name!r} makes a {type(thing).__name__}, not a {kind.__module__}.{kind.__qualname__}. "
            f"Name a plugin of that kind: `ednas plugins`."
        )
    return thing


def parameters(factory: Callable[..., Any]) -> tuple[str, ...]:
    """Names of the arguments that a plugin takes."""
    return tuple(inspect.signature(inspect.unwrap(factory)).parameters)


# -------------------------------------------------------------------- objectives and constraints
def check_quantities(assembled: Assembled) -> None:
    """Objectives and constraints name quantities of the study, metrics in their own direction."""
    table, metrics = assembled.table, assembled.metrics
    measured = (QUALITY, *((DELTA_T,) if assembled.study.reference else ()), *metrics)
    devices = {column.name: column.device for column in table.columns}
    _check_names("objectives", [o.name for o in assembled.objectives], (*measured, *table.names), devices)
    for objective in assembled.objectives:
        score = objective.name in (QUALITY, DELTA_T)
        better = "max" if score else metrics.get(objective.name, objective.direction)
        if better != objective.direction:
            raise StudyError(
                f"objectives: of {objective.name} {'more' if better == 'max' else 'less'} is better. Write "
                f"'{better}:{objective.name}'."
            )
    _check_names("constraints", [c.name for c in assembled.constraints], table.names, devices, measured)


def _check_names(
    field: str,
    names: Iterable[str],
    allowed: tuple[str, ...],
    devices: Mapping[str, str],
    measured: tuple[str, ...] = (),
) -> None:
    for name in names:
        if name not in allowed:
            late = " It is known only after the training: name it under `objectives`." if name in measured else ""
            if name.endswith(IN_INT8) and name.removesuffix(IN_INT8) in allowed:
                hint = " Write `int8: true` under `evaluator` for it."
            else:
                hint = in_full(name, devices) or did_you_mean(name, allowed)
            raise StudyError(f"{field}: {name!r} is not a quantity of this study.{late}{hint}")


def in_full(name: str, devices: Mapping[str, str]) -> str:
    """The way out for a cost, of {cost: device}, with its device's name in front where it has none; else ""."""
    plain = [column for column, device in devices.items() if f"{device}_{column}" == name]
    return f" Write {plain[0]!r}: no device before it in the study has a cost of that name." if plain else ""


def check_plan(assembled: Assembled, plan: Plan) -> None:
    """Reject constraints that no architecture meets, with the most favourable values that a plan has found."""
    if not plan.shares["strategies"].count and not plan.shares["architectures"].count:
        best = {o.checked: o.reachable.value for o in plan.constraints if o.reachable is not None}
        check_reachable(assembled.problem, best)


# -------------------------------------------------------------------- how a network is trained
def check_weighting(options: Mapping[str, Any]) -> None:
    """The evaluator's options of a weighting, which trials would be the first to miss."""
    weighting = options.get("weighting")
    given = dict(weighting) if isinstance(weighting, dict) else {"name": weighting}
    if (name := given.pop("name", None)) is not None:
        check_options(plugins.load("weightings", name), given, "evaluator.weighting", ("tasks",))


def check_again(assembled: Assembled, then: str, *options: str) -> None:
    """Reject an evaluator that cannot score on other images, or lacks one of these options; `then` ends it."""
    for name in ("scored_on", *options):
        if name not in parameters(assembled.evaluator_plugin):
            raise StudyError(f"evaluator {assembled.study.evaluator.name!r} has no option {name!r}, {then}.")


def check_finish(assembled: Assembled, trials: int | None) -> None:
    """Reject a `finish` that cannot be done by so many trials in all; None = as many as it takes."""
    finish = assembled.study.finish
    if finish is None:
        return
    check_again(assembled, "so `finish` has no way to train its networks; remove it", "steps")
    if DELTA_T in [objective.name for objective in assembled.objectives]:
        raise StudyError(
            "finish: delta_t is measured against baselines that are scored on other images than `finish` scores "
            "on. Remove `finish`, and use `ednas confirm`, which makes such baselines."
        )
    if trials is not None and trials <= finish.trials:
        raise StudyError(
            f"finish: {finish.networks} networks x {finish.seeds} seeds are {finish.trials} trials, and "
            f"maxTrialNumber is {trials}: nothing is left to search with. Raise it, or finish less."
        )


# -------------------------------------------------------------------- how it is searched
def check_strategy(factory: Callable[..., object], choice: PluginChoice) -> None:
    """Options of a strategy's class or factory."""
    from ednas_nni.compat.nas_search import OneShotStrategy  # heavy

    if isinstance(factory, type) and issubclass(factory, OneShotStrategy):
        raise StudyError(
            f"strategy: {choice.name!r} is a one-shot strategy: it trains one supernet and proposes "
            "no architectures. Take one of `ednas plugins strategies`; experiments/one_shot.py runs one-shot ones."
        )
    start = choice.options.get("start")
    if isinstance(start, str) or (isinstance(start, list) and any(isinstance(name, str) for name in start)):
        raise StudyError(
            f"strategy.start = {quoted(start)}: takes samples. Names of members belong into the study's own field "
            "`start`, beside `strategy`."
        )
    check_options(factory, choice.options, "strategy", ())
    if factory.__module__.startswith("nni."):
        _check_nni(factory, choice.options)


def _check_nni(factory: Callable[..., object], options: Mapping[str, Any]) -> None:
    for name, value in options.items():
        if name in NNI_OPTIONS:
            check_value(f"strategy.{name}", value, NNI_OPTIONS[name])
    if options.get("sample_size", 1) > options.get("population_size", 100):
        raise StudyError("strategy.sample_size: must be at most population_size.")
    if factory.__name__ == "TPE" and "optimize_mode" not in options:
        raise StudyError(
            "strategy: NNI's TPE minimises by default. Write `strategy: tpe`, or `optimize_mode: maximize`."
        )


def check_first_proposal(assembled: Assembled) -> None:
    """Ask a fresh core of the strategy for one architecture, where it is an ask/tell core; nothing is trained."""
    from ednas_nni.search.shell import AskTellStrategy  # imports torch

    if isinstance(assembled.strategy, AskTellStrategy):
        core, name = assembled.strategy.make_core(assembled.problem), assembled.study.strategy.name
        sample = core.ask()
        if sample is None:
            raise StudyError(f"strategy {name!r} proposes nothing: {core.reason or 'no reason'}.")
        assembled.problem.domains.complete(sample)


def check_looks_at_metrics(assembled: Assembled) -> None:
    """Reject objectives that are metrics for a strategy that looks at one number."""
    named = [objective.name for objective in assembled.objectives if objective.name in assembled.metrics]
    if named and not assembled.multi_objective:
        raise StudyError(
            f"objectives: strategy {assembled.study.strategy.name!r} looks at one number, {QUALITY} or {DELTA_T}, not "
            f"at {named[0]}. Write `strategy: ednas`."
        )
