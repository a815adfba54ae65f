"""What was chosen where, and which choices fail."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from ednas_nni.bridge.session import STATE
from ednas_nni.record.failures import kind as kind_of
from ednas_nni.report.data import SearchView, Trial
from ednas_nni.space.dimensions import Scalar

_COUNTED = re.compile(r"[A-Za-z]+\d+")
MOST_RATES = 12
ENDED = ("trained", "pruned", "failed")  # a cancelled trial says nothing of its choices


def split_label(label: str) -> tuple[str, str]:
    """Place and kind of a label: `stage2_block1_op` -> ("stage2", "op"), `width` -> ("network", "width")."""
    words = label.split("_")
    if len(words) == 1:
        return "network", label
    rest = [word for word in words[1:] if not _COUNTED.fullmatch(word)]
    return words[0], "_".join(rest) or words[-1]


def blocks(choices: Mapping[str, Scalar]) -> list[tuple[str, list[str]]]:
    """An architecture for people: (place, its choices in order).

    A depth is left out where the number of choices shows it anyway.
    """
    by_place: dict[str, list[tuple[str, str]]] = {}
    for label, value in choices.items():
        place, kind = split_label(label)
        by_place.setdefault(place, []).append((kind, str(value)))
    return [
        (place, [v if k == "op" else f"{k} {v}" for k, v in pairs if k != "depth" or len(pairs) == 1])
        for place, pairs in by_place.items()
    ]


@dataclass(frozen=True)
class Rate:
    """How often trials with a choice failed.

    Attributes:
        place: Where the choice is made, e.g. "stage1"; `name` is what is asked, e.g. "op".
        ended: Trials with it that were trained or failed.
        kinds: Kinds of the failures, the most frequent first.
    """

    place: str
    name: str
    value: str
    failed: int
    ended: int
    kinds: str

    @property
    def share(self) -> float:
        """Failed of ended, in [0, 1]."""
        return self.failed / self.ended


def failure_rates(trials: Iterable[Trial]) -> list[Rate]:
    """Rates of the choices that failed, the highest first, with more trials first among equals; at most `MOST_RATES`.

    Blocks of a stage are pooled; a trial with the same choice in several of them counts once.
    """
    failed: Counter[tuple[str, str, str]] = Counter()
    ended: Counter[tuple[str, str, str]] = Counter()
    kinds: dict[tuple[str, str, str], Counter[str]] = {}
    for trial in trials:
        if trial.status not in ENDED:
            continue
        chosen = {(*split_label(label), str(value)) for label, value in trial.choices.items()}
        ended.update(chosen)
        if trial.status == "failed":
            failed.update(chosen)
            for choice in chosen:
                kinds.setdefault(choice, Counter())[kind_of(trial.cause)] += 1
    rates = [
        Rate(*choice, count, ended[choice], ", ".join(name for name, _ in kinds[choice].most_common()))
        for choice, count in failed.items()
    ]
    return sorted(rates, key=lambda rate: (-rate.share, -rate.ended, rate.place, rate.name, rate.value))[:MOST_RATES]


def failure_rate(trials: Iterable[Trial]) -> str:
    """The rate over all trials, to compare with; "" where none has ended."""
    ended = [trial.status for trial in trials if trial.status in ENDED]
    failed = ended.count("failed")
    return f"{failed} of {len(ended)} trials failed ({failed / len(ended):.0%})" if ended else ""


def shares(search: SearchView) -> dict[str, list[tuple[Scalar, float]]]:
    """Label -> its choices, each with a share in [0, 1], where the strategy's last state has such `shares`; else {}."""
    try:
        state = json.loads((search.history.path.parent / STATE).read_text(encoding="utf-8"))["core"]["shares"]
        return TypeAdapter(dict[str, list[tuple[Scalar, float]]]).validate_python(state)
    except (OSError, ValueError, LookupError, TypeError, ValidationError):  # no such strategy, or a damaged file
        return {}
