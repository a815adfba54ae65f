"""Edge metrics, pixel against pixel."""

from __future__ import annotations

from torch import Tensor

from ednas_nni.data.targets import IGNORE_INDEX
from ednas_nni.tasks.meters import Totals, no_values
from ednas_nni.tasks.protocols import MetricSpec

SPECS = (MetricSpec("f1", "1", "max"), MetricSpec("precision", "1", "max"), MetricSpec("recall", "1", "max"))


class EdgesMeter:
    """Precision P, recall R and F1 = 2 P R / (P + R) of edge pixels over a split, pixel against pixel."""

    def __init__(self) -> None:
        self._totals = Totals()

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add a batch of predictions (N, H, W), 0 or 1, and targets with `IGNORE_INDEX`."""
        labelled = target != IGNORE_INDEX
        guess, truth = labelled & (prediction == 1), labelled & (target == 1)
        unusable = labelled & (prediction < 0)
        self._totals.add((guess & truth).sum(), guess.sum(), truth.sum(), labelled.sum(), unusable.sum())

    def compute(self) -> dict[str, float]:
        """The metrics of `SPECS`; NaN without a labelled pixel or with a prediction that is not a number."""
        both, guessed, true, labelled, unusable = self._totals.list(5)
        if unusable or not labelled:
            return no_values(spec.name for spec in SPECS)
        return {
            "f1": 2 * both / max(guessed + true, 1),
            "precision": both / max(guessed, 1),
            "recall": both / max(true, 1),
        }
