"""What NNI's word for the end of a job means: trained, failed or cancelled, and why."""

from __future__ import annotations

from ednas_nni.record.failures import CANCELLED, KILLED, TIME_LIMIT, kind
from ednas_nni.search.middleware.forwarding import ModelStatus

UNKNOWN_SIGNAL = "cancelled by the user or killed by a signal"
ENDINGS = {
    "SUCCEEDED": (ModelStatus.Trained, ""),
    "FAILED": (ModelStatus.Failed, "the trial process failed"),
    "USER_CANCELED": (ModelStatus.Interrupted, UNKNOWN_SIGNAL),
    "SYS_CANCELED": (ModelStatus.Interrupted, "cancelled by NNI"),
    "EARLY_STOPPED": (ModelStatus.Failed, f"{TIME_LIMIT}: stopped after maxTrialDuration"),
}


def ending(event: str, words: str | None) -> tuple[ModelStatus, str]:
    """Status and cause of an ended job, from NNI's word and the last words of its error output (None: out of reach).

    NNI calls every end by a signal cancelled by the user. A trial that was told to end says so in its error output; one
    that does not was killed.
    """
    status, cause = ENDINGS.get(event, (ModelStatus.Failed, f"NNI says {event}"))
    if event == "USER_CANCELED" and words is not None:
        if kind(words) == CANCELLED:
            return ModelStatus.Interrupted, "cancelled by the user"
        return ModelStatus.Failed, f"{KILLED}: the trial was ended by a signal (out of memory?)"
    if status is ModelStatus.Failed and event != "EARLY_STOPPED":
        return status, words or cause
    return status, cause
