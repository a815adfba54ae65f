"""The study, with or without a search, and the architecture that a command is about. A search needs no torch."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ednas_nni.errors import StudyError, quoted
from ednas_nni.handover.search import SearchedArchitecture, SearchRecord, open_search
from ednas_nni.search.assembled import Assembled
from ednas_nni.study import parse, read_experiment
from ednas_nni.study.changes import changed

if TYPE_CHECKING:
    from ednas_nni.space.domains import Sample

Opened = tuple[SearchRecord | None, Assembled]


@dataclass(frozen=True)
class ChosenArchitecture:
    """One architecture.

    Attributes:
        sample: Canonical.
        weights: File of what a search kept of it; None = nothing.
        name: The member's, or the architecture id.
    """

    sample: Sample
    weights: Path | None
    name: str


def opened(source: SearchRecord | Assembled | str | Path, changes: Sequence[str] = ()) -> Opened:
    """A search and its study, or a study without a search: by id, journal, or an experiment's YAML.

    `changes` of the study are `FIELD=VALUE`, see `ednas_nni.study.changes`.

    Raises:
        EdnasError: There is no such search or file, or its study or a change is wrong.
    """
    if isinstance(source, Assembled):
        return None, source
    if isinstance(source, str | Path) and str(source).endswith((".yml", ".yaml")):
        return None, Assembled(read_experiment(source, changes)[1], str(source))
    search = source if isinstance(source, SearchRecord) else open_search(source)
    assembled = search.assembled
    return search, assembled.of(parse(changed(assembled.study.dump(), changes))) if changes else assembled


def chosen(
    search: SearchRecord | None,
    assembled: Assembled,
    choice: ChosenArchitecture | SearchedArchitecture | Mapping[str, Any] | str,
) -> ChosenArchitecture:
    """One architecture of what was opened: what was picked, an id, a member's name, or choices (JSON, or a mapping).

    Raises:
        EdnasError: There is no such architecture.
    """
    if isinstance(choice, str):
        choice = _named(search, assembled, choice)
    if isinstance(choice, ChosenArchitecture):
        return choice
    if isinstance(choice, SearchedArchitecture):
        return ChosenArchitecture(
            assembled.domains.complete(choice.sample), choice.weights, choice.name or choice.architecture
        )
    sample = assembled.domains.complete(choice)
    return ChosenArchitecture(sample, None, assembled.domains.architecture_id(sample))


def _named(
    search: SearchRecord | None, assembled: Assembled, name: str
) -> ChosenArchitecture | SearchedArchitecture | Mapping[str, Any]:
    if name.lstrip().startswith("{"):
        try:
            return dict(json.loads(name))
        except ValueError as error:
            raise StudyError(f"{quoted(name)} begins as JSON does and is none: {error}.") from None
    if re.fullmatch("[0-9a-f]{10}", name) and (search is None or name not in search.history.results):
        from ednas_nni.handover.repricing import score_of  # torch

        if score := score_of(assembled, name):  # of `ednas front`
            return ChosenArchitecture(dict(score.sample), None, name)
    if search is None:
        return ChosenArchitecture(assembled.domains.complete(assembled.member(name)), None, name)
    return search.architecture(name)
