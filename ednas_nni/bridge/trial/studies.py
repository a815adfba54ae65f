"""The study that a trial server puts together once for all of its trials, as far as the search space."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import Study

_studies: dict[str, Assembled] = {}


def keep(study: Study) -> None:
    """Build the space of a study in this process, the server, and open what its trials read.

    A network is always constructed anew from it, so trials share nothing that one of them could change.
    """
    from ednas_nni.search.assembled import Assembled  # after the libraries of `preload`

    assembled = Assembled(study)
    _ = assembled.domains
    _studies[study.digest] = assembled
    assembled.evaluator_against(None).open_shared(assembled.space)


def assembled(study: Study) -> Assembled:
    """The study as it was kept, else a new one."""
    from ednas_nni.search.assembled import Assembled  # as above

    return _studies.get(study.digest) or Assembled(study)
