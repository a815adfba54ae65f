"""`ednas front`: the front of what is scored, by direct computation; whose scores count; what is refused."""

from __future__ import annotations

import json
import shutil
import zlib
from dataclasses import replace

import numpy as np
import pytest

from ednas_nni.cli import main
from ednas_nni.errors import EdnasError, InfeasibleError, StudyError
from ednas_nni.handover import repricing
from ednas_nni.handover.choosing import opened
from ednas_nni.handover.repricing import Inheritance, repriced
from ednas_nni.handover.training import planned
from ednas_nni.record import events, locate
from ednas_nni.record.head import JournalHead
from ednas_nni.record.journal import Journal
from ednas_nni.training.supernet.scores import FILE, InheritedScore, add, read
from tests.bridge.experiments import write_experiment
from tests.small_networks import small_study

INHERITED = {"name": "inherited", "accelerator": "cpu", "supernet": {"steps": 30}}


def quality(sample):
    """Made up, and not a function of cost."""
    return float(np.random.default_rng(zlib.crc32(json.dumps(sample, sort_keys=True).encode())).random())


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """A cache with 60 scores of a supernet, and with what prices its space."""
    cache = tmp_path_factory.mktemp("scored") / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDNAS_CACHE", str(cache))
        assembled = small_study(["depth"], evaluator=INHERITED)
        supernet = Inheritance(assembled).supernet
        supernet.folder.mkdir(parents=True)  # as if it were made
        rng = np.random.default_rng(0)
        for sample in [assembled.domains.random(rng) for _ in range(60)]:
            add(supernet, scored(assembled, sample))
        _ = assembled.table
    return cache


@pytest.fixture
def study(scores, tmp_path, monkeypatch):
    monkeypatch.setenv("EDNAS_CACHE", str(shutil.copytree(scores, tmp_path / "cache")))
    monkeypatch.setattr(locate, "EXPERIMENTS", str(tmp_path / "nni"))
    return small_study(["depth"], evaluator=INHERITED)


@pytest.fixture
def quick(monkeypatch):
    """Scoring without a training."""

    def score(self, sample):
        one = scored(self.assembled, sample)
        add(self.supernet, one)
        return one

    monkeypatch.setattr(Inheritance, "score", score)


def scored(assembled, sample, split="search"):
    return InheritedScore(assembled.domains.architecture_id(sample), split, sample, {"default": quality(sample)})


def directly(assembled, device, column, limit):
    """Architectures that no other beats in quality and cost, of all lines of the store, by comparing each with each."""
    table = small_study(["depth"], evaluator=INHERITED, device=[device]).table
    lines = [json.loads(line) for line in (next(Inheritance(assembled).supernet.folder.parent.glob("*" + FILE))).open()]
    cost = {line["architecture"]: float(table([line["sample"]])[0, table.names.index(column)]) for line in lines}
    quality = {line["architecture"]: line["metrics"]["default"] for line in lines}
    inside = [key for key in cost if cost[key] <= limit]
    return {
        key
        for key in inside
        if not any(
            quality[o] >= quality[key] and cost[o] <= cost[key] and (quality[o], cost[o]) != (quality[key], cost[key])
            for o in inside
        )
    }


@pytest.mark.parametrize(("device", "column"), [("params", "params"), ("edge_tpu", "latency_ms"), ("macs", "macs")])
def test_the_front_of_what_is_scored_is_that_of_a_direct_computation(study, device, column):
    table = small_study(["depth"], device=[device]).table
    costs = table([score.sample for score in Inheritance(study).scores().values()])[:, table.names.index(column)]
    # A limit on a latency is checked on its upper bound, which is another column.
    limit = 1e6 if device == "edge_tpu" else float(f"{np.median(costs):.4g}")
    front = repriced(study, [device], [f"{column}<={limit}"], networks=0, progress=False)
    expected = directly(study, device, column, limit)
    assert {a.architecture for a in front.members} == expected and front.scored == 0
    assert [a.costs[column] for a in front.members] == sorted(a.costs[column] for a in front.members)
    # The broken twin: the front of another device, left as it is, is another one.
    other = "params" if device != "params" else "macs"
    assert directly(study, other, other, 1e12) != directly(study, device, column, 1e12)


def test_more_are_scored_within_the_limit_and_stay_scored(study, quick):
    before = len(read(Inheritance(study).supernet, "search", {}))
    front = repriced(study, ["params"], ["params<=400000"], networks=9, progress=False)
    assert front.scored == 9 and all(a.costs["params"] <= 400000 for a in front.members)
    assert len(read(Inheritance(study).supernet, "search", {})) == before + 9, "none was scored before"
    again = repriced(study, ["params"], ["params<=400000"], networks=0, progress=False)
    assert again.reused == front.reused + 9 and again.members == front.members
    assert repriced(study, ["macs"], networks=0, progress=False).reused == before + 9


