"""What was chosen where: the share of each choice per stage, over the front and over all trials."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ednas_nni.report.data import SearchView

_COUNTED = re.compile(r"[A-Za-z]+\d+")
TITLES = {"op": "operation", "depth": "depth (blocks)"}


@dataclass(frozen=True)
class Family:
    """Labels that ask the same question in different places.

    Attributes:
        kind: What is asked, e.g. "op".
        title: For people.
        places: Columns, e.g. stage1, stage2.
        values: Rows, the choices.
        front: (values, places) shares in [0, 1] over the front; NaN in a place that no network has.
        trials: The same over all architectures that were submitted.
    """

    kind: str
    title: str
    places: tuple[str, ...]
    values: tuple[str, ...]
    front: np.ndarray
    trials: np.ndarray


def split_label(label: str) -> tuple[str, str]:
    """Place and kind of a label: `stage2_block1_op` -> ("stage2", "op"), `width` -> ("network", "width")."""
    words = label.split("_")
    if len(words) == 1:
        return "network", label
    rest = [word for word in words[1:] if not _COUNTED.fullmatch(word)]
    return words[0], "_".join(rest) or words[-1]


def families(view: SearchView) -> list[Family]:
    """All families, those with the most labels first. Blocks of a stage are pooled; each architecture counts once."""
    networks = {trial.architecture: trial.choices for trial in view.trials}
    front = {trial.architecture: trial.choices for trial in view.front}
    places: dict[str, dict[str, None]] = {}
    values: dict[str, dict[str, None]] = {}
    weight: Counter[str] = Counter()
    for label, allowed in _labels(view, networks.values()):
        place, kind = split_label(label)
        places.setdefault(kind, {})[place] = None
        values.setdefault(kind, {}).update(dict.fromkeys(map(str, allowed)))
        weight[kind] += 1
    found = []
    for kind in sorted(places, key=lambda k: -weight[k]):
        columns, rows = tuple(places[kind]), tuple(values[kind])
        found.append(
            Family(
                kind,
                TITLES.get(kind, kind.replace("_", " ")),
                columns,
                rows,
                _shares(front.values(), kind, columns, rows),
                _shares(networks.values(), kind, columns, rows),
            )
        )
    return found


def blocks(choices: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """An architecture for people: (place, its choices in order).

    A depth is left out where the number of choices shows it anyway.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for label, value in choices.items():
        place, kind = split_label(label)
        found.setdefault(place, []).append((kind, str(value)))
    return [
        (place, [v if k == "op" else f"{k} {v}" for k, v in pairs if k != "depth" or len(pairs) == 1])
        for place, pairs in found.items()
    ]


def _labels(view: SearchView, networks: Iterable[Mapping[str, Any]]) -> list[tuple[str, Sequence[Any]]]:
    """Labels with their values, from the space or, without it, as seen in the trials."""
    if view.domains is not None:
        return [(d.label, d.values) for d in view.domains.dimensions if len(d.values) > 1]
    seen: dict[str, dict[Any, None]] = {}
    for choices in networks:
        for label, value in choices.items():
            seen.setdefault(label, {})[str(value)] = None
    return [(label, tuple(values)) for label, values in seen.items()]


def _shares(
    networks: Iterable[Mapping[str, Any]], kind: str, places: Sequence[str], values: Sequence[str]
) -> np.ndarray:
    counts = np.zeros((len(values), len(places)))
    row, column = {v: i for i, v in enumerate(values)}, {p: i for i, p in enumerate(places)}
    for choices in networks:
        for label, value in choices.items():
            place, mine = split_label(label)
            if mine == kind and place in column and str(value) in row:
                counts[row[str(value)], column[place]] += 1
    total = counts.sum(axis=0)
    return np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)
