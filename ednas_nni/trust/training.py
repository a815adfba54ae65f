"""Trains architectures by several recipes, as trials do, and keeps each training as it ends."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ednas_nni import plugins
from ednas_nni.errors import EdnasError, StudyError, did_you_mean
from ednas_nni.search import assembly
from ednas_nni.study import Study, parse
from ednas_nni.study.objectives import DELTA_T, QUALITY, parse_objective
from ednas_nni.training.pool import results
from ednas_nni.trust.record import SHIPPED, TRUTH, Record
from ednas_nni.trust.sampling import stratified

# Searches, references and confirmations count from smaller numbers; the longer training shares no seed with the others.
FIRST_SEED, FIRST_SEED_OF_TRUTH, FIRST_OWN_SEED = 5000, 6000, 10_000
OWN_SEEDS = "own_seeds"
"""Of a recipe: every architecture has seeds of its own, so that no two see their batches in the same order."""
CONTROLS = ("macs", "params")
SCORED_ON, HELD_OUT = "scored_on", "select"


@dataclass(frozen=True)
class Failure:
    """A training that gave no result."""

    recipe: str
    architecture: str
    seed: int
    cause: str

    def __str__(self) -> str:
        return f"{self.recipe}, architecture {self.architecture}, seed {self.seed}: {self.cause}"


def planned(
    study: Study, architectures: int, seeds: int, longer: float, recipes: Mapping[str, Mapping[str, Any]]
) -> Record:
    """What is to be trained: nothing of it is yet.

    Args:
        study: Space, data, tasks, constraints and recipe.
        architectures: How many, spread over the study's first cost objective (macs without one).
        seeds: Trainings of each by each recipe.
        longer: How many times the study's steps the training takes that the others are compared with.
        recipes: Further recipes: name -> options that differ from the study's evaluator.

    Raises:
        StudyError: The evaluator has no `steps`, or a recipe has an option that it lacks or is scored on the images of
            the longer training.
        InfeasibleError: Too few architectures meet the constraints.
    """
    factory = plugins.load("evaluators", study.evaluator.name)
    accepted = assembly.parameters(factory)
    if "steps" not in accepted:
        raise StudyError(f"evaluator {study.evaluator.name!r} has no option 'steps', so nothing can be trained longer.")
    truth: dict[str, Any] = {"steps": round(_steps(study) * longer)}
    if SCORED_ON in accepted:
        # Scored on other images: what the images of the search split have in common must not count as agreement.
        truth[SCORED_ON] = HELD_OUT
    chosen = {SHIPPED: {}, **{name: dict(options or {}) for name, options in recipes.items()}, TRUTH: truth}
    for name, options in chosen.items():
        for option in options:
            if option not in (*accepted, OWN_SEEDS) or option in assembly.EVALUATOR_GIVEN:
                allowed = sorted({*accepted, OWN_SEEDS} - {*assembly.EVALUATOR_GIVEN, "self"})
                raise StudyError(f"recipe {name!r}: {option!r} is no option.{did_you_mean(option, allowed)}")
        changed = _with(study, options)
        if name != TRUTH and changed.evaluator.options.get(SCORED_ON) == HELD_OUT:
            raise StudyError(
                f"recipe {name!r}: {SCORED_ON} = {HELD_OUT!r}: the longer training is scored on these images, so they "
                f"would count as agreement. Leave {SCORED_ON} out."
            )
        assembly.evaluator(changed)
    space = assembly.space(study)
    table = assembly.cost_table(study, space)
    problem = assembly.problem(study, table)
    costs = [o.name for o in map(parse_objective, study.objectives) if o.name in table.names]
    column = costs[0] if costs else "macs"
    samples = stratified(table, column, problem.constraints, architectures, seed=0)
    kept = tuple(dict.fromkeys((column, *(name for name in CONTROLS if name in table.names))))
    rows = table(samples)
    return Record(
        study=_identity(study, space),
        cost=column,
        seeds=seeds,
        directions={name: _direction(task) for name, task in assembly.task_objects(study).items()},
        architectures={
            table.domains.architecture_id(sample): {
                "sample": sample,
                "costs": {name: float(f"{row[table.names.index(name)]:.6g}") for name in kept},
            }
            for sample, row in zip(samples, rows, strict=True)
        },
        recipes=chosen,
        images={name: _images(_with(study, options)) for name, options in chosen.items()},
    )


def train(
    study: Study,
    record: Record,
    path: Path | None,
    workers: int | None,
    step: Callable[[int, int], object],
    recipes: Collection[str] | None = None,
) -> list[Failure]:
    """Do what is missing in a record, the same seed of every recipe and architecture first.

    Args:
        study: As for `planned`.
        record: Takes the results.
        path: Where it is kept after every training; None = nowhere.
        workers: Processes; one per core by default.
        step: Told the steps of each training that ended and of all that this call has to do.
        recipes: Only these, by name; all by default.

    Returns:
        The trainings that failed, for example by diverging. They are not kept: the same call tries them again.
    """
    plain, base = study.dump(), _steps(study)
    jobs = []
    for number in range(record.seeds):
        for recipe in (name for name in record.recipes if recipes is None or name in recipes):
            for index, architecture in enumerate(record.architectures):
                seed = _seed(recipe, record.recipes[recipe], index, number)
                if not record.has(recipe, architecture, seed):
                    jobs.append((recipe, architecture, seed))
    steps = {name: int(options.get("steps", base)) for name, options in record.recipes.items()}
    total = sum(steps[recipe] for recipe, _, _ in jobs)
    assembly.data_source(study).prepare()
    call = partial(_train_named, plain, record.recipes, {k: a["sample"] for k, a in record.architectures.items()})
    failed: list[Failure] = []
    step(0, total)
    for (recipe, architecture, seed), result in results(call, jobs, workers):
        if isinstance(result, EdnasError):
            failed.append(Failure(recipe, architecture, seed, str(result)))
        else:
            record.add(recipe, architecture, seed, result)
            if path is not None:
                record.write(path)
        step(steps[recipe], total)
    return failed


def _train_named(
    study: Mapping[str, Any],
    recipes: Mapping[str, Mapping[str, Any]],
    samples: Mapping[str, Mapping[str, Any]],
    recipe: str,
    architecture: str,
    seed: int,
) -> dict[str, float]:

    mine = _with(parse(dict(study)), recipes[recipe]).model_copy(update={"seed": seed})
    space = assembly.space(mine)
    with contextlib.redirect_stdout(io.StringIO()):  # the scores of every report: the bar is enough
        final = assembly.trained(space, dict(samples[architecture]), assembly.evaluator(mine))[1]
    told = {QUALITY: final.get(QUALITY, final["default"]), "train_s": final.get("train_s", 0.0)}
    return {**told, **{n: final[f"{n}_{task.primary}"] for n, task in assembly.task_objects(mine).items()}}


def _seed(recipe: str, options: Mapping[str, Any], index: int, number: int) -> int:
    if options.get(OWN_SEEDS):
        return FIRST_OWN_SEED + 100 * index + number
    return (FIRST_SEED_OF_TRUTH if recipe == TRUTH else FIRST_SEED) + number


def _with(study: Study, options: Mapping[str, Any]) -> Study:
    given = {name: value for name, value in options.items() if name != OWN_SEEDS}
    evaluator = study.evaluator.model_copy(update={"options": {**study.evaluator.options, **given}})
    # No delta_t: it is a shift and a scale of the same metrics, and its references belong to one recipe.
    objectives = tuple(QUALITY if parse_objective(o).name == DELTA_T else o for o in study.objectives)
    return study.model_copy(update={"evaluator": evaluator, "reference": None, "objectives": objectives})


def _steps(study: Study) -> int:
    return int(_option(study, "steps"))


def _images(study: Study) -> int:
    return _steps(study) * int(_option(study, "batch_size") or 1)


def _option(study: Study, name: str) -> Any:
    """What the evaluator is given, or takes by itself; None where it has no such option."""
    import inspect

    found = study.evaluator.options.get(name)
    if found is None:
        factory = plugins.load("evaluators", study.evaluator.name)
        known = inspect.signature(getattr(factory, "__wrapped__", factory)).parameters.get(name)
        found = known and known.default
    return found


def _identity(study: Study, space: Any) -> dict[str, Any]:
    told = study.dump()
    fields = ("space", "tasks", "data", "train_size", "deploy_size", "evaluator", "device", "constraints", "init_from")
    content = {"data": assembly.data_source(study).info.fingerprint, **assembly.initial_weights(study, space)}
    return {**{name: told[name] for name in fields if name in told}, "fingerprints": content}


def _direction(task: Any) -> str:
    return next(spec.direction for spec in task.metrics if spec.name == task.primary)
