"""One line of a journal: plain JSON, read as if a stranger had written it."""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn

from ednas_nni.errors import JournalError, printable, quoted
from ednas_nni.record import events
from ednas_nni.record.events import Event
from ednas_nni.record.head import JournalHead

_KINDS: list[type[Event]] = [JournalHead, *Event.__subclasses__()]
EVENTS = {kind.event: kind for kind in _KINDS if kind is not events.Unknown}
_WORD = re.compile(r"[a-z][a-z_]{1,39}")
DIGITS = 300  # of a whole number: everything below fits a float


def line_of(event: Event) -> bytes:
    """The line that holds an event, with its end; JournalError where JSON cannot hold a value of it."""
    try:
        return json.dumps(event.dump(), allow_nan=False, separators=(",", ":")).encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise JournalError(f"event {event.event!r} cannot be written as JSON: {error}") from error


def event_of(line: bytes) -> Event:
    """The event that a line, without its end, holds, its texts fit to print; `Unknown` for one of a later version.

    Raises:
        JournalError: It does not hold one; the text says why.
    """
    try:
        entry = json.loads(line, parse_constant=_not_a_number, parse_int=_whole, parse_float=_finite)
    except RecursionError:
        raise JournalError("it is nested without end") from None
    except ValueError as error:
        raise JournalError(str(error)) from None
    if not isinstance(entry, dict) or "event" not in entry:
        raise JournalError(f"{quoted(entry)} is not an event")
    kind = entry.pop("event")
    if not isinstance(kind, str) or not _WORD.fullmatch(kind):
        raise JournalError(f"{quoted(kind)} is no name of an event")
    if "time" not in entry:
        raise JournalError(f"the event {kind!r} lacks 'time'")
    if kind not in EVENTS:
        return events.Unknown(time=entry["time"])
    # Studies and search spaces cannot hold what this changes: identities stay.
    return EVENTS[kind].model_validate(_printable(entry))


def _printable(value: object) -> object:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(name): _printable(below) for name, below in value.items()}
    return [_printable(below) for below in value] if isinstance(value, list) else value


def _not_a_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number of JSON")


def _whole(text: str) -> int:
    if len(text) > DIGITS:
        raise ValueError(f"a whole number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _not_a_number(quoted(text))
