"""Named members of the search space, the references that a search should beat."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ednas_nni.space.domains import Domains

_log = logging.getLogger("ednas.report")


def named_members(header: Mapping[str, Any], study: Mapping[str, Any], domains: Domains | None) -> dict[str, str]:
    """Architecture id -> name.

    Args:
        header: The journal's head; its `members` (name -> architecture id) are taken where they are.
        study: The study; the members named under `start` are looked up in its search space otherwise.
        domains: The search space as the journal holds it.
    """
    members = header.get("members")
    if isinstance(members, Mapping):
        return {str(architecture): str(name) for name, architecture in members.items()}
    names = study.get("start")
    if not names or domains is None:
        return {}
    try:
        from ednas_nni.search.assembled import Assembled  # loads plugins
        from ednas_nni.study import parse

        samples = Assembled(parse(dict(study))).starts
        return {domains.architecture_id(domains.complete(s)): str(n) for n, s in zip(names, samples, strict=True)}
    except Exception as error:  # the space is a plugin that may have changed since: the report goes on without names
        _log.warning("the members named under `start` cannot be marked: %s", error)
        return {}
