"""Rendered streets: a town builder and the data source :class:`Streets`; :mod:`ednas_nni.data.render` draws them.

Read in this order: ``road`` (the cross-section), ``scene`` (what a street is), ``roadside``, ``buildings``,
``plants``, ``furniture``, ``vehicles``, ``people`` and ``traffic`` (what stands and moves there), ``ground`` (its
shell), ``render`` (one picture), ``source`` (the data set).
"""

from __future__ import annotations

from ednas_nni.data.streets.classes import CLASSES_7, CLASSES_19, TO_7
from ednas_nni.data.streets.source import GENERATOR, Streets

__all__ = ["CLASSES_7", "CLASSES_19", "GENERATOR", "TO_7", "Streets"]
