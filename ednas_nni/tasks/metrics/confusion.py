"""The confusion matrix of a split."""

from __future__ import annotations

import torch
from torch import Tensor

from ednas_nni.errors import DataError


class Confusion:
    """Counts of (true class, predicted class) over all labelled pixels.

    Args:
        classes: Number of classes C.
        ignore_index: The label of unlabelled pixels.
    """

    def __init__(self, classes: int, ignore_index: int):
        self.classes = classes
        self.ignore_index = ignore_index
        self._counts: Tensor | None = None

    def add(self, prediction: Tensor, target: Tensor) -> None:
        """Add class indices of equal shape; what lies on unlabelled pixels is not looked at."""
        truth, guess = target.long(), prediction.long()
        square = self.classes**2
        index = torch.where((guess >= 0) & (guess < self.classes), truth * self.classes + guess, square)
        index = torch.where((truth >= 0) & (truth < self.classes), index, square + 1)
        index = torch.where(truth == self.ignore_index, square + 2, index).flatten()
        # Not `bincount`: on a GPU it waits for the largest index, and on a processor this is no slower.
        counts = torch.zeros(square + 3, dtype=torch.int64, device=index.device)
        counts.scatter_add_(0, index, torch.ones_like(index))
        self._counts = counts if self._counts is None else self._counts + counts

    def result(self) -> tuple[Tensor, int]:
        """The matrix, and what could not enter it.

        Returns:
            int64 (C, C) on the host, rows = truth, columns = prediction; and the number of labelled pixels
            whose prediction was no class.

        Raises:
            DataError: A label is neither a class nor the ignored value.
        """
        square = self.classes**2
        if self._counts is None:
            return torch.zeros(self.classes, self.classes, dtype=torch.int64), 0
        counts = self._counts.cpu()
        if counts[square + 1]:
            raise DataError(
                f"{int(counts[square + 1])} pixels have a label that is neither one of the {self.classes} classes "
                f"(0..{self.classes - 1}) nor the ignored value {self.ignore_index}. Map the labels when the data "
                "set is read."
            )
        return counts[:square].reshape(self.classes, self.classes), int(counts[square])


def class_iou(matrix: Tensor) -> Tensor:
    """TP / (TP + FP + FN) of every class, float64 (C,); NaN for a class absent from truth and predictions."""
    hit = matrix.diagonal()
    return hit.double() / (matrix.sum(0) + matrix.sum(1) - hit)  # 0 / 0 is NaN
