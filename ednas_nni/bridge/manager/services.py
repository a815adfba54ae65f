"""Training services on other machines that need no open port: plug-ins named by NNI's `platform`, such as `remote`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ednas_nni.plugins import Group

if TYPE_CHECKING:
    from ednas_nni.bridge.manager.experiment_file import ExperimentFile
    from ednas_nni.search.assembled import Assembled


@runtime_checkable
class Service(Protocol):
    """What a search needs of it, in the order in which it is asked; `trainingService` is as NNI documents it."""

    def environment(self) -> Mapping[str, str]:
        """Variables of NNI's manager; `EDNAS_PRELOADS` are scripts that `loopback.js` loads into it."""

    def faults(self, file: ExperimentFile, assembled: Assembled) -> list[str]:
        """What a search would miss on which machine, a line each; nothing is changed there."""

    def prepare(self, file: ExperimentFile, assembled: Assembled) -> None:
        """Bring over what all trials stand on, before NNI is started."""


SERVICES: Group[Callable[[], Service]] = Group("services", Service)


def service_of(file: ExperimentFile) -> Service | None:
    """The service of an experiment; None where trials run here, or the study lets NNI's port be open instead."""
    if file.study.allow_open_port or file.platform not in SERVICES:
        return None
    return SERVICES.load(file.platform)()
