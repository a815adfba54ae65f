"""Final scores of trained networks: every metric on a split, at any size, with intervals over the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ednas_nni.baselines.interval import estimate, mean_interval
from ednas_nni.data.source import CachedSource, open_source
from ednas_nni.networks.description import Score
from ednas_nni.networks.scoring import metrics_of, prior
from ednas_nni.tasks.delta_t import delta_t
from ednas_nni.tasks.quality import quality

if TYPE_CHECKING:
    from torch import nn

    from ednas_nni.data import Split
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.tasks.base import Task

Metrics = dict[str, dict[str, float]]
"""Task -> metric -> value."""


@dataclass(frozen=True)
class Runs:
    """Trainings of one architecture that differ in the seed.

    Attributes:
        assembled: Of their study.
        tasks: With what they take as given about the training data.
        networks: One a seed.
    """

    assembled: Assembled
    tasks: Mapping[str, Task]
    networks: Sequence[nn.Module]


def scored(
    runs: Runs, twins: Mapping[str, Runs], seeds: Sequence[int], split: str, size: tuple[int, int], reader: str
) -> Score:
    """Every metric of all seeds on a split.

    At the size of the training also `quality` (against the position prior of the training split, scored on this very
    split), and `delta_t` where there are single-task twins. At another size the network sees, and is compared with,
    images and labels of that size.

    Args:
        runs: The trainings.
        twins: Task -> trainings of the same architecture for that task alone; {} = none.
        seeds: Of `runs`, in their order.
        split: `select` or `test`.
        size: Height and width of images and labels.
        reader: Who opens the split.
    """
    own_size = size == tuple(runs.assembled.study.train_size)
    images = opened(runs.assembled, split, size, reader)
    metrics = [_metrics(network, runs.tasks, images) for network in runs.networks]
    values = {f"{t}_{m}": tuple(run[t][m] for run in metrics) for t in runs.tasks for m in metrics[0][t]}
    intervals: dict[str, tuple[float, float]] = {}
    if own_size:
        train = opened(runs.assembled, "train", size, reader)
        tasks = list(runs.tasks.values())
        position = prior(tasks, train, images)
        values["quality"] = tuple(quality(run, tasks, position) for run in metrics)
    for name, per_seed in values.items():
        interval = mean_interval(per_seed)
        if interval.half is not None:
            intervals[name] = (interval.mean - interval.half, interval.mean + interval.half)
    if own_size and twins:
        alone = {n: [_metrics(net, twin.tasks, images)[n] for net in twin.networks] for n, twin in twins.items()}
        ways = {n: {s.name: s.direction for s in task.metrics if s.in_delta_t} for n, task in runs.tasks.items()}
        means = {n: {m: sum(r[m] for r in rows) / len(rows) for m in ways[n]} for n, rows in alone.items()}
        values["delta_t"] = tuple(delta_t(run, means, ways) for run in metrics)
        delta = estimate(metrics, alone, ways)
        if delta.low is not None and delta.high is not None:
            intervals["delta_t"] = (delta.low, delta.high)
    return Score(
        split=split,
        images=len(images),
        size=size,
        label_size=images.info.size,
        protocol=next(iter(runs.tasks.values())).protocol,
        seeds=tuple(seeds),
        values=values,
        intervals=intervals,
    )


def opened(assembled: Assembled, split: str, size: tuple[int, int], reader: str) -> Split:
    """A split of the study's data at a size; at another size than the study's, that split alone is made."""
    reader_of = reader if split == "test" else None
    if size == tuple(assembled.study.train_size):
        return assembled.source.split(split, reader_of)
    source = open_source({**assembled.data_options, "size": list(size)}, size)
    return source.alone(split, reader_of) if isinstance(source, CachedSource) else source.split(split, reader_of)


def _metrics(network: nn.Module, tasks: Mapping[str, Task], split: Split) -> Metrics:
    """All metrics of a network on a split, at the split's size, on the device that the network lies on."""
    device = next(network.parameters()).device

    @torch.no_grad()
    def predictions(image: torch.Tensor) -> dict[str, torch.Tensor]:
        outputs = network(image.to(device))
        return {name: task.predict(outputs[name]).cpu() for name, task in tasks.items()}

    return metrics_of(predictions, tasks, split)
