"""Rendered interiors: a furnisher and the data source `Rooms`; `scenes.render` draws them.

Read in this order: `scene` (what a room is), `furniture`, `props` and `on_walls` (what stands in it),
`box` (its shell), `source` (one picture, and the data set).
"""

from __future__ import annotations

from ednas_nni.data.class_names import NYU13
from scenes.rooms.source import Rooms

__all__ = ["NYU13", "Rooms"]
