"""Which choices fail: the share of failed trials per choice, for choices that failed at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ednas_nni.record.failures import kind
from ednas_nni.report.choices import split_label
from ednas_nni.report.data import Trial

SHOWN = 12  # rows
ENDED = ("trained", "failed")  # a cancelled trial says nothing of its choices


@dataclass(frozen=True)
class Rate:
    """How often trials with a choice failed.

    Attributes:
        place: Where the choice is made, e.g. "stage1".
        name: What is asked, e.g. "op".
        value: The choice.
        failed: Trials with it that failed.
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


def rates(trials: Iterable[Trial]) -> list[Rate]:
    """Rates of the choices that failed, the highest first, with more trials first among equals; at most `SHOWN`.

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
                kinds.setdefault(choice, Counter())[kind(trial.cause)] += 1
    found = [
        Rate(*choice, count, ended[choice], ", ".join(name for name, _ in kinds[choice].most_common()))
        for choice, count in failed.items()
    ]
    return sorted(found, key=lambda rate: (-rate.share, -rate.ended, rate.place, rate.name, rate.value))[:SHOWN]


def overall(trials: Iterable[Trial]) -> str:
    """The rate over all trials, to compare with; "" where none has ended."""
    ended = [trial.status for trial in trials if trial.status in ENDED]
    failed = ended.count("failed")
    return f"{failed} of {len(ended)} trials failed ({failed / len(ended):.0%})" if ended else ""
