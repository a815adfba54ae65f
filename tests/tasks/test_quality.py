from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from ednas_nni import plugins
from ednas_nni.errors import DataError
from ednas_nni.tasks import quality as module
from ednas_nni.tasks.quality import prior_for, quality
from tasks.edges import Edges

NAMES = ("segmentation", "depth", "normals")


@dataclass(frozen=True)
class Graded(Edges):
    """A task with an option of its own."""

    grades: int = 1

    @property
    def channels(self):
        return self.grades

    @classmethod
    def for_data(cls, info, protocol="standard", grades: int = 1):
        return cls(info.ignore_index, grades)


def bind(source, names=NAMES):
    return tuple(plugins.load("tasks", name).for_data(source.info) for name in names)


def test_prior_is_scored_on_the_search_split(scenes, tmp_path):
    source = scenes()
    tasks = bind(source)
    recorded = prior_for(source, tasks, tmp_path)
    search = source.split("search")
    prior = tasks[1].prior(tasks[1].statistics(source.split("train")))[0, 0]
    valid = search.depth > 0
    expected = np.abs(prior - search.depth)[valid].mean()
    assert recorded.tasks["depth"].metrics["abs_error_m"] == pytest.approx(expected, rel=1e-5)
    on_train = np.abs(prior - source.split("train").depth)[source.split("train").depth > 0].mean()
    assert expected != pytest.approx(on_train, rel=1e-3)


def test_quality_of_the_prior_is_zero_and_of_truth_is_one(scenes, tmp_path):
    source = scenes()
    tasks = bind(source)
    prior = prior_for(source, tasks, tmp_path)
    priors = {name: each.metrics for name, each in prior.tasks.items()}
    assert quality(priors, tasks, prior) == 0
    perfect = {"segmentation": {"miou": 1.0}, "depth": {"abs_error_m": 0.0}, "normals": {"mean_deg": 0.0}}
    assert quality(perfect, tasks, prior) == 1


def test_recorded_once_and_equal_when_read(scenes, tmp_path):
    source = scenes()
    tasks = bind(source)
    first = prior_for(source, tasks, tmp_path)
    scenes.opened.clear()
    assert prior_for(source, tasks, tmp_path) == first
    assert scenes.opened == []
    (path,) = tmp_path.iterdir()
    record = json.loads(path.read_text())
    assert record["fingerprint"] == source.info.fingerprint
    assert record["tasks"]["depth"]["prior"] == first.tasks["depth"].metrics


def test_a_task_added_later_is_measured_beside_the_others(scenes, tmp_path):
    source = scenes()
    depth = prior_for(source, bind(source, ["depth"]), tmp_path)
    everything = prior_for(source, bind(source), tmp_path)
    assert everything.tasks["depth"] == depth.tasks["depth"]
    assert set(json.loads(next(tmp_path.iterdir()).read_text())["tasks"]) == set(NAMES)


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"format": 0}', '{"format": 1, "fingerprint": "other"}'])
def test_a_damaged_or_foreign_record_is_measured_again(damage, scenes, tmp_path):
    source = scenes()
    tasks = bind(source)
    first = prior_for(source, tasks, tmp_path)
    next(tmp_path.iterdir()).write_text(damage)
    assert prior_for(source, tasks, tmp_path) == first


def test_a_record_with_other_metrics_is_measured_again(scenes, tmp_path):
    source = scenes()
    first = prior_for(source, bind(source), tmp_path)
    path = next(tmp_path.iterdir())
    record = json.loads(path.read_text())
    record["tasks"]["depth"]["prior"] = {"abs_error_m": 1.0}
    path.write_text(json.dumps(record))
    assert prior_for(source, bind(source), tmp_path) == first


def test_a_failed_write_leaves_nothing(scenes, tmp_path, monkeypatch):
    source = scenes()
    monkeypatch.setattr(module.Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        prior_for(source, bind(source), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_valid_pixel_is_an_error_that_names_the_split(scenes, tmp_path):
    source = scenes(blank=True)
    for name in ("segmentation", "depth", "normals"):
        with pytest.raises(DataError, match="'train'"):
            prior_for(source, bind(source, [name]), tmp_path)


def test_a_perfect_prior_is_an_error(scenes, tmp_path):
    source = scenes()

    class Constant(type(bind(source, ["depth"])[0])):
        def prior(self, statistics):
            return source.split("search").depth[:1, None]

    source.counts["search"] = source.info.counts["search"] = 1
    with pytest.raises(DataError, match="perfectly"):
        prior_for(source, (Constant(),), tmp_path)


def test_meters_see_the_prior_without_a_copy_per_image(scenes, tmp_path):
    """The prior is one image, expanded; a meter that wrote into it would spoil the next batch."""
    source = scenes()
    task = bind(source, ["normals"])[0]
    prior = task.prior(task.statistics(source.split("train")))
    before = prior.copy()
    module.measure(task, source.split("train"), source.split("search"))
    assert np.array_equal(prior, before) and torch.is_tensor(torch.from_numpy(prior))


def test_what_is_recorded_is_kept_by_the_options_of_a_task(scenes):
    source = scenes()
    tasks = {name: plugins.load("tasks", name) for name in (*NAMES, "edges")}

    def key(name, **options):
        return module.key(tasks[name].for_data(source.info, **options), source.info)

    assert [key(name) for name in tasks] == list(tasks)  # as records of earlier versions say
    assert key("depth", protocol="adashare") == "depth.adashare"
    assert key("segmentation", class_weights="balanced") == "segmentation.standard.balanced"
    assert key("normals", loss="angular") == key("normals", loss="angular") != key("normals")


def test_a_plugin_s_options_reach_the_heads_and_the_prior(scenes, monkeypatch):
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    monkeypatch.setattr(plugins, "load", lambda group, name: {"tasks": Graded, "datasets": type(scenes())}[group])
    options = {"name": "jared", "task_options": {"edges": {"grades": 5}}}
    study = {"tasks": ["edges"], "data": "scenes", "train_size": [32, 64]}
    plain = Assembled(parse(study)).tasks["edges"]
    given = Assembled(parse({**study, "evaluator": options})).tasks["edges"]
    assert (plain.channels, given.channels) == (1, 5)
    info = scenes().info
    assert (module.key(plain, info), module.key(given, info)) == ("edges", "edges.standard.grades=5")
