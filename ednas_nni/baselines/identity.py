"""What a single-task baseline must agree with: the study of one task alone, and everything that shapes its result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ednas_nni.baselines.record import plain
from ednas_nni.errors import BaselineError, StudyError
from ednas_nni.study import Study, parse

if TYPE_CHECKING:
    from ednas_nni.search.assembled import Assembled

_ELSEWHERE = ("tasks", "data", "train_size", "task_options", "init_from")
"""Fields of a recipe that stand at another place of an identity."""

_IRRELEVANT = (
    "weighting", "seed", "threads", "reports", "examples", "accelerator", "compile", "references", "score", "int8",
)  # fmt: skip
"""Fields of a recipe that do not shape what a training of one task reaches. All others must agree, so that a field
added to the recipe matters until somebody decides otherwise."""

_LATER: dict[str, object] = {"freeze": (), "freeze_steps": None, "encoder_learning_rate": 1.0}
"""Fields that identities made before do not name; where they have these values, those of today do not either."""


def single_task(study: Study, task: str, seed: int | None = None) -> Study:
    """The study's recipe for one task alone: same data, sizes, space, evaluator and (unless given) seed; no search."""
    options = {name: value for name, value in study.evaluator.options.items() if name != "weighting"}
    if isinstance(options.get("task_options"), Mapping):
        options["task_options"] = {n: v for n, v in options["task_options"].items() if n == task}
    return parse(
        {
            **{name: study.dump()[name] for name in ("space", "data", "train_size", "init_from")},
            "deploy_size": list(study.deploy_size),
            "tasks": [task],
            "evaluator": {"name": study.evaluator.name, **options},
            "seed": study.seed if seed is None else seed,
            "objectives": ["quality"],
            "hardware_aware": "off",
        }
    )


def identities(assembled: Assembled) -> dict[str, dict[str, Any]]:
    """Task -> identity of the baseline that this study needs. Prepares data that lie in files; imports torch."""
    return {task: identity(assembled, task) for task in assembled.study.tasks}


def identity(assembled: Assembled, task: str) -> dict[str, Any]:
    """The identity of one task's baseline; see `identities`."""
    member, alone = member_of(assembled.study), assembled.of(single_task(assembled.study, task))
    info = alone.source.info
    return {
        "task": task,
        "data": {
            "name": info.name,
            "fingerprint": info.identity,
            "size": list(info.size),
            "images": dict(info.counts),  # covered by it; in words for messages
        },
        **_recipe(alone, task),
        "architecture": _architecture(alone, member),
    }


def member_of(study: Study) -> str:
    """The member that a study names under `reference`; StudyError where it names none."""
    if study.reference is None:
        raise StudyError(
            "reference: is missing. Name the member of the space whose single-task trainings the networks are compared "
            "with, for example `reference: mobilenet_v2_small`."
        )
    return study.reference


def _recipe(alone: Assembled, task: str) -> dict[str, Any]:
    """Evaluator, its recipe and the task as it is bound to the data, with every default filled in."""
    name, evaluator = alone.study.evaluator.name, alone.evaluator
    recipe, skipped = evaluator.recipe, (*_ELSEWHERE, *_IRRELEVANT)
    if recipe is None:
        raise BaselineError(
            f"evaluator {name!r} says no recipe, so its trainings cannot be compared with "
            "single-task baselines. Remove `reference` from the study, or use the evaluator 'jared'."
        )
    relevant = {f.name: getattr(recipe, f.name) for f in fields(recipe) if f.name not in skipped}
    relevant = {name: value for name, value in relevant.items() if name not in _LATER or value != _LATER[name]}
    from ednas_nni.tasks.binding import bind_task  # imports torch

    # As the recipe binds it: the evaluator has options that are a shorthand for some of the task.
    bound = bind_task(task, alone.source, recipe.protocol, recipe.task_options.get(task, {}))
    return plain({"evaluator": name, "recipe": relevant, "options": bound.settings()})


def _architecture(alone: Assembled, member: str) -> dict[str, Any]:
    """The named architecture in the single-task space: its choices, the network's size, the weights it starts from."""
    names = ("space", "tasks", "data", "train_size", "init_from")
    shaping = {name: value for name, value in alone.study.dump().items() if name in names}
    if options := alone.study.evaluator.options.get("task_options"):  # heads may have other channels
        shaping["evaluator"] = {"name": alone.study.evaluator.name, "task_options": options}
    key = json.dumps([shaping, member])
    if key not in _described:
        _described[key] = json.dumps(_describe(alone, member))
    return json.loads(_described[key])


_described: dict[str, str] = {}
"""Building a network takes a third of a second, and a session asks for the same ones again and again."""


def _describe(alone: Assembled, member: str) -> dict[str, Any]:
    from ednas_nni.nn.tree import build  # imports torch

    sample, weights = alone.member(member, "reference"), alone.weights
    network = build(alone.space, sample)
    return {
        **({"weights": weights} if weights else {}),
        "space": alone.study.dump()["space"],
        "member": member,
        "id": alone.domains.architecture_id(sample),
        "parameters": sum(p.numel() for p in network.parameters()),
        "choices": alone.domains.active(sample),
    }
