"""The journal's head: written once, and compared with what is there when the search goes on."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.data.layouts.base import changed_data
from ednas_nni.errors import JournalError
from ednas_nni.record.events import Started
from ednas_nni.record.head import CostRecord, DataRecord, JournalHead, TaskRecord
from ednas_nni.record.journal import Journal, TrialRecord
from ednas_nni.version import __version__

if TYPE_CHECKING:
    from ednas_nni.cost.table import CostTable
    from ednas_nni.search.assembled import Assembled


def write_head(
    journal: Journal,
    experiment: str,
    assembled: Assembled,
    *,
    engine: str,
    concurrency: int | None = None,
    trials: int | None = None,
) -> None:
    """Write the head of a new journal, or check that an existing one belongs to the same study; then mark the start.

    The engine is "nnictl", "ts" or "sequential"; the experiment's id is NNI's.

    Raises:
        JournalError: The journal belongs to another study; the program, the search space, the data, the weights that
            networks start from or what its networks cost are not those that the search began with.
    """
    journal.hold()
    history = journal.history()
    if history.head is not None:
        if changed := _changed(history.head, history.own, assembled, engine):
            raise JournalError(f"{journal.path}{changed}")
        journal.append(Started(mode="resume"))
        return
    import nni  # heavy, and wanted for their versions only
    import torch

    version, python, environment = _program()
    study, comparison, info = assembled.study, assembled.baselines[0], assembled.source.info
    journal.append(
        JournalHead(
            experiment=experiment,
            engine=engine,
            nni=nni.__version__,
            torch=torch.__version__,
            ednas=version,
            python=python,
            environment=environment,
            study=study.dump(),
            digest=study.digest,
            data=info.identity if assembled.needs_network else info.fingerprint,
            data_set=DataRecord.model_validate(info),
            tasks=tuple(map(TaskRecord.model_validate, assembled.tasks.values())),
            members=assembled.members,
            references=comparison.dump() if comparison else None,
            weights=assembled.weights,
            inherits=assembled.evaluator.inherits,
            prepared_s=(assembled.preparation.made or {}).get("seconds") if assembled.preparation else None,
            domains=assembled.problem.domains.to_json(),
            columns=tuple(map(CostRecord.model_validate, assembled.table.columns)),
            concurrency=concurrency,
            trials=trials,
        )
    )
    journal.append(Started(mode="create"))


def _program() -> tuple[str, str, str]:
    """What runs: version of EDNAS, version of Python, environment."""
    return __version__, ".".join(map(str, sys.version_info[:3])), str(Path(sys.prefix).resolve())


def _changed(head: JournalHead, trials: list[TrialRecord], assembled: Assembled, engine: str) -> str:
    """Why a search cannot go on with a journal, to stand behind the journal's path; "" where it can."""
    study = assembled.study
    if head.digest != study.digest:
        return (
            f" belongs to a study with digest {head.digest}, this one has {study.digest}. Resume with the unchanged "
            "study or start a new experiment."
        )
    if engine != "sequential" and (program := changed_program(head)):
        return f": {program} Or start a new experiment."
    if head.domains is not None and head.search_space().to_json() != assembled.problem.domains.to_json():
        return (
            f": the search space {study.space.name!r} is not the one that the search began with: its code or its "
            "preset was changed meanwhile. Put it back or start a new experiment."
        )
    if changed := changed_data(head.data, assembled.source):
        return f": {changed} Or start a new experiment."
    if name := changed_weights(head, assembled.weights):
        return (
            f": {name} has another content than when the search began, and results of different initial weights are "
            "not comparable. Put the file back or start a new experiment."
        )
    if price := changed_price(trials, assembled.table):
        return (
            f": {price}: the device's profile, or code of yours, was changed meanwhile, and costs would not be "
            "comparable. Put it back, or start a new experiment, which may `start_from` this one."
        )
    return ""


def changed_program(head: JournalHead, elsewhere: bool = False) -> str:
    """How this process's program differs from the search's, as a sentence with the way out; "" where it does not.

    On another machine (`elsewhere`) it may lie in another folder.
    """
    version, python, environment = here = _program()
    if here == (head.ednas, head.python, environment if elsewhere else head.environment):
        return ""
    return (
        f"the search runs EDNAS {head.ednas} on Python {head.python} in {head.environment}, this is EDNAS {version} on "
        f"Python {python} in {environment}. Activate that environment."
    )


def changed_price(trials: list[TrialRecord], table: CostTable) -> str:
    """A cost of a trial that its network does not have any more; "" where nothing has changed.

    Measured ones are passed over: measured again, they are never the same.
    """
    for trial, prices in zip(trials, table([trial.sample for trial in trials]), strict=True):
        for column, now in zip(table.columns, prices, strict=True):
            began = trial.costs.get(column.name)
            if column.origin != "measured" and began is not None and not math.isclose(began, now, rel_tol=1e-6):
                return f"{column.name} of {trial.architecture} was {began:.6g} and is {now:.6g}"
    return ""


def changed_weights(head: JournalHead, weights: Mapping[str, str]) -> str:
    """Name of what networks now start from otherwise than the journal's head says; "" where nothing has changed."""
    began = head.weights or {}
    return next((name for name in {**began, **weights} if began.get(name) != weights.get(name)), "")
