"""Trains architectures by several recipes, as trials do, and keeps each training as it ends."""

from __future__ import annotations

import contextlib
import inspect
import io
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ednas_nni.errors import EdnasError, StudyError, did_you_mean
from ednas_nni.search.assembled import EVALUATOR_GIVEN, Assembled, parameters
from ednas_nni.study.objectives import DELTA_T, QUALITY, parse_objective
from ednas_nni.training.pool import results
from ednas_nni.trust.record import SHIPPED, TRUTH, TrustRecord
from ednas_nni.trust.sampling import stratified

# Searches, references and confirmations count from smaller numbers; the longer training shares no seed with the others.
FIRST_SEED, FIRST_SEED_OF_TRUTH, FIRST_OWN_SEED = 5000, 6000, 10_000
OWN_SEEDS = "own_seeds"
"""Of a recipe: every architecture has seeds of its own, so that no two see their batches in the same order."""
CONTROLS = ("macs", "params")
SCORED_ON, HELD_OUT = "scored_on", "select"


@dataclass(frozen=True)
class FailedTraining:
    """A training that gave no result."""

    recipe: str
    architecture: str
    seed: int
    cause: str

    def __str__(self) -> str:
        return f"{self.recipe}, architecture {self.architecture}, seed {self.seed}: {self.cause}"


def planned(
    assembled: Assembled, architectures: int, seeds: int, longer: float, recipes: Mapping[str, Mapping[str, Any]]
) -> TrustRecord:
    """What is to be trained: nothing of it is yet.

    Args:
        assembled: Space, data, tasks, constraints and recipe.
        architectures: How many, spread over the study's first cost objective (macs without one).
        seeds: Trainings of each by each recipe.
        longer: How many times the study's steps the training takes that the others are compared with.
        recipes: Further recipes: name -> options that differ from the study's evaluator.

    Raises:
        StudyError: The evaluator has no `steps`, or a recipe has an option that it lacks or is scored on the images of
            the longer training.
        InfeasibleError: Too few architectures meet the constraints.
    """
    study, accepted = assembled.study, parameters(assembled.evaluator_plugin)
    if "steps" not in accepted:
        raise StudyError(f"evaluator {study.evaluator.name!r} has no option 'steps', so nothing can be trained longer.")
    truth: dict[str, Any] = {"steps": round(_steps(assembled) * longer)}
    if SCORED_ON in accepted:
        # Scored on other images: what the images of the search split have in common must not count as agreement.
        truth[SCORED_ON] = HELD_OUT
    chosen = {SHIPPED: {}, **{name: dict(options or {}) for name, options in recipes.items()}, TRUTH: truth}
    images: dict[str, int] = {}
    allowed = sorted({*accepted, OWN_SEEDS} - {*EVALUATOR_GIVEN, "self"})
    for name, options in chosen.items():
        for option in options:
            if option not in allowed:
                raise StudyError(f"recipe {name!r}: {option!r} is no option.{did_you_mean(option, allowed)}")
        changed = _with(assembled, options)
        if name != TRUTH and changed.study.evaluator.options.get(SCORED_ON) == HELD_OUT:
            raise StudyError(
                f"recipe {name!r}: {SCORED_ON} = {HELD_OUT!r}: the longer training is scored on these images, so they "
                f"would count as agreement. Leave {SCORED_ON} out."
            )
        _ = changed.evaluator  # its options are checked
        images[name] = _steps(changed) * int(_option(changed, "batch_size") or 1)
    table = assembled.table
    costs = [objective.name for objective in assembled.objectives if objective.name in table.names]
    column = costs[0] if costs else "macs"
    samples = stratified(table, column, assembled.problem.constraints, architectures, seed=0)
    columns = tuple(dict.fromkeys((column, *(name for name in CONTROLS if name in table.names))))
    return TrustRecord(
        study=_identity(assembled),
        cost=column,
        seeds=seeds,
        directions={
            name: next(spec.direction for spec in task.metrics if spec.name == task.primary)
            for name, task in assembled.tasks.items()
        },
        architectures={
            table.domains.architecture_id(sample): {
                "sample": sample,
                "costs": {name: float(f"{row[table.names.index(name)]:.6g}") for name in columns},
            }
            for sample, row in zip(samples, table(samples), strict=True)
        },
        recipes=chosen,
        images=images,
    )


