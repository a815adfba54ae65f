"""Sums over a split that stay on the predictions' device until they are asked for."""

from __future__ import annotations

import torch
from torch import Tensor


class Totals:
    """A running sum of equally long vectors.

    Reading a number back makes the host wait for the device, so nothing is read before `list` is called.
    """

    def __init__(self) -> None:
        self._sum: Tensor | None = None

    def add(self, *values: Tensor) -> None:
        """Add scalars, always in the same order; kept in float64."""
        batch = torch.stack([value.double() for value in values])
        self._sum = batch if self._sum is None else self._sum + batch

    def list(self, length: int) -> list[float]:
        """The sums, or `length` zeros if nothing was added."""
        return [0.0] * length if self._sum is None else self._sum.tolist()


def divided(numerator: float, denominator: float) -> float:
    """Quotient that is NaN, not an exception, where there is nothing to divide by."""
    return numerator / denominator if denominator else float("nan")


def no_values(names: tuple[str, ...]) -> dict[str, float]:
    """What a meter returns when it has no score."""
    return dict.fromkeys(names, float("nan"))
