"""How the contract suites say that a rule is broken."""

from __future__ import annotations

import json

from ednas_nni.errors import PluginError


def broken(subject: object, message: str) -> PluginError:
    """The error: a text, or the name of a class or of an object's class, and what is wrong with it."""
    named = subject if isinstance(subject, str) else (subject if isinstance(subject, type) else type(subject)).__name__
    return PluginError(f"{named}: {message}")


def rule(subject: object, holds: bool, otherwise: str) -> None:
    """Raise `broken` where a rule does not hold."""
    if not holds:
        raise broken(subject, otherwise)


def plain(value: object, tuples: bool = False) -> bool:
    """Whether a value is plain data: the same after it was written to JSON and read, where tuples become lists."""
    try:
        again = json.loads(json.dumps(value))
        return json.dumps(again) == json.dumps(value) if tuples else bool(again == value)
    except (TypeError, ValueError):
        return False
