"""What can happen in a search: one model an event, checked when it is made and when it is read.

Reports, resume and NNI's trials believe what a journal says. An event that does not hold what it promises is an error
with a reason, never a surprise in one of them. Fields that this version does not know are left out.
"""

from __future__ import annotations

import time
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from typing_extensions import Self

from ednas_nni.errors import JournalError, quoted
from ednas_nni.space.dimensions import Sample

Status = Literal["running", "trained", "failed", "cancelled", "pruned"]
LATEST = 2.0**35  # seconds since 1970: beyond, no calendar has a date
LIMITS = "every trial that the experiment's limits allow has ended"
NOTHING_LEFT = "the strategy has nothing left to try"
"""Why a search has ended that nobody ended before; `LIMITS` likewise."""


def _numbers(value: object) -> object:
    """Trials of other people's evaluators may report texts among their metrics; only numbers count."""
    if not isinstance(value, dict):
        return value
    return {name: x for name, x in value.items() if isinstance(x, int | float) and not isinstance(x, bool)}


# The description of a field is what an error says that its value is not.
Number = Annotated[float, Field(allow_inf_nan=False)]
Job = Annotated[str | None, Field(description="a job id or null")]
Trial = Annotated[int, Field(ge=0, description="a trial number")]
Architecture = Annotated[str, Field(description="an architecture id")]
MaybeArchitecture = Annotated[str | None, Field(description="an architecture id")]
Text = Annotated[str | None, Field(description="a text")]
Metrics = Annotated[
    dict[str, Number], BeforeValidator(_numbers), Field(description="a mapping of metrics, finite numbers")
]
Ran = Annotated[dict[str, str], Field(description="a mapping of texts")]
Costs = Annotated[dict[str, Number], Field(description="a mapping of finite numbers")]


class Event(BaseModel):
    """Something that happened, as a line of the journal holds it.

    Attributes:
        event: The word that stands under `event` in the line.
        time: When, in seconds since 1970; an event that is made happens now.

    Raises:
        JournalError: A field is missing or holds something else than it may.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")
    event: ClassVar[str] = ""

    time: Annotated[Number, Field(ge=0, lt=LATEST, description="a time in seconds since 1970")] = Field(
        default_factory=lambda: round(time.time(), 3)
    )

    @model_validator(mode="wrap")
    @classmethod
    def _in_words(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            name = str(error.errors()[0]["loc"][0])
            if data.get(name) is None:
                raise JournalError(f"the event {cls.event!r} lacks {name!r}") from None
            raise JournalError(f"{name} = {quoted(data[name])} is not {cls.model_fields[name].description}") from None

    def dump(self) -> dict[str, Any]:
        """Plain data, the event and its time first, then what was given."""
        fields = self.model_dump(exclude_unset=True, exclude={"time"})
        return {"event": self.event, "time": self.time, **fields}


class Started(Event):
    """The search was started, or resumed."""

    event = "start"
    mode: Annotated[str | None, Field(description="create or resume")] = None


class Submitted(Event):
    """An architecture was handed out to be trained, with the number that its trial has across resumes.

    The sample is canonical; costs are cost name with unit -> value at the deployment size. With a seed and a number of
    steps the trial does not search: it finishes a network (`ednas_nni.search.middleware.finish`). With a source it was
    trained by that search.
    """

    event = "submitted"
    trial: Trial
    architecture: Architecture
    sample: Annotated[Sample, Field(description="a mapping of choices")]
    costs: Costs = {}
    seed: Annotated[int | None, Field(ge=0, description="a seed")] = None
    steps: Annotated[int | None, Field(ge=0, description="a number of steps")] = None
    source: Text = None


class Intermediate(Event):
    """A trial reported during its training."""

    event = "intermediate"
    trial: Trial
    job: Job = None
    step: Annotated[Number | None, Field(description="a number")] = None
    metrics: Metrics


class Final(Event):
    """A trial reported its result; it counts whatever becomes of the trial's process.

    Attributes:
        ran: What it really ran with: precision, device, threads, torch, data; {} in journals of earlier versions.
    """

    event = "result"
    trial: Trial
    job: Job = None
    architecture: MaybeArchitecture = None
    metrics: Metrics
    ran: Ran = {}


class Pruning(Event):
    """A trial is to be ended early, and why; its end follows, `pruned` unless a final result came first."""

    event = "pruning"
    trial: Trial
    job: Job = None
    reason: Text = None


class Ended(Event):
    """A trial is over; the first words of the cause of a failure say its kind (`ednas_nni.record.failures`)."""

    event = "ended"
    trial: Trial
    job: Job = None
    status: Annotated[Status, Field(description="one of running, trained, failed, cancelled, pruned")]
    cause: Text = None


class Reused(Event):
    """A proposal was answered without training, from the trial that had trained the same architecture."""

    event = "reused"
    architecture: Architecture = ""
    trial: Annotated[int | None, Field(ge=0, description="a trial number")] = None


class Rejected(Event):
    """A proposal lies outside the constraints and was never trained."""

    event = "rejected"
    architecture: Architecture = ""
    reasons: Annotated[list[str], Field(description="a list of texts")] = []


class Swapped(Event):
    """NNI handed a job the parameters of another one: it trained `sent`, where the journal had handed it `owns`."""

    event = "swap"
    job: Job = None
    sent: Architecture = ""
    owns: Architecture = ""


class Note(Event):
    """Something that a person should know.

    Attributes:
        kind: What it is about, for those notes that are counted (`open_port`, `added_by_hand`).
        metrics: A result that could not be booked.
    """

    event = "note"
    text: Text = None
    kind: Text = None
    job: Job = None
    architecture: MaybeArchitecture = None
    metrics: Metrics = {}


class Confirmed(Event):
    """An architecture was trained again with a fresh seed and scored on images that no candidate has seen.

    Attributes:
        split: The images that it was scored on.
        options: Options of the evaluator that differ from the study's, such as `steps`; only trainings with equal ones
            are averaged.
        trial: That reported it, where the search has finished the network itself; None = `ednas confirm` did.
        sample: Of a member that the search itself did not score, with what it `costs`; {} for all others.
        references: What `delta_t` is measured against, as in the journal's head, but scored on `split`.
    """

    event = "confirmed"
    trial: Annotated[int | None, Field(ge=0, description="a trial number")] = None
    job: Job = None
    architecture: Architecture
    seed: Annotated[int, Field(ge=0, description="a seed")]
    split: Annotated[str, Field(description="a split")] = "select"
    options: Annotated[dict[str, Any], Field(description="a mapping of options")] = {}
    metrics: Metrics
    ran: Ran = {}
    sample: Annotated[Sample, Field(description="a mapping of choices")] = {}
    costs: Costs = {}
    references: object = None


class WeightsEvent(Event):
    """The weights of an architecture are kept beside the journal: SHA-256 of the file in hex, None = no longer.

    Those of a finished network have its seed behind the architecture's id.
    """

    event = "weights"
    architecture: Architecture
    digest: Text = None


class Finished(Event):
    """The search is over: every trial that it may train has ended, or it was given up."""

    event = "finished"
    reason: Text = None


class Unknown(Event):
    """An event of a later version; it is counted and passed over."""

    event = "unknown"
