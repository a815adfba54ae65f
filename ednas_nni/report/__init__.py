"""A search as one HTML file with its pictures inside, computed from the journal alone.

This is the only part of the package that draws; matplotlib and jinja2 are imported when a report is written.
"""

from __future__ import annotations

from typing import Any

__all__ = ["write"]


def __getattr__(name: str) -> Any:
    if name == "write":
        from ednas_nni.report.html import write

        return write
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
