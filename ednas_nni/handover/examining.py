"""What the best network of a search is good and bad at, by the weights that the search kept: classes and images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ednas_nni.record.quantities import value_in
from ednas_nni.tasks.meters import PerClass

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ednas_nni.handover.search import SearchRecord

WORST = 3


@dataclass(frozen=True)
class Examined:
    """One network on the images that its search scored candidates on.

    Attributes:
        classes: Task -> its classes in order, each with its IoU in [0, 1]; NaN = neither there nor predicted.
        worst: The `WORST` images of the lowest mean rank over the tasks' primary metrics, with predictions beside the
            truth, as `NetworkEvaluator.example_predictions` gives them.
    """

    architecture: str
    images: int
    classes: Mapping[str, list[tuple[str, float]]]
    worst: Mapping[str, NDArray[Any]]


def examined(search: SearchRecord) -> Examined | None:
    """Score the best network whose weights are kept, of those that were trained again where some were, image by image.

    None where there is none.
    """
    with_weights = [a for a in search.results if a.weights is not None]
    comparable = [a for a in with_weights if a.confirmed] or with_weights
    scores = [(a, value_in(search.score.key, a.costs, a.metrics)) for a in comparable]
    best = max(((a, v) for a, v in scores if v is not None), key=lambda one: one[1], default=(None, 0.0))[0]
    if best is None or best.weights is None:
        return None
    import torch  # heavy, as is what builds networks

    from ednas_nni.data.batches import loader
    from ednas_nni.nn.checkpoint import init_from
    from ednas_nni.nn.tree import build
    from ednas_nni.search.assembled import by_recipe
    from ednas_nni.training import JaredEvaluator

    assembled = by_recipe(search.assembled)
    evaluator = assembled.evaluator_against(None)
    if not isinstance(evaluator, JaredEvaluator):
        return None
    tasks = evaluator.module.data.by_name  # which know the scale of depth
    network = build(assembled.space, best.sample).eval()
    init_from(network, best.weights)
    split = assembled.source.split(evaluator.recipe.scored_on)
    meters = {name: task.meter() for name, task in tasks.items()}
    values: dict[str, list[float]] = {name: [] for name in tasks}
    for batch in loader(split, tasks, 1):
        with torch.no_grad():
            outputs = network(batch["image"])
        for name, task in tasks.items():
            prediction, alone = task.predict(outputs[name]), task.meter()
            for meter in (meters[name], alone):
                meter.update(prediction, batch[name])
            sign = 1 if next(m for m in task.metrics if m.name == task.primary).direction == "max" else -1
            values[name].append(sign * alone.compute()[task.primary])
    # An image without a label of a task says nothing of that task: it ranks as good there.
    ranks = np.stack([np.argsort(np.argsort(np.nan_to_num(of, nan=np.inf))) for of in values.values()])
    chosen = np.argsort(ranks.mean(axis=0), kind="stable")[:WORST].tolist()
    classes = {
        name: list(zip(tasks[name].legend, meter.class_iou(), strict=False))
        for name, meter in meters.items()
        if isinstance(meter, PerClass)
    }
    return Examined(best.architecture, len(split), classes, evaluator.example_predictions(network, chosen))
