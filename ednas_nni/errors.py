"""Errors that a user meets, and text from outside made fit to print.

Each message names the field, the value, what is allowed and the way out. Causes of failures, notes and names come from
trials, files and other people's folders; a terminal obeys escape sequences in them, so they are shown instead.
"""

from __future__ import annotations

import codecs
import io
import re
import sysconfig
import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import TextIO

MOST_NAMES = 40
LONGEST_WORD = 80  # characters; longer ones are no mistyped name, and comparing them takes long
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
# Control characters (C0 without tab and newline, DEL, C1), lone surrogates, marks that reverse the reading direction.
_HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_LONGEST_NUMBER = 1 << 256  # Python itself refuses to write numbers of more than 4300 digits


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


class BaselineError(EdnasError):
    """A single-task baseline is missing, damaged or was made by another recipe."""


class NetworkError(EdnasError):
    """A saved network is missing, damaged or cannot be rebuilt here."""


class InfeasibleError(EdnasError):
    """No architecture of the space meets a constraint."""


class TrialError(EdnasError):
    """A trial failed with a known cause; it is never turned into a low quality."""


class ExperimentError(EdnasError):
    """An NNI experiment could not be started, found or reached."""


def place_of(error: BaseException) -> str:
    """` (FILE, line N)` where code of neither a library nor this package led to an error: a plug-in's; "" elsewhere."""
    frames = traceback.extract_tb(error.__traceback__)
    libraries = (str(Path(__file__).parent), sysconfig.get_path("stdlib"))
    own = [f for f in frames if not f.filename.startswith((*libraries, "<")) and "site-packages" not in f.filename]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""


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
    text = word if isinstance(word, str) else quoted(word)
    close = get_close_matches(text, names, n=1, cutoff=0.5) if len(text) <= LONGEST_WORD else []
    hint = f" Did you mean {close[0]!r}?" if close else ""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{hint} Allowed: {', '.join(names[:MOST_NAMES])}{more}."


def printable(text: str) -> str:
    r"""The text with colours dropped and everything else that a terminal would obey shown as `\x1b`.

    Tabs and newlines stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return _HIDDEN.sub(lambda match: _escaped(match.group()), _COLOUR.sub("", text))


_PLAIN = str.maketrans({"─": "-", "━": "-", "│": "|", "┃": "|", "├": "|", "└": "`", "±": "+-", "…": "..."})


def lenient(stream: TextIO) -> None:
    """Let a stream take what its encoding lacks, in terminals without UTF-8: lines as `|-`, the rest escaped."""

    def plain(error: UnicodeError) -> tuple[str | bytes, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        part = error.object[error.start : error.end].translate(_PLAIN)
        return part.encode("ascii", "backslashreplace"), error.end

    if isinstance(stream, io.TextIOWrapper):
        codecs.register_error("ednas-plain", plain)
        stream.reconfigure(errors="ednas-plain")


def hidden(text: str) -> str:
    """The first character of a text that `printable` would not let through, escaped; "" where there is none."""
    match = _HIDDEN.search(text)
    return _escaped(match.group()) if match else ""


def quoted(value: object, most: int = 80) -> str:
    """How an error quotes a value: as Python writes it, printable and no longer than `most` characters."""
    if isinstance(value, str) and len(value) > most:
        value = value[:most]  # what is cut off is not written first
        return f"{_repr(value)[: most - 3]}..."
    text = printable(_repr(value))
    return text if len(text) <= most else text[: most - 3] + "..."


def _repr(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _LONGEST_NUMBER:
        return f"a whole number of {value.bit_length()} bits"
    try:
        return repr(value)
    except Exception:  # a number of too many digits inside, endless nesting, a type whose own repr fails
        return f"a {type(value).__name__} that cannot be written"


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"
