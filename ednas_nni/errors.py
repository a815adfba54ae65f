"""Errors that a user meets. Each message names the field, the value, what is allowed and the way out."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from ednas_nni.printable import printable, shown

MOST_NAMES = 40
LONGEST_WORD = 80  # characters; longer ones are no mistyped name, and comparing them takes long


class EdnasError(Exception):
    """Root of all errors of this package. Its text is ready for a terminal: no traceback is needed.

    It may quote what others wrote; whatever a terminal would obey in it is shown instead.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class StudyError(EdnasError):
    """A study (the `classArgs` of the experiment's YAML) is wrong."""


class PluginError(EdnasError):
    """A plugin is unknown, broken or shadowed by another module."""


class SampleError(EdnasError):
    """A sample does not belong to the search space."""


class DataError(EdnasError):
    """A data set is missing, incomplete or altered."""


class JournalError(EdnasError):
    """A journal cannot be read or written."""


class ReferenceRecordError(EdnasError):
    """A single-task reference is missing, damaged or was made by another recipe."""


class InfeasibleError(EdnasError):
    """No architecture of the space meets a constraint."""


class TrialError(EdnasError):
    """A trial failed with a known cause; it is never turned into a low quality."""


class ExperimentError(EdnasError):
    """An NNI experiment could not be started, found or reached."""


def did_you_mean(word: object, options: Iterable[object]) -> str:
    """A hint for a mistyped name.

    Args:
        word: What the user wrote.
        options: What is allowed.

    Returns:
        " Did you mean 'x'?" when something close exists, followed by the list of up to `MOST_NAMES`; never empty.
    """
    names = sorted(str(option) for option in options)
    if not names:
        return " Nothing is available here."
    text = word if isinstance(word, str) else shown(word)
    close = get_close_matches(text, names, n=1, cutoff=0.5) if len(text) <= LONGEST_WORD else []
    hint = f" Did you mean {close[0]!r}?" if close else ""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{hint} Allowed: {', '.join(names[:MOST_NAMES])}{more}."
