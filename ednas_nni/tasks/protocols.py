"""Evaluation protocols, and what a metric says about itself.

`standard` is the usual definition of every metric, free of traps. `adashare` is what the code of AdaShare (Sun et al.,
NeurIPS 2020) would print, quirk by quirk: it set the tables that later multi-task papers compare with, and only such
numbers may be compared with them. Each quirk is a named switch, on by default. Batches of any size give what its test
script gives with batches of one image, up to rounding. docs/metrics.md lists all metrics of both protocols.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PROTOCOLS = ("standard", "adashare")


@dataclass(frozen=True)
class MetricSpec:
    """What one metric is.

    Attributes:
        name: Key in a meter's result, with its unit where it has one (`abs_error_m`, `mean_deg`). Keys of another
            protocol than `standard` begin with its name (`adashare_miou`), so that the two cannot meet in one column.
        unit: Unit for tables; "1" for fractions between 0 and 1, "%" for the same times 100, "" for plain numbers.
        direction: "max" when larger is better, else "min".
        in_delta_t: Whether the metric enters its task's mean in `delta_t` (RMSE does not).
    """

    name: str
    unit: str
    direction: Literal["max", "min"]
    protocol: str = "standard"
    in_delta_t: bool = True
