"""Results of resumable runs: a line of JSON each, written when a training or a search ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The lines of a file, [] where there is none; one that a kill has cut short is not one."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def append(path: Path, *rows: Mapping[str, Any]) -> None:
    """Add lines in one write, below one that was cut short."""
    torn = path.exists() and path.read_bytes()[-1:] not in (b"\n", b"")
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" * torn + "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows))