def test_lines_that_are_torn_or_of_another_split_or_training_do_not_count(study):
    inheritance = Inheritance(study)
    count = len(inheritance.scores())
    sample = study.domains.random(np.random.default_rng(99))
    add(inheritance.supernet, scored(study, sample, split="select"))
    further = Inheritance(small_study(["depth"], evaluator={**INHERITED, "steps": 5}))
    assert further.supernet.folder == inheritance.supernet.folder and not further.scores()
    add(further.supernet, replace(scored(study, sample), trained_on=further.evaluator.recipe.trained_on))
    assert list(further.scores()) == [study.domains.architecture_id(sample)]
    other = Inheritance(small_study(["depth"], evaluator={**INHERITED, "steps": 5, "learning_rate": 0.01}))
    assert not other.scores()
    with (inheritance.supernet.folder.parent / (inheritance.supernet.folder.name + FILE)).open("a") as file:
        file.write('{"architecture": "torn')
    assert len(inheritance.scores()) == count


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({}, True),
        ({"device": ["edge_tpu"], "strategy": "random", "constraints": ["params <= 1e9"], "seed": 5}, True),
        ({"evaluator": {**INHERITED, "threads": 1}}, True),
        ({"evaluator": {**INHERITED, "supernet": {"steps": 31}}}, False),
        ({"evaluator": {**INHERITED, "steps": 5}}, False),
        ({"evaluator": {**INHERITED, "scored_on": "select"}}, False),
        ({"evaluator": "jared"}, False),
        ({"data": "another"}, False),
    ],
)
def test_journals_of_the_same_supernet_count(study, tmp_path, change, counts):
    sample = study.domains.random(np.random.default_rng(77))
    key = study.domains.architecture_id(sample)
    data = change.pop("data", None) or study.source.info.identity
    journal = Journal(tmp_path / "nni" / "abcd" / "ednas" / "journal.jsonl")
    plain = {**study.study.dump(), **change}
    versions = {"ednas": "0", "nni": "3", "torch": "2", "python": "3"}
    journal.append(JournalHead(**versions, digest="d", data=data, domains=[], study=plain, experiment="abcd"))
    journal.append(events.Submitted(trial=0, architecture=key, sample=sample))
    journal.append(events.Final(trial=0, architecture=key, metrics={"default": -3.0, "quality": 0.5}))
    journal.append(events.Ended(trial=0, status="trained"))
    journal.close()
    found = Inheritance(study).scores()
    assert (key in found) == counts and (not counts or found[key].metrics["default"] == 0.5)


def test_what_cannot_be_asked(study, quick):
    with pytest.raises(StudyError, match="makes no supernet"):
        repriced(small_study(["depth"]))
    with pytest.raises(StudyError, match="ednas supernet"):
        repriced(small_study(["depth"], evaluator={**INHERITED, "batch_size": 5}))
    with pytest.raises(InfeasibleError, match="smallest reachable"):
        repriced(study, limits=["params<=10"])
    with pytest.raises(EdnasError, match="latency"):
        repriced(study, ["params"], ["latency<=10"])


def test_the_command(study, quick, tmp_path, capsys):
    path = write_experiment(tmp_path, "small", study.study.dump())
    words = ["front", str(path), "--device", "params", "--limit", "params<=400000", "--networks"]
    assert main([*words, "4", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["scored"] == 4 and all(row["costs"]["params"] <= 400000 for row in answer["front"])
    assert main([*words, "0"]) == 0
    out = capsys.readouterr().out
    assert all(row["architecture"] in out for row in answer["front"]) and "0 networks were scored" in out
    limited = ["--set", "device=params", "--set", "constraints=[params <= 400000]"]
    limited += ["--set", "objectives=[quality, params]"]
    assert main(["front", str(path), *limited, "--networks", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["front"] == answer["front"]
    assert main(["front", str(path), *limited, "--networks", "0"]) == 0
    assert f"ednas train {path} --set device=params --set 'constraints=" in capsys.readouterr().out
    row = answer["front"][-1]
    plan = planned(opened(path, ["evaluator.learning_rate=0.07"]), row["architecture"])
    assert plan.sample == row["sample"] and plan.study.evaluator.name == "jared"
    assert plan.study.evaluator.options["learning_rate"] == 0.07


@pytest.mark.slow
def test_a_score_is_that_of_a_trial(tmp_path, monkeypatch):
    monkeypatch.setenv("EDNAS_CACHE", str(tmp_path / "cache"))
    options = {**INHERITED, "threads": 1, "batch_size": 4, "calibration": 2, "supernet": {"steps": 2, "paths": 1}}
    study = small_study(["depth"], evaluator=options)
    inheritance = Inheritance(study)
    assert inheritance.supernet.outlook().startswith("a supernet, 2 steps of 1 networks: about a minute")
    inheritance.supernet.make()
    assert inheritance.supernet.outlook() == "" and inheritance.supernet.made["seconds"] > 0
    sample = study.domains.random(np.random.default_rng(3))
    assert inheritance.score(sample).metrics["default"] == study.trained(sample)[1]["default"]
    assert repricing.Inheritance(study).scores()
