"""The first line of a journal: which study, which program, which search space, which data, which costs and metrics.

It holds all that a reader needs to understand the lines below it, so that a report asks neither data set nor tasks,
which may have changed or gone since. Heads of version 0.1 lack `data_set` and `tasks`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ednas_nni.errors import JournalError
from ednas_nni.record.events import Event
from ednas_nni.space.domains import Domains


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", from_attributes=True)


class CostRecord(_Part):
    """One cost column.

    Attributes:
        name: With its unit, e.g. `latency_ms`.
        origin: counted, modelled, measured or fitted.
        note: Expected error and range.
        upper: Name of the column that limits from above are checked on, for a cost that is known up to an interval.
    """

    name: str
    unit: str = ""
    device: str = ""
    origin: str = "unknown origin"
    note: str = ""
    upper: str | None = None


class MetricRecord(_Part):
    """One metric of a task, without the task's name in front; as `ednas_nni.tasks.protocols.MetricSpec`."""

    name: str
    unit: str = ""
    direction: str = ""
    protocol: str = ""


class TaskRecord(_Part):
    """A task as it was bound to the data.

    Attributes:
        name: What its metrics' names begin with.
        primary: The metric that enters the quality.
        metrics: All that its meter computes, in the order of tables.
        legend: Names of the values 0, 1, ... of its target, for pictures.
    """

    name: str
    primary: str = ""
    legend: tuple[str, ...] = ()
    metrics: tuple[MetricRecord, ...] = ()


class DataRecord(_Part):
    """The data set: classes by the label's value, images of each split, and what its depth is."""

    name: str
    classes: tuple[str, ...] = ()
    counts: dict[str, int] = {}
    depth_kind: str = "metric"
    depth_unit: str = "m"


Word = Annotated[str, Field(description="a text")]


class JournalHead(Event):
    """What a search is.

    Attributes:
        experiment: NNI's experiment id.
        engine: "nnictl", "ts" or "sequential".
        ednas: Version of EDNAS; `nni`, `torch` and `python` are those of the others.
        environment: Folder of the Python environment.
        digest: Of the study; see `Study.digest`.
        data: Identity of the data, `DataInfo.identity`.
        data_set: What the data are, None in a head of version 0.1.
        tasks: The tasks with their metrics, None in a head of version 0.1.
        members: Named members of the space -> architecture id, None where they were not written down.
        references: What `delta_t` is measured against, as `ednas_nni.baselines.Comparison` reads it.
        weights: What networks start from beside the seed: name -> fingerprint.
        inherits: Whether qualities of trials are inherited: of weights that come from a supernet.
        prepared_s: Seconds of a training that all trials stand on and that was there before them, such as a supernet's.
        domains: The search space, as `Domains.from_json` reads it.
        concurrency: Trials at a time.
        trials: How many trials there may be.
    """

    event = "study"
    experiment: Word = ""
    engine: Word = ""
    ednas: Word = ""
    nni: Word = ""
    torch: Word = ""
    python: Word = ""
    environment: Word = ""
    study: Annotated[dict[str, Any], Field(description="a mapping")] = Field(default_factory=dict)
    digest: Word = ""
    data: Annotated[str | None, Field(description="a text")] = None
    data_set: Annotated[DataRecord | None, Field(description="a description of a data set")] = None
    tasks: Annotated[tuple[TaskRecord, ...] | None, Field(strict=False, description="a list of tasks")] = None
    members: Annotated[dict[str, str] | None, Field(description="a mapping of texts")] = None
    references: object = None
    weights: Annotated[dict[str, str] | None, Field(description="a mapping of texts")] = None
    inherits: Annotated[bool, Field(description="true or false")] = False
    prepared_s: Annotated[float | None, Field(description="a number")] = None
    domains: Any = None
    columns: Annotated[tuple[CostRecord, ...] | None, Field(strict=False, description="a list of costs")] = None
    concurrency: Annotated[int | None, Field(description="a whole number")] = None
    trials: Annotated[int | None, Field(description="a whole number")] = None

    def search_space(self) -> Domains:
        """The search space; JournalError where the head holds none, PluginError where what it holds is damaged."""
        if self.domains is None:
            raise JournalError(f"The journal of {self.experiment or 'this search'} does not hold its search space.")
        return Domains.from_json(self.domains)
