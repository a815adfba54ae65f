"""ENAS misreads its batches, forgets what it learned when its result is asked for, and learns from old rewards.

Faults, nni 3.0, nni/nas/oneshot/pytorch:

* _dataloader.py packs (batch, mode) the way Lightning 2.0 iterated combined loaders; from 2.1 on the tuple is unpacked
  differently, so a two-tuple batch is silently taken for (batch, mode) and the run dies far away.
* strategy.py `list_models` (and so `NasExperiment.export_top_models`) calls `set_model` before `export`, which makes a
  new, untrained controller: the exported architecture has nothing to do with the search.
* sampling.py `training_step` updates the controller whenever the number of rewards is a multiple of
  `batches_per_update`. The number stands still during the training batches, so each of them trains the controller on
  the same rewards once more.

Upstream: not reported; NNI 3.0 is the last release. Can go when all three are repaired there, or with ENAS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ednas_nni.compat import patch

if TYPE_CHECKING:
    from torch import Tensor

Batch = tuple[Any, str]  # what the data set gives, and the name of the loader it came from


class TaggedLoaders:
    """Iterates the loaders one after another and tags each batch with the loader's name."""

    def __init__(self, **loaders: Any) -> None:
        self.loaders = loaders

    def __iter__(self) -> Iterator[Batch]:
        for mode, loader in self.loaders.items():
            for batch in loader:
                yield batch, mode

    def __len__(self) -> int:
        return sum(len(loader) for loader in self.loaders.values())


def lightning_unpacks() -> bool:
    """Whether the installed Lightning is newer than the one NNI's loader was written for."""
    import pytorch_lightning

    major, minor = (int(part) for part in pytorch_lightning.__version__.split(".")[:2])
    return (major, minor) >= (2, 1)


def apply() -> None:
    """Give ENAS a loader that its training step understands, keep its controller, let it learn from rewards alone."""
    from nni.nas.oneshot.pytorch.base_lightning import BaseOneShotLightningModule
    from nni.nas.oneshot.pytorch.sampling import EnasLightningModule
    from nni.nas.oneshot.pytorch.strategy import ENAS

    def tagged(_own: Callable[..., Any]) -> Callable[..., Any]:
        def train_dataloader(
            self: Any, train: Callable[[], Iterable[Any]], val: Callable[[], Iterable[Any]]
        ) -> TaggedLoaders:
            return TaggedLoaders(train=train(), val=val())

        return train_dataloader

    def once(own: Callable[..., None]) -> Callable[..., None]:
        def set_model(self: Any, model: object) -> None:
            if self._generator is None or self.training_module.model is not model:
                own(self, model)
            else:
                BaseOneShotLightningModule.set_model(self, model)

        return set_model

    def from_rewards(own: Callable[..., Tensor | None]) -> Callable[..., Tensor | None]:
        def training_step(self: Any, batch_packed: Batch, batch_idx: int) -> Tensor | None:
            if batch_packed[-1] != "train":
                return own(self, batch_packed, batch_idx)
            rewards, self._trajectory_counter = self._trajectory_counter, 0
            try:
                return own(self, batch_packed, batch_idx)
            finally:
                self._trajectory_counter = rewards

        return training_step

    if lightning_unpacks():
        patch(ENAS, "train_dataloader", tagged)
    patch(EnasLightningModule, "set_model", once)
    patch(EnasLightningModule, "training_step", from_rewards)
