"""Names, units, directions and number formats of everything a report prints."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
    def axis(self) -> str:
        """Label of a plot's axis."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label

    def number(self, value: Any) -> str:
        """A value of the journal without its unit; "-" where there is none."""
        return f"{value * self.scale:.{self.decimals}f}" if is_number(value) else "-"

    def text(self, value: Any) -> str:
        """A value of the journal with its unit."""
        return f"{self.number(value)} {self.unit}".strip() if is_number(value) else "-"


QUALITY = Quantity("quality", "quality", direction="max", group="quality", note="the trial's metric `default`")
DELTA_T = Quantity(
    "delta_t", "delta_t", "%", "max", group="quality", note="mean gain over one network per task", decimals=2
)
SCORES = {quantity.key: quantity for quantity in (QUALITY, DELTA_T)}


def is_number(value: Any) -> bool:
    """Whether a journal's value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def cost_quantities(columns: Any, records: Sequence[Mapping[str, Any]]) -> tuple[Quantity, ...]:
    """The costs of a search.

    Args:
        columns: `columns` of the journal's head: mappings with name, unit, device, origin, note.
        records: Costs of each trial, name -> value; costs that no column describes are added with the unit in
            their name.
    """
    listed = columns if isinstance(columns, list) else []
    described = {str(c["name"]): c for c in listed if isinstance(c, Mapping) and "name" in c}
    names = dict.fromkeys([*described, *(name for record in records for name in record)])
    found = []
    for name in names:
        column = described.get(name, {})
        unit = str(column.get("unit") or unit_in(name))
        quantity = Quantity(
            name,
            spelled(name, unit),
            unit,
            "min",
            group="cost",
            device=str(column.get("device", "")),
            origin=str(column.get("origin", "unknown origin")),
            note=str(column.get("note", "")),
        )
        found.append(_fit_scale(quantity, [record.get(name) for record in records]))
    return tuple(found)


def metric_quantities(tasks: Iterable[str], records: Sequence[Mapping[str, Any]]) -> tuple[Quantity, ...]:
    """The metrics that trials reported, grouped by task, without `default`.

    Units, directions and protocols come from the task plugins; a key that no plugin knows is shown as it is.
    """
    keys = dict.fromkeys(key for record in records for key, value in record.items() if is_number(value))
    keys.pop(QUALITY_KEY, None)
    found: dict[str, Quantity] = {}
    for task in tasks:
        mine = [key for key in keys if key.startswith(f"{task}_")]
        specs, primaries = _specs(task) if mine else ({}, ())
        order = {name: i for i, name in enumerate(specs)}
        for key in sorted(mine, key=lambda k: order.get(k[len(task) + 1 :], len(order))):
            name = key[len(task) + 1 :]
            spec = specs.get(name)
            unit = spec.unit if spec else unit_in(name)
            note = f"protocol {spec.protocol}" if spec else ""
            quantity = Quantity(key, spelled(name, unit), unit, group=task, note=note, primary=name in primaries)
            found[key] = _as_percent(replace(quantity, direction=spec.direction if spec else ""))
    for key in keys:
        if key in SCORES:
            found[key] = SCORES[key]
        elif key not in found:
            unit = unit_in(key)
            largest = max(abs(record[key]) for record in records if is_number(record.get(key)))
            decimals = 3 if largest < 10 else 1 if largest < 1000 else 0
            found[key] = Quantity(key, spelled(key, unit), unit, decimals=decimals)
    return tuple(found.values())


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


def _as_percent(quantity: Quantity) -> Quantity:
    if quantity.unit != "1":
        return replace(quantity, decimals=2 if quantity.unit == "deg" else 3)
    return replace(quantity, unit="%", scale=100.0, decimals=1)


def _fit_scale(quantity: Quantity, values: Iterable[Any]) -> Quantity:
    """One prefix for a whole column, so that its numbers can be compared at a glance."""
    largest = max((abs(value) for value in values if is_number(value)), default=0.0)
    for size, prefix in _PREFIXES:
        if largest >= max(size, 1e4):
            shown = f"{prefix}{quantity.unit}" if len(quantity.unit) <= 3 else f"{prefix} {quantity.unit}s"
            return replace(quantity, unit=shown, scale=1 / size, decimals=2)
    return replace(quantity, decimals=2 if largest >= 1 else 3)


def _specs(task: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Metric name -> MetricSpec, and what is primary, for any data and protocol.

    Empty where the plugin is gone: a report must outlive it.
    """
    from ednas_nni.errors import EdnasError
    from ednas_nni.tasks.binding import every_metric

    try:
        rows = every_metric(task)
        return {spec.name: spec for row in rows for spec in row}, tuple(row[0].name for row in rows)
    except EdnasError:
        return {}, ()
