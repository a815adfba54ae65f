"""What all earlier networks share: one published network, at several widths, as a space of one label."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

from pydantic import Field

from ednas_nni.compat.nas import MutableExpression, choice
from ednas_nni.errors import StudyError, did_you_mean, quoted
from ednas_nni.nn.dense import DenseSpace
from ednas_nni.nn.elementwise import Channels
from ednas_nni.nn.tree import domains_of
from ednas_nni.space.domains import Domains, Sample

LABEL = "width"
WIDTHS = (1.0, 0.5, 0.25)
"""Factors of all published numbers of channels."""
Widths = Sequence[Annotated[float, Field(ge=0.05, le=2)]]


def scaled(channels: int, width: float) -> int:
    """Channels at a width, in multiples of 8 and never more than a tenth below (MobileNet's rule, arXiv 1801.04381)."""
    rounded = max(8, int(channels * width + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels * width else rounded + 8


class EarlierNetwork(DenseSpace):
    """A published network as a model space, which every tool of the product takes.

    The width is the only choice, label `width` with percents as its values; members are `width_100`, `width_050` and so
    on, and all other labels that a subclass has are at their first value there. Weights start at random.
    """

    def settle(self, tasks: Mapping[str, int], widths: Sequence[float]) -> None:
        """Take tasks and widths, before anything is constructed.

        Raises:
            StudyError: They are wrong.
        """
        self.begin(tasks)
        self.widths = {f"{round(100 * width):03}": width for width in widths}
        if not 0 < len(self.widths) == len(widths):
            raise StudyError(f"space.widths = {quoted(widths)} must be different percents, such as [1, 0.5].")

    def by_width(self, of: Callable[[float], int]) -> Channels:
        """A number of channels that the width decides."""
        values = {name: of(width) for name, width in self.widths.items()}
        if len(set(values.values())) == 1:
            return next(iter(values.values()))
        return MutableExpression.switch_case(choice(LABEL, list(values)), values)

    def channels(self, published: int) -> Channels:
        """A published number of channels at the searched width."""
        return self.by_width(lambda width: scaled(published, width))

    @property
    def domains(self) -> Domains:
        """Labels, values and conditions. Of the space; a network has none."""
        return domains_of(self)

    @property
    def member_names(self) -> tuple[str, ...]:
        """One for each width."""
        return tuple(f"width_{name}" for name in self.widths)

    def member(self, name: str) -> Sample:
        """As `Capabilities.member`."""
        if name not in self.member_names:
            raise StudyError(f"Unknown member {name!r} of the search space.{did_you_mean(name, self.member_names)}")
        first = {dimension.label: dimension.values[0] for dimension in self.domains.dimensions}
        return self.domains.canonical(first | ({LABEL: name.removeprefix("width_")} if LABEL in first else {}))
