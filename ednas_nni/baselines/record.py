"""A single-task baseline as it is kept: what was trained, by which recipe, and every metric of every seed."""

from __future__ import annotations

import hashlib
import json
import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any

from ednas_nni.errors import BaselineError

_FIELDS = ("identity", "metrics", "seeds", "runs", "made")
_WORDS = {
    "data.fingerprint": "content of the data",
    "data.name": "data",
    "architecture.id": "architecture",
    "architecture.member": "member",
    "architecture.parameters": "parameters",
    "architecture.weights.init_from": "init_from, by its content",
}


@dataclass(frozen=True)
class BaselineRecord:
    """Trainings of one named architecture on one task alone.

    Attributes:
        identity: All that must agree before a candidate may be compared: data, sizes, recipe, protocol, scored split,
            architecture. Plain JSON data; see `identity`.
        metrics: Metric -> {unit, direction, protocol, in_delta_t}, in the task's order.
        seeds: Seeds of the trainings.
        runs: One mapping metric -> value a seed, without the task's prefix.
        made: Versions, date, seconds: information, not compared.
    """

    identity: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, Any]]
    seeds: tuple[int, ...]
    runs: tuple[Mapping[str, float], ...]
    made: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Reject seeds and runs that do not pair up, a seed that stands twice, and what is no finite number."""
        if len(self.seeds) != len(self.runs) or len(set(self.seeds)) != len(self.seeds):
            raise BaselineError(f"seeds {list(self.seeds)} do not name {len(self.runs)} different runs")
        for seed, run in zip(self.seeds, self.runs, strict=True):
            if bad := [name for name in self.metrics if not _number(run.get(name))]:
                raise BaselineError(f"seed {seed}: {', '.join(bad)} is not a finite number")

    @property
    def task(self) -> str:
        """Name of the task."""
        return str(self.identity["task"])

    @property
    def member(self) -> str:
        """Name of the architecture within its space."""
        return str(self.identity["architecture"]["member"])

    @property
    def mean(self) -> dict[str, float]:
        """Metric -> mean over the seeds."""
        return {name: statistics.fmean(run[name] for run in self.runs) for name in self.metrics}

    @property
    def deviation(self) -> dict[str, float | None]:
        """Metric -> standard deviation over the seeds (n - 1); None where there is only one."""
        if len(self.runs) < 2:
            return dict.fromkeys(self.metrics)
        return {name: statistics.stdev(run[name] for run in self.runs) for name in self.metrics}

    @property
    def directions(self) -> dict[str, str]:
        """Metric -> "max" or "min", of the metrics that enter Delta_t."""
        return {name: spec["direction"] for name, spec in self.metrics.items() if spec["in_delta_t"]}

    @property
    def protocol(self) -> str:
        """Protocols of the metrics, normally one."""
        return ", ".join(dict.fromkeys(str(spec["protocol"]) for spec in self.metrics.values()))

    def with_run(self, seed: int, run: Mapping[str, float], made: Mapping[str, Any]) -> BaselineRecord:
        """The record with one more training; runs are kept in the order of their seeds."""
        runs = dict(zip(self.seeds, self.runs, strict=True)) | {seed: {name: run[name] for name in self.metrics}}
        seeds = tuple(sorted(runs))
        return BaselineRecord(self.identity, self.metrics, seeds, tuple(runs[s] for s in seeds), {**self.made, **made})

    def dump(self) -> dict[str, Any]:
        """Plain JSON data. Mean and standard deviation stand beside the runs for people who read the file."""
        summary = {"mean": self.mean, "standard_deviation": self.deviation} if self.runs else {}
        return {**{name: plain(getattr(self, name)) for name in _FIELDS}, **summary}

    @classmethod
    def parse(cls, data: Any) -> BaselineRecord:
        """Read what `dump` wrote; means are computed again."""
        try:
            record = cls(
                identity=dict(data["identity"]),
                metrics={str(name): dict(spec) for name, spec in data["metrics"].items()},
                seeds=tuple(int(seed) for seed in data["seeds"]),
                runs=tuple(dict(run) for run in data["runs"]),
                made=dict(data.get("made", {})),
            )
            _ = record.task, record.member, record.directions, record.protocol
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BaselineError(f"not a single-task baseline: {type(error).__name__}: {error}") from None
        return record


def digest(identity: Mapping[str, Any]) -> str:
    """Sixteen hex digits that name an identity."""
    return hashlib.sha256(json.dumps(plain(identity), sort_keys=True).encode()).hexdigest()[:16]


def same(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two identities agree in everything."""
    return plain(a) == plain(b)


def differences(wanted: Mapping[str, Any], recorded: Mapping[str, Any]) -> list[str]:
    """What differs, one readable part a field, such as "steps 500 here, 240 in the baseline"."""
    here, there = _flat(wanted), _flat(recorded)
    parts = []
    for name in dict.fromkeys([*here, *there]):
        if here.get(name) != there.get(name):
            field = _WORDS.get(name, name.removeprefix("recipe.").removeprefix("options.").replace("_", " "))
            parts.append(f"{field} {_text(here.get(name))} here, {_text(there.get(name))} in the baseline")
    return list(dict.fromkeys(parts))


def closest(wanted: Mapping[str, Any], records: Iterable[BaselineRecord]) -> BaselineRecord | None:
    """The record of the same task and data set with the fewest differences; None where there is none."""
    candidates = [
        r for r in records if r.task == wanted["task"] and r.identity["data"]["name"] == wanted["data"]["name"]
    ]
    return min(candidates, key=lambda r: len(differences(wanted, r.identity)), default=None)


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings with dotted names. The choices of an architecture are left to its id."""
    flat: dict[str, Any] = {}
    for name, value in plain(data).items():
        if f"{prefix}{name}" == "architecture.choices":
            continue
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat


def _text(value: Any) -> str:
    return "nothing" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def plain(value: Any) -> Any:
    """As JSON would give it back: tuples become lists, options of a plug-in a mapping."""
    return json.loads(json.dumps(value, default=_mapping))


def _mapping(value: Any) -> dict[str, Any]:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else dict(value)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
