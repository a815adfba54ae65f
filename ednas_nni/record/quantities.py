"""Names, units, directions and number formats of everything a report prints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ednas_nni.record.head import CostRecord, MetricRecord, TaskRecord
from ednas_nni.study.objectives import IN_INT8

QUALITY_KEY = "default"
_SPELLING = {"miou": "mIoU", "rmse": "RMSE", "macs": "MACs", "delta1": "δ1", "delta2": "δ2", "delta3": "δ3"}
_SUFFIX_UNITS = {"ms": "ms", "s": "s", "m": "m", "deg": "deg", "mj": "mJ", "bytes": "B"}
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Quantity:
    """One column of a table or axis of a plot.

    Attributes:
        key: Its name in the journal, e.g. `latency_ms` or `depth_abs_error_m`.
        label: Name for people, without the unit.
        unit: Unit as shown; "" for a pure number.
        direction: "max" when larger is better, "min" when smaller is, "" when the report cannot know.
        scale: The shown number is the journal's value times this.
        group: Task that the metric belongs to, "cost", or "other".
        device: Device of a cost, else "".
        origin: counted, modelled, measured or fitted for costs, else "".
        note: Expected error and range of a cost, protocol of a metric.
        decimals: Digits after the point.
        primary: Whether it is the metric of its task that enters the quality.
    """

    key: str
    label: str
    unit: str = ""
    direction: str = ""
    scale: float = 1.0
    group: str = "other"
    device: str = ""
    origin: str = ""
    note: str = ""
    decimals: int = 3
    primary: bool = False

    @property
    def whole(self) -> str:
        """Where nothing else says of which task it is: `segmentation mIoU [%]`."""
        return self.axis if self.group in ("quality", "cost", "other") else f"{self.group} {self.axis}"

    @property
    def axis(self) -> str:
        """Label of a plot's axis."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label

    def number(self, value: float | None) -> str:
        """A value of the journal without its unit; "-" where there is none."""
        return "-" if value is None else f"{value * self.scale:.{self.decimals}f}"

    def text(self, value: float | None) -> str:
        """A value of the journal with its unit."""
        return "-" if value is None else f"{self.number(value)} {self.unit}".strip()


QUALITY = Quantity("quality", "quality", direction="max", group="quality", note="the trial's metric `default`")
DELTA_T = Quantity(
    "delta_t", "delta_t", "%", "max", group="quality", note="mean gain over one network per task", decimals=2
)
QUALITY_INT8 = Quantity(
    f"quality{IN_INT8}",
    "quality, int8",
    direction="max",
    group="quality",
    note="simulated in 8 bits, see docs/export.md",
)
SCORES = {quantity.key: quantity for quantity in (QUALITY, DELTA_T, QUALITY_INT8)}


def cost_quantities(columns: Iterable[CostRecord], records: Sequence[Mapping[str, float]]) -> tuple[Quantity, ...]:
    """The costs of a search; of each trial (name -> value) those that no column describes, too.

    Where devices share a cost its label says of which it is: "latency, edge_tpu" and "latency, my_phone".
    """
    described = {column.name: column for column in columns}
    plain = {name: name.removeprefix(f"{column.device}_") for name, column in described.items()}
    shared = {name for name in plain.values() if list(plain.values()).count(name) > 1}
    quantities = []
    for name in dict.fromkeys([*described, *(name for record in records for name in record)]):
        column = described.get(name) or CostRecord(name=name)
        unit = column.unit or unit_in(name)
        quantity = Quantity(
            name,
            spelled(plain.get(name, name), unit) + (f", {column.device}" if plain.get(name) in shared else ""),
            unit,
            "min",
            group="cost",
            device=column.device,
            origin=column.origin,
            note=column.note,
        )
        quantities.append(_fit_scale(quantity, [record[name] for record in records if name in record]))
    return tuple(quantities)


def metric_quantities(tasks: Iterable[TaskRecord], records: Sequence[Mapping[str, float]]) -> tuple[Quantity, ...]:
    """The final metrics that trials reported, grouped by task, without `default`.

    Units, directions and protocols are those of the journal's head; a key that it does not name is shown as it is.
    """
    keys = dict.fromkeys(key for record in records for key in record)
    keys.pop(QUALITY_KEY, None)
    quantities: dict[str, Quantity] = {}
    for task in tasks:
        metrics = {metric.name: metric for metric in task.metrics}
        order = {name: i for i, name in enumerate(metrics)}
        names = [key.removeprefix(f"{task.name}_") for key in keys if key.startswith(f"{task.name}_")]
        for name in sorted(names, key=lambda n: order.get(n.removesuffix(IN_INT8), len(order))):
            plain = name.removesuffix(IN_INT8)
            metric = metrics.get(plain) or MetricRecord(name=name, unit=unit_in(plain))
            key = f"{task.name}_{name}"
            quantity = Quantity(
                key,
                spelled(plain, metric.unit) + (", int8" if plain != name else ""),
                metric.unit,
                metric.direction,
                group=task.name,
                note=f"protocol {metric.protocol}" if metric.protocol else "",
                primary=name == task.primary,
            )
            if metric.unit == "1":
                quantities[key] = replace(quantity, unit="%", scale=100.0, decimals=1)
            else:
                quantities[key] = replace(quantity, decimals=2 if metric.unit == "deg" else 3)
    for key in keys:
        if key in SCORES:
            quantities[key] = SCORES[key]
        elif key not in quantities:
            unit = unit_in(key)
            largest = max(abs(record[key]) for record in records if key in record)
            decimals = 3 if largest < 10 else 1 if largest < 1000 else 0
            quantities[key] = Quantity(key, spelled(key, unit), unit, decimals=decimals)
    return tuple(quantities.values())


def value_in(key: str, costs: Mapping[str, float], metrics: Mapping[str, float]) -> float | None:
    """A quantity by name, None where there is none; a search for delta_t has the quality among its metrics."""
    value = costs.get(key, metrics.get(key))
    return metrics.get(QUALITY_KEY) if value is None and key == QUALITY.key else value


def unit_in(name: str) -> str:
    """The unit that a name ends with, "" if it has none."""
    return _SUFFIX_UNITS.get(name.rpartition("_")[2], "") if "_" in name else ""


def spelled(name: str, unit: str) -> str:
    """A name for people: `abs_error_m` -> "abs error", `within_11_25` -> "within 11.25"."""
    if name.endswith("_upper90"):
        return f"upper 90 % bound of {spelled(name.removesuffix('_upper90'), unit)}"
    words = name.split("_")
    if unit and _SUFFIX_UNITS.get(words[-1]) == unit and len(words) > 1:
        words = words[:-1]
    text = " ".join(_SPELLING.get(word, word) for word in words)
    return re.sub(r"(\d) (\d)", r"\1.\2", text)


def _fit_scale(quantity: Quantity, values: Iterable[float]) -> Quantity:
    """One prefix for a whole column, so that its numbers can be compared at a glance."""
    largest = max(map(abs, values), default=0.0)
    for size, prefix in _PREFIXES:
        if largest >= max(size, 1e4):
            unit = f"{prefix}{quantity.unit}" if len(quantity.unit) <= 3 else f"{prefix} {quantity.unit}s"
            return replace(quantity, unit=unit, scale=1 / size, decimals=2)
    return replace(quantity, decimals=2 if largest >= 1 else 3)


def duration(seconds: float | None) -> str:
    """Like `42 s`, `3:07 min` or `2:05 h`."""
    if seconds is None:
        return "-"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
