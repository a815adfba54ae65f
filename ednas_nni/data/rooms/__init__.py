"""Rendered interiors: a small ray caster, a furnisher and the data source :class:`Rooms`.

Read in this order: ``scene`` (what a room is), ``furniture``, ``props`` and ``on_walls`` (what stands in it),
``raycast`` (what the camera sees), ``shade`` (how it looks), ``render`` (one picture), ``source`` (the data set).
"""

from __future__ import annotations

from ednas_nni.data.rooms.source import GENERATOR, Rooms

__all__ = ["GENERATOR", "Rooms"]
