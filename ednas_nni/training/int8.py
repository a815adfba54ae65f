"""The scores that a network keeps in 8 bits: those of its static int8 file, simulated, on the split that is scored."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn.functional import interpolate

from ednas_nni.graphs.inference_graph import inference_graph
from ednas_nni.graphs.int8 import CALIBRATION, as_int8
from ednas_nni.study.objectives import IN_INT8
from ednas_nni.tasks.quality import quality
from ednas_nni.training.data import TrialData


def int8_scores(network: nn.Module, data: TrialData) -> dict[str, float]:
    """`quality_int8` and `<task>_<metric>_int8` of a network in evaluation mode, which stays as it is.

    It is written down as exporters write it, batch norms folded, calibrated on images evenly spread over the training
    split, as `ednas export --to litert-int8` is, and run image by image; outputs are enlarged to the labels' size.
    """
    tasks, size = data.by_name, data.recipe.train_size
    graph = inference_graph(network, {name: task.decoding for name, task in tasks.items()}, size)

    def entered(image: torch.Tensor) -> torch.Tensor:
        """Of the network's resolution: as the network shrinks, and as a host does."""
        if graph.size == tuple(image.shape[2:]):
            return image
        return interpolate(image, graph.size, mode="bilinear", align_corners=False, antialias=True)

    every = data.source.split("train").image
    chosen = every[np.linspace(0, len(every) - 1, min(CALIBRATION, len(every))).round().astype(int)]
    calibration = torch.from_numpy(np.ascontiguousarray(chosen.transpose(0, 3, 1, 2))).float() / 255
    quantised = as_int8(graph, entered(calibration))
    meters = {name: task.meter() for name, task in tasks.items()}
    for batch in data.scored_batches():
        outputs = quantised.run(entered(batch["image"]))
        for name, meter in meters.items():
            whole = interpolate(outputs[name], batch["image"].shape[2:], mode="bilinear", align_corners=False)
            meter.update(tasks[name].predict(whole), batch[name])
    metrics = {name: meter.compute() for name, meter in meters.items()}
    flat = {f"{task}_{name}{IN_INT8}": value for task, values in metrics.items() for name, value in values.items()}
    return {f"quality{IN_INT8}": quality(metrics, data.tasks, data.prior), **flat}
