"""Example predictions for reports."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ednas_nni.training.data import TrialData


def predict_examples(model: torch.nn.Module, data: TrialData, count: int) -> dict[str, np.ndarray]:
    """Predictions and truth of `count` images, spread evenly over the scored split.

    See `JaredEvaluator.example_predictions`. The network's mode is restored afterwards.
    """
    from ednas_nni.data.batches import BatchDataset

    split = data.source.split(data.recipe.scored_on)
    chosen = np.linspace(0, len(split) - 1, min(count, len(split))).round().astype(int).tolist()
    if not chosen:
        return {}
    batch = BatchDataset(split, data.by_name).__getitems__(chosen)
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    with torch.no_grad():
        outputs = model(batch["image"].to(device))
    model.train(was_training)
    arrays = {"image": np.ascontiguousarray(split.image[chosen])}
    for task in data.tasks:
        arrays[f"{task.name}_prediction"] = _as_array(task.predict(outputs[task.name]))
        arrays[f"{task.name}_truth"] = _as_array(batch[task.name])
    return arrays


def _as_array(values: Tensor) -> np.ndarray:
    """(N, C, H, W) with the channels last, or without them if there is one; (N, H, W) as it is."""
    if values.ndim == 4:
        values = values.movedim(1, -1)
        values = values[..., 0] if values.shape[-1] == 1 else values
    return np.ascontiguousarray(values.cpu().numpy())
