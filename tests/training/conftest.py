"""The data set of random planes and the small network, for the tests of this folder."""

from __future__ import annotations

from tests.planes import _importable, _one_thread, make_evaluator, reports_to_nni, scenes, tiny

__all__ = ["_importable", "_one_thread", "make_evaluator", "reports_to_nni", "scenes", "tiny"]
