"""What a metric says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MetricSpec:
    """Name, unit, direction and protocol of one metric.

    Attributes:
        name: Key in a meter's result, with its unit where it has one (`abs_error_m`, `mean_deg`).
        unit: Unit for tables; "1" for fractions between 0 and 1.
        direction: "max" when larger is better, else "min".
        protocol: How it is computed; `standard` is described in the meter's docstring.
    """

    name: str
    unit: str
    direction: Literal["max", "min"]
    protocol: str = "standard"
