"""Text from outside made fit to print: nothing in it moves the cursor, hides words or breaks the encoding.

Causes of failures, notes and names come from trials, files and other people's folders. A terminal obeys escape
sequences in them, so they are shown instead.
"""

from __future__ import annotations

import re

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
# Control characters (C0 without tab and newline, DEL, C1), lone surrogates, marks that reverse the reading direction.
_HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_LONGEST_NUMBER = 1 << 256  # Python itself refuses to write numbers of more than 4300 digits


def printable(text: str) -> str:
    r"""The text with colours dropped and everything else that a terminal would obey shown as `\x1b`.

    Tabs and newlines stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return _HIDDEN.sub(lambda match: _escaped(match.group()), _COLOUR.sub("", text))


def hidden(text: str) -> str:
    """The first character of a text that `printable` would not let through, escaped; "" where there is none."""
    found = _HIDDEN.search(text)
    return _escaped(found.group()) if found else ""


def shown(value: object, most: int = 80) -> str:
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
