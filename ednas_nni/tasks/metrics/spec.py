"""What a metric says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MetricSpec:
    """Name, unit, direction and protocol of one metric.

    Attributes:
        name: Key in a meter's result, with its unit where it has one (`abs_error_m`, `mean_deg`). Keys of
            another protocol than `standard` begin with its name (`adashare_miou`), so that numbers of two
            protocols cannot meet in one column.
        unit: Unit for tables; "1" for fractions between 0 and 1, "%" for the same times 100, "" for plain numbers.
        direction: "max" when larger is better, else "min".
        protocol: How it is computed; `standard` is described in the meter's docstring.
        in_delta_t: Whether the metric enters its task's mean in `delta_t` (RMSE does not).
    """

    name: str
    unit: str
    direction: Literal["max", "min"]
    protocol: str = "standard"
    in_delta_t: bool = True
