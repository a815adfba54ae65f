"""NNI's database of an experiment, read while NNI runs or after it has ended."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def opened(path: Path) -> closing[sqlite3.Connection]:
    """A connection that reads, closed at the end of its block.

    It is not opened with SQLite's `mode=ro`: a manager that was killed while it wrote leaves a rollback journal, and in
    that mode the first query fails instead of playing it back.
    """
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)
    connection.execute("pragma query_only = on")
    return closing(connection)