def train(
    assembled: Assembled,
    record: TrustRecord,
    path: Path | None,
    workers: int | None,
    step: Callable[[int, int], object],
    recipes: Collection[str] | None = None,
) -> list[FailedTraining]:
    """Do what is missing in a record, the same seed of every recipe and architecture first.

    It returns the trainings that failed, for example by diverging: the same call tries them again.

    Args:
        assembled: As for `planned`.
        record: Takes the results.
        path: Where it is kept after every training; None = nowhere.
        workers: Processes; one per core by default.
        step: Is given the steps of each training that ended and of all that this call has to do.
        recipes: Only these, by name; all by default.
    """
    base = _steps(assembled)
    jobs = []
    for number in range(record.seeds):
        for recipe in (name for name in record.recipes if recipes is None or name in recipes):
            for index, architecture in enumerate(record.architectures):
                seed = _seed(recipe, record.recipes[recipe], index, number)
                if not record.has(recipe, architecture, seed):
                    jobs.append((recipe, architecture, seed))
    steps = {name: int(options.get("steps", base)) for name, options in record.recipes.items()}
    total = sum(steps[recipe] for recipe, _, _ in jobs)
    assembled.source.prepare()
    call = partial(_train_named, assembled, record.recipes, {k: a["sample"] for k, a in record.architectures.items()})
    failed: list[FailedTraining] = []
    step(0, total)
    for (recipe, architecture, seed), result in results(call, jobs, workers):
        if isinstance(result, EdnasError):
            failed.append(FailedTraining(recipe, architecture, seed, str(result)))
        else:
            record.add(recipe, architecture, seed, result)
            if path is not None:
                record.write(path)
        step(steps[recipe], total)
    return failed


def _train_named(
    assembled: Assembled,
    recipes: Mapping[str, Mapping[str, Any]],
    samples: Mapping[str, Mapping[str, Any]],
    recipe: str,
    architecture: str,
    seed: int,
) -> dict[str, float]:

    changed = _with(assembled, recipes[recipe], seed)
    with contextlib.redirect_stdout(io.StringIO()):  # the scores of every report: the bar is enough
        final = changed.trained(samples[architecture])[1]
    result = {QUALITY: final.get(QUALITY, final["default"]), "train_s": final.get("train_s", 0.0)}
    return {**result, **{name: final[f"{name}_{task.primary}"] for name, task in changed.tasks.items()}}


def _seed(recipe: str, options: Mapping[str, Any], index: int, number: int) -> int:
    if options.get(OWN_SEEDS):
        return FIRST_OWN_SEED + 100 * index + number
    return (FIRST_SEED_OF_TRUTH if recipe == TRUTH else FIRST_SEED) + number


def _with(assembled: Assembled, options: Mapping[str, Any], seed: int | None = None) -> Assembled:
    """The study with a recipe's options, and another seed."""
    study = assembled.study
    given = {name: value for name, value in options.items() if name != OWN_SEEDS}
    evaluator = study.evaluator.model_copy(update={"options": {**study.evaluator.options, **given}})
    # No delta_t: it is a shift and a scale of the same metrics, and its references belong to one recipe.
    objectives = tuple(QUALITY if parse_objective(o).name == DELTA_T else o for o in study.objectives)
    changes = {"evaluator": evaluator, "reference": None, "objectives": objectives}
    return assembled.of(study.model_copy(update={**changes, "seed": study.seed if seed is None else seed}))


def _steps(assembled: Assembled) -> int:
    return int(_option(assembled, "steps"))


def _option(assembled: Assembled, name: str) -> Any:
    """What the evaluator is given, or takes by itself; None where it has no such option."""
    value = assembled.study.evaluator.options.get(name)
    if value is None:
        parameter = inspect.signature(assembled.evaluator_plugin).parameters.get(name)
        value = parameter and parameter.default
    return value


def _identity(assembled: Assembled) -> dict[str, Any]:
    study = assembled.study.dump()
    fields = ("space", "tasks", "data", "train_size", "deploy_size", "evaluator", "device", "constraints", "init_from")
    content = {"data": assembled.source.info.identity, **assembled.weights}
    return {**{name: study[name] for name in fields if name in study}, "fingerprints": content}
