"""Rendered interiors: a furnisher and the data source :class:`Rooms`; :mod:`ednas_nni.data.render` draws them.

Read in this order: ``scene`` (what a room is), ``furniture``, ``props`` and ``on_walls`` (what stands in it),
``box`` (its shell), ``render`` (one picture), ``source`` (the data set).
"""

from __future__ import annotations

from ednas_nni.data.rooms.classes import CLASSES
from ednas_nni.data.rooms.source import GENERATOR, Rooms

__all__ = ["CLASSES", "GENERATOR", "Rooms"]
