"""What a study wants of Delta_T: its baselines, or why there are none, and a candidate's Delta_T against them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ednas_nni.baselines import files
from ednas_nni.baselines.identity import identities
from ednas_nni.baselines.interval import DeltaTEstimate, estimate
from ednas_nni.baselines.record import BaselineRecord, closest, differences
from ednas_nni.data.cache import cache_root
from ednas_nni.errors import BaselineError, StudyError
from ednas_nni.study import Study
from ednas_nni.study.objectives import DELTA_T, parse_objective, score_of
from ednas_nni.tasks.delta_t import delta_t

if TYPE_CHECKING:
    from ednas_nni.search.assembled import Assembled


@dataclass(frozen=True)
class Comparison:
    """Task -> its single-task baseline, for each task of a study."""

    records: Mapping[str, BaselineRecord]

    @property
    def member(self) -> str:
        """Name of the baseline architecture."""
        return next(iter(self.records.values())).member

    @property
    def directions(self) -> dict[str, dict[str, str]]:
        """Task -> metric -> direction, of what enters Delta_T."""
        return {task: record.directions for task, record in self.records.items()}

    @property
    def protocol(self) -> str:
        """Protocols of the metrics, normally one."""
        return ", ".join(dict.fromkeys(record.protocol for record in self.records.values()))

    @property
    def seeds(self) -> int:
        """Trainings of the task that has the fewest."""
        return min(len(record.runs) for record in self.records.values())

    def means(self) -> dict[str, dict[str, float]]:
        """Task -> metric -> the baseline's mean, of what enters Delta_T; plain data for an evaluator."""
        return {t: {name: r.mean[name] for name in r.directions} for t, r in self.records.items()}

    def delta_t(self, metrics: Mapping[str, Mapping[str, float]]) -> float:
        """Delta_T of one training in percent, from task -> metric -> value."""
        return delta_t(metrics, self.means(), self.directions)

    def estimate(self, runs: Sequence[Mapping[str, float]]) -> DeltaTEstimate:
        """Delta_T of a network with its interval, from the flat final metrics of its trainings (`depth_rel_error`)."""
        candidate = [self.nested(run) for run in runs]
        baselines = {task: record.runs for task, record in self.records.items()}
        return estimate(candidate, baselines, self.directions)

    def nested(self, flat: Mapping[str, Any]) -> dict[str, dict[str, float]]:
        """A trial's flat metrics by task, those that enter Delta_T; BaselineError: one is missing."""
        try:
            return {t: {name: flat[f"{t}_{name}"] for name in ways} for t, ways in self.directions.items()}
        except KeyError as error:
            raise BaselineError(
                f"delta_t: the candidate has no metric {error.args[0]!r}, which the baseline has. Was it scored by "
                "another protocol?"
            ) from None

    def dump(self) -> dict[str, Any]:
        """Plain JSON data, for the journal's head."""
        return {task: record.dump() for task, record in self.records.items()}

    @classmethod
    def parse(cls, data: Any) -> Comparison:
        """Read what `dump` wrote; BaselineError where it is something else."""
        if not isinstance(data, Mapping) or not data:
            raise BaselineError("no single-task baselines")
        return cls({str(task): BaselineRecord.parse(entry) for task, entry in data.items()})


def find(identities: Mapping[str, Mapping[str, Any]], cache: Path, file: str = "FILE.yml") -> Comparison:
    """The baselines of a study: for each task what agrees with its identity. The experiment's `file` is for messages.

    Raises:
        BaselineError: For one or more tasks nothing fits; the message lists what differs, and the command that makes
            the right ones. Or one fits, but is too poor to be compared with.
    """
    records, faults = files.all_records(cache)
    matches = {task: files.matching(identity, records) for task, identity in identities.items()}
    fitting = {task: record for task, record in matches.items() if record is not None}
    if len(fitting) == len(matches):
        comparison = Comparison(fitting)
        comparison.delta_t(comparison.means())  # raises where a metric of a baseline is not above 0
        return comparison
    reasons: dict[str, list[str]] = {}
    for task in (task for task in matches if task not in fitting):
        nearest, reason = closest(identities[task], records), "none is recorded"
        if nearest is not None:
            reason = ", ".join(differences(identities[task], nearest.identity))
        reasons.setdefault(reason, []).append(task)
    differing = "; ".join(f"{', '.join(tasks)}: {reason}" for reason, tasks in reasons.items())
    first = next(iter(identities.values()))
    raise BaselineError(
        f"there is no single-task baseline of {first['architecture']['member']} on {first['data']['name']} that "
        f"delta_t could be measured against ({differing}). Make it: ednas reference {file}"
        + "".join(f"\n{fault}" for fault in faults)
    )


def score(study: Study) -> str:
    """What trials of the study report as `default`: "quality" or "delta_t"."""
    return score_of(map(parse_objective, study.objectives))


def lookup(assembled: Assembled) -> tuple[Comparison | None, str]:
    """The baselines of a study that names one, or None with the reason: "" where it does not ask for any.

    Raises:
        StudyError: `delta_t` is an objective without a `reference`, or of an evaluator that cannot measure it; or the
            space has no such member.
        BaselineError: None fits, and `delta_t` is an objective.
    """
    study = assembled.study
    wanted = DELTA_T in [objective.name for objective in assembled.objectives]
    measures = "references" in inspect.signature(assembled.evaluator_plugin).parameters
    if wanted and study.reference is None:
        raise StudyError(
            "objectives: delta_t compares with single-task networks, so the study must name one: add for example "
            "`reference: mobilenet_v2_small`, and make them once: ednas reference FILE.yml"
        )
    if wanted and not measures:
        raise StudyError(
            f"objectives: evaluator {study.evaluator.name!r} does not measure delta_t; use 'jared', or the objective "
            "quality."
        )
    if study.reference is None or not measures:
        return None, ""
    try:
        return find(identities(assembled), cache_root(study.data.options.get("cache")), assembled.file), ""
    except BaselineError as error:
        if wanted:
            raise BaselineError(f"objectives: {error}") from None
        return None, f"no delta_t (gain over one network per task): {error}"
