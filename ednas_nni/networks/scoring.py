"""Task metrics of anything that runs: the module, or a file; through the meters that scored the trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ednas_nni.data.batches import loader
from ednas_nni.data.source import Split
from ednas_nni.networks.export.base import Images
from ednas_nni.networks.own_data import scaled
from ednas_nni.networks.runtime import Runtime
from ednas_nni.tasks.base import Task
from ednas_nni.tasks.decoding import resized
from ednas_nni.tasks.quality import Prior, measure, quality


def scores(
    runtime: Runtime, tasks: Mapping[str, Task], split: Split, train: Split | None = None, batch_size: int = 8
) -> dict[str, float]:
    """`quality`, where the training split is given, then `<task>_<metric>` of every metric of every task, on a split.

    Images of another size than the runtime takes are scaled to it, so many at a time; raw outputs are enlarged to the
    labels' size, and metrics are taken there, as those of trials are.
    """

    def predictions(image: Tensor) -> dict[str, Tensor]:
        outputs, size = runtime.run(_fitted(image.numpy(), runtime.size)), (image.shape[2], image.shape[3])
        given = {name: resized(torch.from_numpy(np.ascontiguousarray(outputs[name])), size) for name in tasks}
        classes = {name: x.long() for name, x in given.items() if not x.is_floating_point()}
        raw = {} if runtime.outputs == "labels" else {n: tasks[n].predict(given[n]) for n in tasks if n not in classes}
        return {**given, **classes, **raw}

    values = metrics_of(predictions, tasks, split, batch_size)
    flat = {f"{name}_{metric}": value for name, of in values.items() for metric, value in of.items()}
    if train is None:
        return flat
    return {"quality": quality(values, list(tasks.values()), prior(list(tasks.values()), train, split)), **flat}


def metrics_of(
    predictions: Callable[[Tensor], Mapping[str, Tensor]], tasks: Mapping[str, Task], split: Split, batch_size: int = 8
) -> dict[str, dict[str, float]]:
    """Task -> metric -> value on a split, from images (N, 3, H, W) -> task -> prediction as of `Task.predict`."""
    meters = {name: task.meter() for name, task in tasks.items()}
    for batch in loader(split, tasks, batch_size):
        predicted = predictions(batch["image"])
        for name, meter in meters.items():
            meter.update(predicted[name], batch[name])
    return {name: meter.compute() for name, meter in meters.items()}


def prior(tasks: Sequence[Task], train: Split, split: Split) -> Prior:
    """The position prior of a split, measured now: it depends on the split that is scored."""
    return Prior(split.info.name, split.info.identity, {task.name: measure(task, train, split) for task in tasks})


def _fitted(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if images.shape[2:] == size:
        return images
    pixels: Images = np.rint(images * 255).astype(np.uint8).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(scaled(pixels, size).transpose(0, 3, 1, 2), np.float32) / np.float32(255)
