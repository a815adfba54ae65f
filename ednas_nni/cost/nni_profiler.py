"""A column of the cost table as one of NNI's profilers, so that NNI's one-shot strategies keep to it.

Strategies that draw architectures need prices: any column will do. Strategies that mix candidates need a price of their
probabilities, with a gradient. A cost that is a sum over layers has one, because the mean of a sum is the sum of the
means, and each summand depends on few choices. In NNI's words it is an expression: a sum of small look-ups.

    stage1_depth   1 -> 10, 2 -> 30              probabilities 0.5, 0.5      mean 20
    stage1_width   8 -> 4, 16 -> 8               probabilities 0.25, 0.75    mean 7
    cost = 5 + look-up + look-up                                             mean 5 + 20 + 7 = 32
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from nni.mutable import MutableExpression

from ednas_nni.compat.nas import ExpressionProfiler, ModelSpace
from ednas_nni.cost.minimum import Function
from ednas_nni.cost.summary import random_codes
from ednas_nni.cost.table import CostTable
from ednas_nni.errors import StudyError, did_you_mean
from ednas_nni.space.domains import Sample, Scalar

COMPARED = 1024
"""Random architectures whose sums over layers are compared with their costs."""


class CostProfiler(ExpressionProfiler):
    """Prices of one column of a table, exact for the network of each sample. The space must not be a supernet yet."""

    def __init__(self, space: ModelSpace, table: CostTable, column: str = "macs") -> None:
        super().__init__(space)
        if column not in table.names:
            raise StudyError(f"{column!r} is not a cost of this table.{did_you_mean(column, table.names)}")
        self.table, self.column = table, column
        self._position = table.names.index(column)
        self._symbols = space.simplify()

    def profile(self, sample: Sample) -> float:
        """The cost of a sample in the column's unit; labels that are not in use may be missing."""
        return float(self.table([self.table.domains.complete(dict(sample))])[0, self._position])

    @cached_property
    def expression(self) -> MutableExpression[float] | float:
        """The cost as NNI's expression of the space's choices."""
        constant, functions = self.summands
        parts = [self._looked_up(labels, values) for labels, values in functions if values.any()]
        while len(parts) > 1:  # halved, since NNI descends into a sum by recursion
            parts = [sum(parts[i + 1 : i + 2], parts[i]) for i in range(0, len(parts), 2)]
        return sum(parts, constant)

    def mean(self, probabilities: Mapping[str, Mapping[Scalar, torch.Tensor]]) -> torch.Tensor:
        """The mean over independent choices: that of `expression`, but not case by case as NNI computes it."""
        constant, functions = self.summands
        dimensions = self.table.domains.dimensions
        chances = [torch.stack([probabilities[d.label][value] for value in d.values]) for d in dimensions]
        total = torch.full((), constant, dtype=chances[0].dtype, device=chances[0].device)
        for labels, values in functions:
            rest = torch.as_tensor(values, dtype=total.dtype, device=total.device)
            for label in reversed(labels):  # the last axis is averaged out first
                rest = rest @ chances[label]
            total = total + rest
        return total

    @cached_property
    def summands(self) -> tuple[float, Sequence[Function]]:
        """The cost as a constant and functions of few choices that are added up; StudyError: it is no such sum."""
        bound = self.table.lower_bound(self.column)  # no network costs less than this sum, but some might cost more
        if bound is not None:
            codes = random_codes(self.table.domains, COMPARED, np.random.default_rng(0))
            sums = bound[0] + sum(values[tuple(codes[:, label] for label in labels)] for labels, values in bound[1])
            if np.allclose(sums, self.table.encoded(codes)[:, self._position], rtol=1e-9, atol=0.0):
                return bound
        raise StudyError(
            f"{self.column} is not a sum over layers in this space, so a penalty on it has no gradient. Take a cost "
            "that is one, such as macs, or a strategy that draws architectures: random_one_shot or enas"
        )

    def _looked_up(self, labels: Sequence[int], values: np.ndarray) -> MutableExpression[float]:
        """One function of few choices; `labels` are positions in the space, one for each axis of `values`."""
        dimensions = [self.table.domains.dimensions[label] for label in labels]
        positions = [{value: i for i, value in enumerate(dimension.values)} for dimension in dimensions]

        def look_up(*chosen: Scalar) -> float:
            return float(values[tuple(at[value] for at, value in zip(positions, chosen, strict=True))])

        symbols = [self._symbols[dimension.label] for dimension in dimensions]
        return MutableExpression(look_up, f"cost[{', '.join(['{}'] * len(symbols))}]", symbols)
