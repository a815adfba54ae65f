"""Reads what a trial reported: numbers, the architecture it proves to have run, and faults."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real


@dataclass(frozen=True)
class Report:
    """What a trial reported, taken apart.

    Attributes:
        metrics: The finite numbers, as floats.
        architecture: Id of the architecture which the trial really ran, None where it does not say.
        job: NNI job id that the trial gives itself, None where it does not say.
        fault: Why the report is no result; empty for a good one.
    """

    metrics: dict[str, float]
    architecture: str | None
    job: str | None
    fault: str


def read_report(raw: object) -> Report:
    """Take a raw metric apart.

    Args:
        raw: A number, or a mapping with `default`. Text values are no metrics: `architecture` and `job` are
            understood, others are dropped.

    Returns:
        The report. NaN or infinity anywhere, or a missing `default`, is a fault and never a number.
    """
    values: Mapping[object, object] = raw if isinstance(raw, Mapping) else {"default": raw}
    metrics: dict[str, float] = {}
    faults = []
    for key, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Real):
            continue
        number = float(value)
        if math.isfinite(number):
            metrics[str(key)] = number
        else:
            faults.append(f"{key} is {number}")
    if "default" not in metrics and not any(fault.startswith("default ") for fault in faults):
        written = repr(values.get("default")) if "default" in values else f"only {sorted(map(str, values))}"
        faults.append(f"no number for 'default' (got {written})")
    fault = f"the trial reported no usable result: {', '.join(faults)}" if faults else ""
    return Report(metrics, _text(values.get("architecture")), _text(values.get("job")), fault)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
