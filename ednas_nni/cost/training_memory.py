"""How much memory one training step takes, estimated from the cost table before anything is built.

A step keeps the output of every layer until the gradient has come back, and four numbers for each parameter: itself,
its gradient and AdamW's two moments. So it takes

    PROCESS + 16 bytes * parameters + 4 bytes * KEPT * images of a batch * elements that all layers write for one image.

For example `nano` at 64 x 128 px: at most 3.5 million elements an image, so a batch of 256 takes 0.5 + 4.1 GB; measured
were 4.6 GB (peak resident memory of one step in float32 on a processor; `mobile` with 32 images 2.2 GB, estimated 2.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ednas_nni.cost.device import AdditiveDevice, CostColumn
from ednas_nni.cost.records import LayerRecord
from ednas_nni.cost.summary import random_codes
from ednas_nni.cost.table import cost_table

if TYPE_CHECKING:
    from ednas_nni.compat.nas import ModelSpace

PROCESS = 512e6
"""Bytes of Python, torch and NNI."""
KEPT = 1.15
"""Measured 1.03 to 1.16 over spaces, batches and image sizes."""


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes of one training: for each image of a batch, of the median and the largest network; whatever the batch."""

    image_bytes: tuple[float, float]
    fixed_bytes: float

    def step(self, batch_size: int, largest: bool = True) -> float:
        """Bytes of a step of the largest, or of the median architecture."""
        return self.fixed_bytes + batch_size * self.image_bytes[largest]


class _Written(AdditiveDevice):
    name = "training"
    columns = (CostColumn("written_elements", "elements", "training", "counted", "All outputs of all layers."),)

    def layer_features(self, layer: LayerRecord) -> dict[str, float]:
        return {"written": float(layer.elements_written)}

    def costs(self, totals: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"written_elements": totals["written"]}


def training_memory(
    space: ModelSpace, train_size: tuple[int, int], priced_at: tuple[int, int], folder: Path | None, samples: int = 1000
) -> TrainingMemory:
    """Estimate the memory of a training from random architectures.

    Sizes are (height, width) in pixels: of the images of a batch, and that at which the space has been read already (to
    the cache folder of operations), as elements grow with the pixels.
    """
    table = cost_table(space, [_Written()], priced_at, folder)
    costs = table.encoded(random_codes(table.domains, samples, np.random.default_rng(0)))
    pixels = (train_size[0] * train_size[1]) / (priced_at[0] * priced_at[1])
    written = 4 * KEPT * pixels * costs[:, table.names.index("written_elements")]
    parameters = float(costs[:, table.names.index("params")].max())
    return TrainingMemory((float(np.median(written)), float(written.max())), PROCESS + 16 * parameters)
