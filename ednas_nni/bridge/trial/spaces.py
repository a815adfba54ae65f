"""The search space that a trial server builds once for all of its trials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ednas_nni.study import Study

_spaces: dict[str, Any] = {}


def keep(study: Study) -> None:
    """Build the space of a study in this process, the server.

    A network is always constructed anew from it, so trials share nothing that one of them could change.
    """
    from ednas_nni.search import assembly

    _spaces[study.digest] = assembly.space(study)


def space(study: Study) -> Any:
    """The space of a study: the kept one, else a new one."""
    from ednas_nni.search import assembly

    return _spaces.get(study.digest) or assembly.space(study)
