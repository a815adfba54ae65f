"""A trained network as `Network`: what the study, the data and the space say of it, written down."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from ednas_nni.networks.description import Cost, Origin, Score
from ednas_nni.networks.network import Network, describe
from ednas_nni.training.jared import JaredEvaluator

if TYPE_CHECKING:
    from torch import nn

    from ednas_nni.search.assembled import Assembled
    from ednas_nni.space.domains import Scalar

PROGRAMS = ("ednas-nni", "torch", "nni", "pytorch-lightning")


def described(
    assembled: Assembled,
    sample: Mapping[str, Scalar],
    module: nn.Module,
    name: str = "",
    steps: int | None = None,
    scores: Sequence[Score] = (),
    search: str = "",
    journal: str = "",
) -> Network:
    """A network that was trained by a study's evaluator.

    Args:
        assembled: Of the study that it was trained by; its data are prepared.
        sample: Inactive labels may be missing.
        module: Trained.
        name: By default its architecture id.
        steps: That it was trained for; by default those of the study's evaluator.
        scores: How good it is.
        search: Experiment id of the search that led to it.
        journal: SHA-256 of that search's journal.
    """
    study, evaluator = assembled.study, assembled.evaluator_against(None)
    assert isinstance(evaluator, JaredEvaluator), "the caller has checked it"
    sample = assembled.domains.complete(sample)
    architecture = assembled.domains.architecture_id(sample)
    table = assembled.table
    costs = zip(table.columns, table([sample])[0], strict=True)
    fields = {"name", "unit", "device", "origin", "note", "upper"}
    data = evaluator.module.data
    return Network(
        module.eval(),
        describe(
            name=name or architecture,
            architecture=architecture,
            sample=sample,
            space=assembled.space,
            space_plugin=(study.space.name, study.space.options),
            tasks={task.name: task for task in data.tasks},
            task_options=evaluator.recipe.task_options,
            constants={task: prior.constants for task, prior in data.prior.tasks.items()},
            info=assembled.source.info,
            deploy_size=study.deploy_size,
            deploy_outputs=study.deploy_outputs,
            scores=tuple(scores),
            costs=tuple(
                Cost(value=float(value), **{field: getattr(column, field) for field in fields})
                for column, value in costs
            ),
            origin=Origin(
                search=search,
                journal=journal,
                study=study.dump(),
                study_digest=study.digest,
                steps=evaluator.recipe.steps if steps is None else steps,
                seed=study.seed,
                initial_weights=assembled.weights,
                versions=versions(),
                date=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            ),
        ),
    )


def versions() -> dict[str, str]:
    """Version of Python and of each program that shapes a training."""
    there = {"python": platform.python_version()}
    for program in PROGRAMS:
        try:
            there[program] = version(program)
        except PackageNotFoundError:  # run from a checkout
            continue
    return there
