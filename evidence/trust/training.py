"""Trains architectures by several recipes, as trials do, and keeps each training as it ends.

Where the study's evaluator inherits from a supernet, the recipe `study` is the one that it lends, for networks that are
trained alone, and the inherited scores are one more predictor.
"""

from __future__ import annotations

import contextlib
import inspect
import io
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ednas_nni.cost.stratified import stratified
from ednas_nni.errors import EdnasError, StudyError, did_you_mean
from ednas_nni.search.assembled import EVALUATOR_GIVEN, Assembled, by_recipe
from ednas_nni.search.checks import parameters
from ednas_nni.study.objectives import DELTA_T, QUALITY, parse_objective
from ednas_nni.training.pool import results
from evidence.trust.record import HELD_OUT_QUALITY, INHERITED, SHIPPED, TRUTH, TrustRecord, is_longer, longer

if TYPE_CHECKING:
    from ednas_nni.training.supernet.inherited import InheritedEvaluator

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
    inheriting = _inheriting(assembled)
    assembled = by_recipe(assembled)
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
    if inheriting is not None:
        supernet = inheriting.recipe.supernet
        chosen[INHERITED] = {}
        images[INHERITED] = supernet.steps * supernet.paths * inheriting.recipe.batch_size
    table = assembled.table
    costs = [objective.name for objective in assembled.objectives if objective.name in table.names]
    column = costs[0] if costs else "macs"
    samples = stratified(table, column, assembled.problem.constraints, architectures, seed=0)
    columns = tuple(dict.fromkeys((column, *(name for name in CONTROLS if name in table.names))))
    return TrustRecord(
        study=_identity(assembled)
        | ({} if inheriting is None else {"supernet": inheriting.supernet(assembled.space).identity}),
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
    architectures: Collection[str] | None = None,
    seeds: int | None = None,
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
        architectures: Only these; all by default.
        seeds: So many; those of the record by default.
    """
    alone = by_recipe(assembled)
    base = _steps(alone)
    jobs = []
    for number in range(seeds or record.seeds):
        for recipe in (name for name in record.recipes if recipes is None or name in recipes):
            for index, architecture in enumerate(record.architectures):
                if architectures is not None and architecture not in architectures:
                    continue
                seed = _seed(recipe, record.recipes[recipe], index, 0 if recipe == INHERITED else number)
                if not (record.has(recipe, architecture, seed) or (recipe, architecture, seed) in jobs):
                    jobs.append((recipe, architecture, seed))
    steps = {name: int(options.get("steps", base)) for name, options in record.recipes.items()}
    steps[INHERITED] = 0
    total = sum(steps[recipe] for recipe, _, _ in jobs)
    assembled.source.prepare()
    if any(recipe == INHERITED for recipe, _, _ in jobs) and (inheriting := _inheriting(assembled)) is not None:
        inheriting.supernet(assembled.space).make(progress=True)
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
    if recipe == INHERITED:
        own, held_out = _with(assembled, {"steps": 0}), _with(assembled, {"steps": 0, SCORED_ON: HELD_OUT})
        with contextlib.redirect_stdout(io.StringIO()):
            result = _values(own, own.trained(samples[architecture])[1])
            return {**result, HELD_OUT_QUALITY: held_out.trained(samples[architecture])[1]["default"]}
    changed = _with(by_recipe(assembled), recipes[recipe], seed)
    with contextlib.redirect_stdout(io.StringIO()):  # the scores of every report: the bar is enough
        return _values(changed, changed.trained(samples[architecture])[1])


def _values(assembled: Assembled, final: Mapping[str, float]) -> dict[str, float]:
    result = {QUALITY: final.get(QUALITY, final["default"]), "train_s": final.get("train_s", 0.0)}
    return {**result, **{name: final[f"{name}_{task.primary}"] for name, task in assembled.tasks.items()}}


def _inheriting(assembled: Assembled) -> InheritedEvaluator | None:
    """The evaluator of a study that inherits from a supernet."""
    from ednas_nni.training.supernet.inherited import InheritedEvaluator  # torch

    if not assembled.needs_network:
        return None
    evaluator = assembled.evaluator_against(None)
    return evaluator if isinstance(evaluator, InheritedEvaluator) else None


RISE, PILOTS = 0.005, 6


def until_flat(
    assembled: Assembled,
    record: TrustRecord,
    path: Path | None,
    workers: int | None,
    step: Callable[[int, int], object],
    most: int,
) -> str:
    """Take as the truth the steps after which quality rises no more, at most `most`; what was seen, in words.

    A truth must be trained to the end, and where that is depends on data and space. So a few architectures, spread over
    the cost, are trained for the study's steps, twice, four times as many, until their mean quality on `select` rises
    by less than 0.005 with the next doubling. Example: .30, .36, .39, .392 after 500, 1000, 2000, 4000 steps: 2000.
    """
    every = list(record.architectures)
    pilots = every[:: max(1, -(-len(every) // PILOTS))]
    alone = by_recipe(assembled)
    steps, seen, first = _steps(alone), list[tuple[int, float]](), str(FIRST_SEED_OF_TRUTH)
    record.keep_truth()
    while True:
        rung = longer(steps)
        record.recipes[rung] = {"steps": steps, SCORED_ON: HELD_OUT}
        record.images[rung] = steps * int(_option(alone, "batch_size") or 1)
        train(assembled, record, path, workers, step, (rung,), pilots, 1)
        ended = [record.runs.get(rung, {}).get(key, {}) for key in pilots]
        qualities = [runs[first][QUALITY] for runs in ended if first in runs]
        if len(qualities) < len(pilots):
            raise StudyError(f"--until-flat: a training of {steps} steps failed; lower the learning rate.")
        seen.append((steps, sum(qualities) / len(qualities)))
        flat = len(seen) > 1 and seen[-1][1] - seen[-2][1] < RISE
        if flat or steps * 2 > most:
            break
        steps *= 2
    words = ", ".join(f"{quality:.4f} after {n}" for n, quality in seen)
    last = seen[-2][0] if flat else seen[-1][0]
    record.take_as_truth(longer(last))  # the same trainings
    end = "rises no more" if flat else "still rises: allow more steps"
    return f"Mean quality of {len(pilots)} architectures on {HELD_OUT}, by steps: {words}. It {end}; {last} are taken."


def _seed(recipe: str, options: Mapping[str, Any], index: int, number: int) -> int:
    if options.get(OWN_SEEDS):
        return FIRST_OWN_SEED + 100 * index + number
    return (FIRST_SEED_OF_TRUTH if is_longer(recipe) else FIRST_SEED) + number


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
