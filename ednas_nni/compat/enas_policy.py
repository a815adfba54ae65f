"""ENAS forgets what it learned when its result is asked for, and learns from the same rewards again and again.

Faults, nni 3.0, nni/nas/oneshot/pytorch:

* strategy.py `list_models` (and so `NasExperiment.export_top_models`) calls `set_model` before `export`, which makes a
  new, untrained controller: the exported architecture has nothing to do with the search.
* sampling.py `training_step` updates the controller whenever the number of rewards is a multiple of
  `batches_per_update`. The number stands still during the training batches, so each of them trains the controller on
  the same rewards once more.

Upstream: not reported. Can go when both are mended.
"""

from __future__ import annotations

from functools import wraps
from typing import Any


def needed() -> bool:
    """Whether NNI's own methods are still in place."""
    from nni.nas.oneshot.pytorch.sampling import EnasLightningModule

    return not hasattr(EnasLightningModule.set_model, "_mended")


def apply() -> None:
    """Keep the controller of one supernet, and let it learn from rewards alone."""
    import nni.nas.strategy  # noqa: F401  (first: see enas_loader)
    from nni.nas.oneshot.pytorch.base_lightning import BaseOneShotLightningModule
    from nni.nas.oneshot.pytorch.sampling import EnasLightningModule

    if not needed():
        return
    set_model, training_step = EnasLightningModule.set_model, EnasLightningModule.training_step

    @wraps(set_model)
    def once(self: Any, model: Any) -> None:
        if self._generator is None or self.training_module.model is not model:
            set_model(self, model)
        else:
            BaseOneShotLightningModule.set_model(self, model)

    @wraps(training_step)
    def step(self: Any, batch_packed: Any, batch_idx: int) -> Any:
        if batch_packed[-1] != "train":
            return training_step(self, batch_packed, batch_idx)
        rewards, self._trajectory_counter = self._trajectory_counter, 0
        try:
            return training_step(self, batch_packed, batch_idx)
        finally:
            self._trajectory_counter = rewards

    once._mended = True  # type: ignore[attr-defined]
    EnasLightningModule.set_model = once
    EnasLightningModule.training_step = step
