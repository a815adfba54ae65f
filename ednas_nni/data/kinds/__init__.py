"""The label kinds: what a dense label is, from its file to the batch; one module a kind, plug-ins like tasks."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import Any

from ednas_nni.data.info import in_order
from ednas_nni.data.kinds.base import OPEN, Drafted, LabelKind, LabelSurvey, LabelTable, Storage
from ednas_nni.errors import PluginError
from ednas_nni.plugins import Group

__all__ = ["OPEN", "Drafted", "LabelKind", "LabelSurvey", "LabelTable", "Storage", "all_kinds", "columns", "label_kind"]

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
        with suppress(PluginError):
            kinds.append(label_kind(name))
    return tuple(kinds)


def columns() -> tuple[str, ...]:
    """Return all columns that a manifest may have: each label kind has its own."""
    labels = [name for kind in all_kinds() for name in (kind.column, *kind.details, *filter(None, [kind.mask]))]
    return ("image", *labels, "group", "split")
