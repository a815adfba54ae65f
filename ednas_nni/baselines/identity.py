"""What a single-task reference must agree with: the study of one task alone, and everything that shapes its result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from ednas_nni.errors import ReferenceRecordError, StudyError
from ednas_nni.search import assembly
from ednas_nni.study import Study, parse
from ednas_nni.tasks.binding import bind_task

_ELSEWHERE = ("tasks", "data", "train_size", "task_options", "init_from")
"""Fields of a recipe that stand at another place of an identity."""

_IRRELEVANT = ("weighting", "seed", "threads", "reports", "examples", "accelerator", "compile", "references", "score")
"""Fields of a recipe that do not shape what a training of one task reaches. All others must agree, so that a field
added to the recipe matters until somebody decides otherwise."""


def single_task(study: Study, task: str, seed: int | None = None) -> Study:
    """The study's recipe for one task alone: same data, sizes, space and evaluator, no search.

    Args:
        study: The study.
        task: One of its tasks.
        seed: Seed of the training; the study's own by default.
    """
    options = {name: value for name, value in study.evaluator.options.items() if name != "weighting"}
    if isinstance(options.get("task_options"), Mapping):
        options["task_options"] = {n: v for n, v in options["task_options"].items() if n == task}
    kept = {name: value for name, value in study.dump().items() if name in ("space", "data", "train_size", "init_from")}
    return parse(
        {
            **kept,
            "deploy_size": list(study.deploy_size),
            "tasks": [task],
            "evaluator": {"name": study.evaluator.name, **options},
            "seed": study.seed if seed is None else seed,
            "objectives": ["quality"],
            "hardware_aware": "off",
        }
    )


def identities(study: Study) -> dict[str, dict[str, Any]]:
    """Task -> identity of the reference that this study needs. Reads no image; builds networks, so it imports torch.

    Raises:
        StudyError: The study names no reference, or its space has no such member.
        ReferenceRecordError: The evaluator has no recipe that could be compared.
    """
    return {task: identity(study, task) for task in study.tasks}


def identity(study: Study, task: str) -> dict[str, Any]:
    """The identity of one task's reference; see `identities`."""
    member, alone = _member(study), single_task(study, task)
    info = assembly.data_source(alone).info
    return {
        "task": task,
        "data": {
            "name": info.name,
            "fingerprint": info.fingerprint,
            "size": list(info.size),
            "images": dict(info.counts),  # covered by the fingerprint; in words for messages
        },
        **_recipe(alone, task),
        "architecture": _architecture(alone, member),
    }


def _member(study: Study) -> str:
    if study.reference is None:
        raise StudyError(
            "reference: is missing. Name the member of the space whose single-task trainings the networks are compared "
            "with, for example `reference: mobilenet_v2_small`."
        )
    return study.reference


def _recipe(alone: Study, task: str) -> dict[str, Any]:
    """Evaluator, its recipe and the task as it is bound to the data, with every default filled in."""
    evaluator = assembly.evaluator(alone)
    recipe = getattr(evaluator, "recipe", None)
    if not is_dataclass(recipe):
        raise ReferenceRecordError(
            f"evaluator {alone.evaluator.name!r} tells no recipe, so its trainings cannot be compared with "
            "single-task references. Remove `reference` from the study, or use the evaluator 'jared'."
        )
    skipped = (*_ELSEWHERE, *_IRRELEVANT)
    relevant = {f.name: getattr(recipe, f.name) for f in fields(recipe) if f.name not in skipped}
    bound = bind_task(task, assembly.data_source(alone), recipe.protocol, recipe.task_options.get(task, {}))
    found = {"evaluator": alone.evaluator.name, "recipe": relevant, "options": bound.settings()}
    return json.loads(json.dumps(found, default=dict))


def _architecture(alone: Study, member: str) -> dict[str, Any]:
    """The named architecture in the single-task space: its choices, the network's size, the weights it starts from."""
    names = ("space", "tasks", "data", "train_size", "init_from")
    shaping = {name: value for name, value in alone.dump().items() if name in names}
    if options := alone.evaluator.options.get("task_options"):  # heads may have other channels
        shaping["evaluator"] = {"name": alone.evaluator.name, "task_options": options}
    return json.loads(_described(json.dumps(shaping), member))


@cache
def _described(shaping: str, member: str) -> str:
    """As JSON; building a network takes a third of a second, and a session asks for the same ones again and again."""
    from ednas_nni.nn.tree import build, domains_of

    alone = parse(json.loads(shaping))
    space = assembly.space(alone)
    domains = domains_of(space)
    sample = member_sample(space, member, alone.space.name)
    network = build(space, sample)
    weights = assembly.initial_weights(alone, space)
    return json.dumps(
        {
            **({"weights": weights} if weights else {}),
            "space": alone.dump()["space"],
            "member": member,
            "id": domains.architecture_id(sample),
            "parameters": sum(p.numel() for p in network.parameters()),
            "choices": domains.active(sample),
        }
    )


def member_sample(space: Any, member: str, name: str) -> dict[str, Any]:
    """The sample of a named member.

    Args:
        space: A model space.
        member: What the study's `reference` names.
        name: The space's name, for messages.

    Raises:
        StudyError: The space has no such member.
    """
    from ednas_nni.nn.capabilities import capabilities_of

    described = capabilities_of(space)
    if not described.member_names:
        raise StudyError(f"reference: space {name!r} has no named members; remove `reference`.")
    try:
        return described.member(member)
    except StudyError as error:
        raise StudyError(f"reference: {error}") from None
