"""The former place of `ednas_nni.training`: scripts that import `JaredEvaluator` from here keep working."""

from __future__ import annotations

from ednas_nni.training import JaredEvaluator

__all__ = ["JaredEvaluator"]
