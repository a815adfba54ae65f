"""Classes and worst images of a search's best network, computed a second way from its predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import ednas_nni
from ednas_nni.bridge.head import write_head
from ednas_nni.handover.examining import WORST, examined
from ednas_nni.nn.checkpoint import init_from
from ednas_nni.nn.tree import build
from ednas_nni.record import events
from ednas_nni.record.journal import Journal
from ednas_nni.record.parameters import TrialParameters
from ednas_nni.record.reports import final_event, read_report, submitted
from ednas_nni.report import write
from ednas_nni.search.front_weights import FrontWeights, write_weights
from tests.small_networks import small_study

FAR = {"name": "streets", "depth": "metric", "train": 16, "search": 12, "select": 2, "test": 2}
INHERITED = {"name": "inherited", "supernet": {"steps": 2}, "batch_size": 4, "reports": 1, "accelerator": "cpu"}
STUDIES = {"depth of scale 1": {}, "of another scale": {"data": FAR}, "of a supernet": {"evaluator": INHERITED}}


@pytest.mark.parametrize("fields", STUDIES.values(), ids=STUDIES)
def test_classes_and_worst_images(tmp_path: Path, fields: dict[str, object]) -> None:
    torch.set_num_threads(1)
    assembled = small_study(["segmentation", "depth"], steps=3, **fields)
    sample = assembled.domains.complete(assembled.member("mobilenet_v2_small"))
    journal = Journal(tmp_path / "abcd" / "ednas" / "journal.jsonl")
    write_head(journal, "abcd", assembled, engine="sequential")
    journal.append(submitted(0, TrialParameters(sample), assembled.domains, {"macs": 1.0, "params": 1.0}))
    journal.append(final_event(read_report({"default": 0.5}), journal.history().trial(0), None))
    journal.append(events.Ended(trial=0, status="trained"))
    assert examined(ednas_nni.open_search(journal.path)) is None, "no weights are kept"
    network = build(assembled.space, sample)
    last = [name for name, _ in network.named_parameters() if "depth" in name and name.endswith("bias")][-1]
    torch.nn.init.constant_(
        network.get_parameter(last), 20.0
    )  # so that far images are not the worst ones of all scales
    write_weights(journal.path.parent, assembled.domains.architecture_id(sample), network)
    FrontWeights(journal, "front").settle()
    journal.close()
    found = examined(ednas_nni.open_search(journal.path))
    assert found is not None

    init_from(network, journal.path.parent / "weights" / f"{found.architecture}.safetensors")
    split = assembled.source.split("search")
    every = assembled.evaluator.example_predictions(network, range(len(split)))
    answer, truth = every["segmentation_prediction"], every["segmentation_truth"]
    (names,) = found.classes.values()
    assert [name for name, _ in names] == list(assembled.tasks["segmentation"].legend)
    for label, (_, iou) in enumerate(names):
        seen = truth != 255
        hit, either = ((answer == label) & (truth == label)).sum(), ((answer == label) | (truth == label))[seen].sum()
        assert np.isnan(iou) if not either else abs(iou - hit / either) < 1e-9
    depth, valid = every["depth_truth"], every["depth_truth"] > 0
    wrong = [np.abs(p - t)[v].mean() for p, t, v in zip(every["depth_prediction"], depth, valid, strict=True)]
    rights = [_miou(p, t) for p, t in zip(answer, truth, strict=True)]
    rank = np.argsort(np.argsort(rights)) + np.argsort(np.argsort(np.negative(wrong)))
    assert found.worst["image"].shape[0] == WORST
    places = [int(np.flatnonzero((every["image"] == image).all(axis=(1, 2, 3)))[0]) for image in found.worst["image"]]
    assert sorted(rank[places]) == sorted(rank)[:WORST] != sorted(rank)[-WORST:]

    page = write(journal.path, tmp_path / "out", looked_at=found).read_text(encoding="utf-8")
    assert "Where the best network is weak" in page and f"ednas train abcd {found.architecture}" in page
    assert "Where the best network is weak" not in write(journal.path, tmp_path / "out").read_text(encoding="utf-8")


def _miou(answer: np.ndarray, truth: np.ndarray) -> float:
    seen, shares = truth != 255, []
    for label in np.union1d(truth[seen], answer[seen]):
        a, b = (answer == label)[seen], (truth == label)[seen]
        shares.append((a & b).sum() / (a | b).sum())
    return float(np.mean(shares))
