"""The journal's head: which study, which space, which versions, which data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ednas_nni.errors import JournalError
from ednas_nni.record.journal import Journal
from ednas_nni.space.domains import Domains

if TYPE_CHECKING:
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

    Args:
        journal: The open journal.
        experiment: NNI's experiment id.
        assembled: The study, put together.
        engine: "nnictl", "ts" or "sequential".
        concurrency: Trials at a time.
        trials: How many trials there may be.

    Raises:
        JournalError: The journal belongs to another study; the program, the search space, the data, the weights that
            networks start from or a device's profile are not those that the search began with.
    """
    import nni
    import torch

    from ednas_nni.version import __version__

    study, table, domains = assembled.study, assembled.table, assembled.problem.domains
    comparison, fingerprint = assembled.baselines[0], assembled.source.info.fingerprint
    head = journal.history().header
    if head and head.get("digest") != study.digest:
        raise JournalError(
            f"{journal.path} belongs to a study with digest {head.get('digest')}, this one has {study.digest}. "
            "Resume with the unchanged study or start a new experiment."
        )
    if head and engine != "sequential" and (program := changed_program(head)):
        raise JournalError(f"{journal.path}: {program} Or start a new experiment.")
    if head and "domains" in head and Domains.from_json(head["domains"]).to_json() != domains.to_json():
        raise JournalError(
            f"{journal.path}: the search space {study.space.name!r} is not the one that the search began with: its "
            "code or its preset was changed meanwhile. Put it back or start a new experiment."
        )
    if head and head.get("data", fingerprint) != fingerprint:
        raise JournalError(
            f"{journal.path}: the data {study.data.name!r} has another content ({fingerprint}) than when the search "
            f"began ({head['data']}), and results on different data are not comparable. Put it back or start a new "
            "experiment."
        )
    changed = changed_weights(head, assembled.weights)
    if head and changed:
        raise JournalError(
            f"{journal.path}: {changed} has another content than when the search began, and results of different "
            "initial weights are not comparable. Put the file back or start a new experiment."
        )
    corrected = changed_correction(head, table.columns)
    if corrected:
        raise JournalError(
            f"{journal.path}: {corrected} is now another correction than when the search began, and costs would not be "
            "comparable. Put the device's profile back or start a new experiment."
        )
    if not head:
        journal.append(
            "study",
            experiment=experiment,
            engine=engine,
            ednas=__version__,
            nni=nni.__version__,
            torch=torch.__version__,
            python=".".join(map(str, sys.version_info[:3])),
            environment=str(Path(sys.prefix).resolve()),
            study=study.dump(),
            digest=study.digest,
            data=fingerprint,
            members=assembled.members,
            references=comparison.dump() if comparison else None,
            weights=assembled.weights,
            domains=domains.to_json(),
            columns=[
                {
                    "name": c.name,
                    "unit": c.unit,
                    "device": c.device,
                    "origin": c.origin,
                    "note": c.note,
                    "upper": c.upper,
                }
                for c in table.columns
            ],
            concurrency=concurrency,
            trials=trials,
        )
    journal.append("start", mode="resume" if head else "create")


def changed_program(head: dict[str, Any]) -> str:
    """How this process's program differs from the search's, as a sentence with the way out; "" where it does not."""
    from ednas_nni.version import __version__

    ours = (__version__, str(Path(sys.prefix).resolve()), ".".join(map(str, sys.version_info[:3])))
    if ours == (head["ednas"], head["environment"], head["python"]):
        return ""
    return (
        f"the search runs EDNAS {head['ednas']} on Python {head['python']} in {head['environment']}, this is EDNAS "
        f"{ours[0]} on Python {ours[2]} in {ours[1]}. Activate that environment."
    )


def changed_correction(head: dict[str, Any], columns: Any) -> str:
    """Name of a cost whose fitted profile is not that of the journal's head; "" where nothing has changed.

    Args:
        head: The head; its columns keep the notes, which hold the fingerprint of a profile.
        columns: `hardware.CostColumn`s as they are now.
    """
    began = {column["name"]: column["note"] for column in head.get("columns", ())}
    fitted = (c for c in columns if c.origin == "fitted")
    return next((c.name for c in fitted if c.name in began and began[c.name] != c.note), "")


def changed_weights(head: dict[str, Any], weights: dict[str, str]) -> str:
    """Name of what networks now start from otherwise than the journal's head says; "" where nothing has changed.

    Args:
        head: The head.
        weights: As `Assembled.weights` gives it now.
    """
    began = head.get("weights", {})
    return next((name for name in {**began, **weights} if began.get(name) != weights.get(name)), "")
