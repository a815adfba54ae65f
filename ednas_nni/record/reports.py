"""Reads what a trial reported: numbers, the architecture it proves to have run, and faults."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real

from ednas_nni.record.events import Final


@dataclass(frozen=True)
class Report:
    """What a trial reported, taken apart.

    Attributes:
        metrics: The finite numbers, as floats.
        architecture: Id of the architecture which the trial really ran, None where it does not say.
        job: NNI job id that the trial gives itself, None where it does not say.
        fault: Why the report is no result; empty for a good one.
        ran: What the trial really ran with (precision, device, threads, versions, data); {} where it does not say.
    """

    metrics: dict[str, float]
    architecture: str | None
    job: str | None
    fault: str
    ran: dict[str, str] = field(default_factory=dict)


def read_report(raw: object) -> Report:
    """Take a raw metric apart: a number, or a mapping with `default`.

    Texts are no metrics: `architecture`, `job` and `ran` are understood, others are dropped. NaN or infinity anywhere,
    or a missing `default`, is a fault and never a number.
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
    pairs = (part.partition("=") for part in (_text(values.get("ran")) or "").split())
    ran = {name: value for name, sign, value in pairs if sign}
    return Report(metrics, _text(values.get("architecture")), _text(values.get("job")), fault, ran)


def final_event(report: Report, trial: int, job: str | None, architecture: str) -> Final:
    """The journal's event of a good final report."""
    ran = {"ran": report.ran} if report.ran else {}
    return Final.model_validate(
        {"trial": trial, "job": job, "architecture": architecture, "metrics": report.metrics, **ran}
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
