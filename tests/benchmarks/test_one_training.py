"""A trained network is scored by benchmarks as its evaluator scores it."""

from __future__ import annotations

import pytest
from one_training import scored, scored_twice

from ednas_nni.errors import EdnasError
from ednas_nni.search.assembled import Assembled
from ednas_nni.study import parse

STREETS = {"name": "streets", "depth": "metric", "train": 16, "search": 4, "select": 4, "test": 4}


def study(scored_on: str) -> dict[str, object]:
    evaluator = {"name": "jared", "steps": 2, "threads": 1, "reports": 1, "scored_on": scored_on}
    return {"space": "nano", "tasks": ["depth"], "data": STREETS, "train_size": [64, 128], "evaluator": evaluator}


def test_scores_of_a_network_are_those_of_its_evaluator_in_the_unit_of_its_data():
    """Depth of streets has a scale of its own, which tasks do not know before the data were measured."""
    joined = Assembled(parse(study("search")))
    network, searched = joined.trained(joined.space.member("mobilenet_v2_small"))
    again = scored(joined, network, "search")
    assert again["quality"] == pytest.approx(searched["default"], abs=1e-6)
    assert again["depth_rel_error"] == pytest.approx(searched["depth_rel_error"], rel=1e-5)
    with pytest.raises(EdnasError, match="with_constants"):  # the broken variant
        scored_by({name: joined.tasks[name] for name in joined.study.tasks}, joined, network)


def scored_by(tasks, joined, network):
    from ednas_nni.networks.runtime import TorchRuntime
    from ednas_nni.networks.scoring import scores

    runtime = TorchRuntime(network.eval(), joined.study.train_size)
    return scores(runtime, tasks, joined.source.split("search"), joined.source.split("train"))


def test_a_training_that_is_scored_twice_judges_on_images_that_it_did_not_report():
    joined = Assembled(parse(study("select")))
    sample = joined.space.member("mobilenet_v2_small")
    searched, judged, seconds = scored_twice(study("search"), sample)
    assert judged["quality"] == pytest.approx(joined.trained(sample)[1]["default"], abs=1e-6)
    assert judged["quality"] != searched["default"] and seconds > 0
