"""A search as one HTML file with its pictures inside, computed from the journal alone.

This is the only part of the package that draws; matplotlib and jinja2 are imported when a report is written.
"""

from __future__ import annotations

from ednas_nni.plugins import lazy

__getattr__ = lazy(__name__, {"write": "html"})
