"""Wrong input: the tables of this folder, how many cases they hold, and what their check of messages rejects.

Each file has one kind of input and one table: `test_wrong_studies.py`, `..._files.py`, `..._samples.py`,
`..._journals.py`, `..._data.py`, `..._command_lines.py`. A case is what a clumsy or hostile user gives, and the words
that the one clear error must hold: field or place, value, what is allowed or the way out.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

TABLES = {
    "studies": ("WRONG",),
    "files": ("WRONG", "PLACES"),
    "samples": ("WRONG",),
    "journals": ("WRONG",),
    "data": ("TABLES", "CLASSES", "FILES", "PROFILES"),
    "command_lines": ("GRAMMAR", "FILES"),
}


def test_every_kind_has_its_cases() -> None:
    modules = {kind: import_module(f"tests.input.test_wrong_{kind}") for kind in TABLES}
    counts = {kind: sum(len(getattr(modules[kind], name)) for name in names) for kind, names in TABLES.items()}
    print(f"\nwrong input: {sum(counts.values())} cases: {counts}")
    assert all(count >= 20 for count in counts.values()) and sum(counts.values()) >= 200


GOOD = "FILE.yml: space = 'nanoo': is unknown. Did you mean 'nano'? Allowed: edge_tpu, mobile, nano."


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Something is wrong.",
        "KeyError('nanoo')",
        f'{GOOD}\nTraceback (most recent call last):\n  File "x.py", line 3',
        f"{GOOD} <ast.Call object at 0x7f00>",
        f"{GOOD} For further information visit https://errors.pydantic.dev/2/v/int_type",
        f"{GOOD} {'x' * 800}",
        f"{GOOD}\x1b[2J",
        GOOD.replace("'nanoo'", "value"),
        GOOD.replace("Did you mean 'nano'?", ""),
    ],
    ids=[
        "silent",
        "vague",
        "bare",
        "traceback",
        "an object",
        "pydantic",
        "endless",
        "escape",
        "no value",
        "no way out",
    ],
)
def test_the_check_of_messages_rejects(text: str, clear: Any) -> None:
    words = ("FILE.yml", "space", "'nanoo'", "Did you mean 'nano'?")
    clear(GOOD, words)
    with pytest.raises(AssertionError):
        clear(text, words)
