"""Edges between classes, against a walk over all neighbours; precision and recall by hand."""

from __future__ import annotations

import numpy as np
import torch

from ednas_nni.testing.tasks import Labels
from tasks.edges import Edges


def edges_by_hand(labels, ignore=255):
    n, h, w = labels.shape
    edges = np.zeros((n, h, w), int)
    for i, y, x in np.ndindex(n, h, w):
        near = [labels[i, y + dy, x + dx] for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0))
                if 0 <= y + dy < h and 0 <= x + dx < w]  # fmt: skip
        edges[i, y, x] = any(v != labels[i, y, x] for v in near)
        if labels[i, y, x] == ignore or ignore in near:
            edges[i, y, x] = 255
    return edges


def test_edges_equal_a_walk_over_all_neighbours():
    labels = Labels.random("segmentation").rows["segmentation"]
    labels[1] = 2
    target = Edges().target({"segmentation": labels})
    np.testing.assert_array_equal(target.numpy(), edges_by_hand(labels))
    assert not target[1].any(), "no edge inside of one class"


def test_the_prior_is_where_edges_are_frequent(scenes):
    source = scenes()
    task, split = Edges.for_data(source.info), source.split("train")
    edge = edges_by_hand(split.segmentation)
    share = (edge == 1).sum(0) / np.maximum((edge != 255).sum(0), 1)
    expected = share > (edge == 1).sum() / (edge != 255).sum()
    np.testing.assert_array_equal(task.prior(task.statistics(split))[0], expected)


def test_metrics_by_hand():
    meter = Edges().meter()
    meter.update(torch.tensor([[[1, 1, 0, 0, 1]]]), torch.tensor([[[1, 0, 1, 0, 255]]]))
    assert meter.compute() == {"f1": 0.5, "precision": 0.5, "recall": 0.5}
    meter.update(torch.tensor([[[-1]]]), torch.tensor([[[1]]]))
    assert np.isnan(meter.compute()["f1"])
