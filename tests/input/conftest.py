from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from ednas_nni.errors import hidden

LONGEST = 700  # characters of a line; lists of what is allowed are the longest part


def clear_text(text: str, words: Iterable[str]) -> None:
    """What every message to a user must be: short, printable, without a traceback, naming what matters."""
    assert text.strip(), "says nothing"
    for trace in ("Traceback", 'File "', "Error(", "object at 0x", "pydantic", "https://errors."):
        assert trace not in text, f"{trace!r} in {text!r}"
    for line in text.splitlines():
        assert len(line) <= LONGEST, f"nobody reads {len(line)} characters: {line}"
        assert not hidden(line), f"a terminal would obey {hidden(line)}"
    for word in words:
        assert word in text, f"{word!r} is not in {text!r}"


@pytest.fixture(scope="session")
def clear() -> Callable[[str, Iterable[str]], None]:
    """The check itself; `test_wrong_input.py` shows what it rejects."""
    return clear_text


@pytest.fixture(scope="session")
def raised(clear: Any) -> Callable[..., str]:
    """Run something that must end in one clear error of ours; its text."""
    from ednas_nni.errors import EdnasError

    def run(action: Callable[[], Any], kind: type[EdnasError], words: Iterable[str]) -> str:
        with pytest.raises(kind) as caught:
            action()
        clear(str(caught.value), words)
        return str(caught.value)

    return run
