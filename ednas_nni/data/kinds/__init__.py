"""The label kinds: what a dense label is, from its file to the batch; one module a kind, plug-ins like tasks."""

from __future__ import annotations

from functools import cache
from typing import Any

from ednas_nni.data.info import in_order
from ednas_nni.data.kinds.base import OPEN, Drafted, LabelKind, LabelSurvey, LabelTable, Storage
from ednas_nni.errors import PluginError
from ednas_nni.plugins import Group

__all__ = ["OPEN", "Drafted", "LabelKind", "LabelSurvey", "LabelTable", "Storage", "all_kinds", "label_kind"]

LABEL_KINDS: Group[type[LabelKind[Any]]] = Group("label_kinds", LabelKind)


@cache
def label_kind(name: str) -> LabelKind[Any]:
    """Return a label kind by the name of its arrays."""
    kind = LABEL_KINDS.load(name)()
    if kind.name != name:
        raise PluginError(f"label kind {name!r} calls itself {kind.name!r}; register it under its own name.")
    return kind


@cache
def all_kinds() -> tuple[LabelKind[Any], ...]:
    """Return all label kinds that can be loaded, EDNAS' own first; `ednas plugins` says why one cannot."""
    kinds = []
    for name in in_order(LABEL_KINDS.names()):
        try:
            kinds.append(label_kind(name))
        except PluginError:
            continue
    return tuple(kinds)
