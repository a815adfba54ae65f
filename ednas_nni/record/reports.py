"""Reads what a trial reported: numbers, the architecture it proves to have run, and faults."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING

from ednas_nni.record.events import Confirmed, Final, Submitted
from ednas_nni.record.parameters import SPLIT, TrialParameters

if TYPE_CHECKING:
    from ednas_nni.record.journal import TrialRecord
    from ednas_nni.space.domains import Domains


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

    Texts are no metrics: `architecture`, `job` and `ran` are understood, others are dropped. `costs=A,B` in `ran` names
    the numbers that are none either: they are there for NNI's web UI, the journal has them. NaN or infinity anywhere,
    or a missing `default`, is a fault and never a number.
    """
    values: Mapping[object, object] = raw if isinstance(raw, Mapping) else {"default": raw}
    metrics: dict[str, float] = {}
    faults = []
    pairs = (part.partition("=") for part in (_text(values.get("ran")) or "").split())
    ran = {name: value for name, sign, value in pairs if sign}
    costs = ran.pop("costs", "").split(",")
    for key, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Real) or key in costs:
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
    return Report(metrics, _text(values.get("architecture")), _text(values.get("job")), fault, ran)


def submitted(trial: int, asked: TrialParameters, domains: Domains, costs: dict[str, float]) -> Submitted:
    """The journal's event of a trial that is handed out."""
    fields = {"trial": trial, "architecture": domains.architecture_id(asked.sample), "sample": asked.sample}
    finishing = {} if asked.seed is None else {"seed": asked.seed, "steps": asked.steps}
    return Submitted.model_validate({**fields, "costs": costs, **finishing})


def final_event(report: Report, record: TrialRecord, job: str | None) -> Final | Confirmed:
    """The journal's event of a good final report of a trial: of the search, or one that confirms."""
    fields: dict[str, object] = {
        "trial": record.trial,
        "job": job,
        "architecture": record.architecture,
        "metrics": report.metrics,
    }
    if report.ran:
        fields["ran"] = report.ran
    if record.seed is None:
        return Final.model_validate(fields)
    return Confirmed.model_validate({**fields, "seed": record.seed, "split": SPLIT, "options": {"steps": record.steps}})


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
