"""`ednas train`: what it settles, what it writes, and that a killed one ends in the same weights."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import ednas_nni
from ednas_nni.bridge.head import write_head
from ednas_nni.cli import main
from ednas_nni.errors import EdnasError, JournalError, StudyError
from ednas_nni.handover import training
from ednas_nni.handover.training import carried_out, planned, twin
from ednas_nni.nn.tree import build
from ednas_nni.record import events
from ednas_nni.record.events import Note
from ednas_nni.record.journal import Journal
from ednas_nni.record.parameters import TrialParameters
from ednas_nni.record.reports import final_event, read_report, submitted
from ednas_nni.search.front_weights import FrontWeights, write_weights
from ednas_nni.training.checkpoints import Checkpoints
from ednas_nni.training.jared import JaredEvaluator
from tests.small_networks import small_network, small_study

MEMBER = "mobilenet_v2_small"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> None:
    """Trainings of each test are its own, so that none is there already."""
    monkeypatch.setattr(training, "cache_root", lambda folder: tmp_path / "cache")
    torch.set_num_threads(1)


def test_a_plan_is_the_study_trained_longer() -> None:
    plan = planned(small_study(steps=8, reference=MEMBER), MEMBER, seeds=2, size="deploy", learning_rate=0.01)
    recipe = training.evaluator_of(plan.assembled).recipe
    assert (recipe.steps, recipe.average, recipe.scored_on, recipe.learning_rate) == (80, 0.75, "select", 0.01)
    assert (plan.name, plan.seeds, plan.study.train_size) == (MEMBER, (3000, 3001), (64, 128))
    assert plan.folder == planned(small_study(steps=8), MEMBER, seeds=3, learning_rate=0.01).folder
    assert plan.folder != planned(small_study(steps=8), MEMBER, steps=81, learning_rate=0.01).folder


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"choice": "nothing"}, "nothing"),
        ({"choice": {"stage1_depth": 1}}, "lacks stage1_block1_op"),
        ({"seeds": 0}, "at least 1 training"),
        ({"size": "large"}, "train, deploy"),
        ({"size": (60, 100)}, "multiples of 32"),
        ({"learning_rte": 1}, "learning_rate"),
        ({"source": "gone"}, "gone"),
    ],
)
def test_what_cannot_be_trained_is_said_before(change, words) -> None:
    given = {"source": small_study(), "choice": MEMBER, **change}
    with pytest.raises(EdnasError, match=words):
        planned(given.pop("source"), given.pop("choice"), **given)


def test_a_search_by_a_supernet_lends_its_recipe() -> None:
    study = small_study(evaluator={"name": "inherited", "learning_rate": 0.03, "batch_size": 4})
    plan = planned(study, MEMBER, steps=12)
    assert plan.study.evaluator.name == "jared"
    assert training.evaluator_of(plan.assembled).recipe.learning_rate == 0.03


def test_evaluators_without_a_recipe_are_rejected() -> None:
    with pytest.raises(StudyError, match="no recipe"):
        planned(small_study(evaluator="stub"), MEMBER)


def test_a_twin_has_what_the_task_had() -> None:
    assembled = small_study(space={"name": "nano", "sharing": ["shared", "own_stage4"]})
    sample = {d.label: d.values[0] for d in assembled.domains.dimensions}
    sample |= {"depth_sharing": "own_stage4", "stage4_block1_op": "ibn_k3_e3", "depth_stage4_block1_op": "ibn_k5_e6"}
    plan = planned(assembled, assembled.domains.canonical(sample))
    alone = {task: twin(plan, task) for task in ("depth", "normals")}
    assert alone["depth"].sample["stage4_block1_op"] == "ibn_k5_e6"
    assert alone["normals"].sample["stage4_block1_op"] == "ibn_k3_e3"
    networks = {task: build(one.assembled.space, one.sample) for task, one in alone.items()}
    assert {task: tuple(network.heads) for task, network in networks.items()} == {
        "depth": ("depth",),
        "normals": ("normals",),
    }


@pytest.mark.slow
def test_seeds_scores_sizes_and_openings(tmp_path, monkeypatch) -> None:
    """The whole of it: two seeds, single-task twins, both sizes; and a second call trains nothing."""
    assembled = small_study(["depth", "normals"], steps=4, deploy_size=[128, 256])
    plan = planned(assembled, MEMBER, steps=4, seeds=2)
    network = carried_out(plan, baselines=True, workers=1, progress=False)
    scores = {(s.split, s.size): s for s in network.description.scores}
    assert list(scores) == [("select", (64, 128)), ("test", (64, 128)), ("test", (128, 256))]
    test = scores["test", (64, 128)]
    assert {len(v) for v in test.values.values()} == {2} and sorted(test.seeds) == [3000, 3001] and test.images == 16
    low, high = test.intervals["delta_t"]
    assert low <= test.mean("delta_t") <= high
    select = scores["select", (64, 128)].values["quality"]
    assert select[0] >= select[1] and network.description.origin.seed == test.seeds[0]  # weights of the best on select
    folder = network.save(tmp_path / "n")
    assert ednas_nni.load(folder).description.scores == network.description.scores
    monkeypatch.setattr(training, "train_seed", lambda *job: pytest.fail("everything is trained already"))
    again = carried_out(plan, baselines=True, workers=1, progress=False)
    assert again.description.scores == network.description.scores


def test_two_commands_at_once_train_each_seed_once(monkeypatch) -> None:
    """The second one asks for one seed of the first one's two, and disturbs neither its training nor its counters."""
    plan, fewer = (planned(small_study(["depth"], steps=4), MEMBER, steps=4, seeds=seeds) for seeds in (2, 1))
    trained, second = [], threading.Event()

    class Slow(JaredEvaluator):
        def evaluate(self, model, watcher=None):
            trained.append(self.seed)
            second.wait(20)
            watcher.on_step(4, torch.zeros(()))
            return {"default": 0.1}

    def slow(assembled):
        evaluator = assembled.evaluator_against(None)
        evaluator.__class__ = Slow
        return evaluator

    monkeypatch.setattr(training, "evaluator_of", slow)
    monkeypatch.setattr(training.contextlib, "redirect_stdout", contextlib.nullcontext)  # it is of all threads
    ends = []
    commands = [
        threading.Thread(target=lambda p=p: ends.append(training._all_trained([p], 1, False))) for p in (plan, fewer)
    ]
    commands[0].start()
    while not trained:
        time.sleep(0.01)
    commands[1].start()
    time.sleep(1)
    second.set()
    for command in commands:
        command.join(60)
    assert sorted(trained) == [3000, 3001] and sorted(map(len, ends)) == [1, 2]


def test_kept_weights_are_the_start(tmp_path) -> None:
    from safetensors.torch import save_file

    from ednas_nni.handover.search import SearchedArchitecture

    assembled = small_study()
    sample = assembled.domains.complete(assembled.member(MEMBER))
    save_file(build(assembled.space, sample).state_dict(), tmp_path / "w.safetensors")
    found = SearchedArchitecture("id", MEMBER, sample, {}, {}, weights=tmp_path / "w.safetensors")
    assert planned(assembled, found).study.init_from == str(tmp_path / "w.safetensors")
    assert planned(assembled, found, fresh=True).study.init_from is None


@pytest.fixture
def finished(tmp_path):
    """A search whose trial was finished with two seeds, the second one better; key of each training -> its weights."""
    assembled = small_study(["depth"], steps=3)
    sample = assembled.domains.complete(assembled.member(MEMBER))
    key = assembled.domains.architecture_id(sample)
    journal = Journal(tmp_path / "abcd" / "ednas" / "journal.jsonl")
    write_head(journal, "abcd", assembled, engine="sequential")
    left = {}
    for trial, (seed, quality) in enumerate([(None, 0.9), (2000, 0.4), (2001, 0.5)]):
        journal.append(submitted(trial, TrialParameters(sample, seed, seed and 7), assembled.domains, {"macs": 1.0}))
        record = journal.history().trial(trial)
        journal.append(final_event(read_report({"default": quality}), record, None))
        journal.append(events.Ended(trial=trial, status="trained"))
        left[record.key] = network = build(assembled.space, sample)
        write_weights(journal.path.parent, record.key, network)
    FrontWeights(journal, "front").settle()
    journal.close()
    return ednas_nni.open_search(journal.path), key, {name: net.state_dict() for name, net in left.items()}


def same(network, weights) -> bool:
    return all(torch.equal(value, weights[name]) for name, value in network.module.state_dict().items())


def test_without_steps_the_network_is_the_best_that_was_finished(finished, tmp_path) -> None:
    search, key, left = finished
    assert len(left) == 3 and [a.confirmed for a in search.results] == [({"default": 0.4}, {"default": 0.5})]
    network = ednas_nni.train(search, key, steps=0, test=False, progress=False)
    assert same(network, left[f"{key}-2001"]) and not same(network, left[key])
    assert (network.description.origin.seed, network.description.origin.steps) == (2001, 7)
    folder = network.save(tmp_path / "n")
    again = ednas_nni.load(folder)
    assert same(again, left[f"{key}-2001"]) and again.description.scores[0].split == "select"
    assert planned(search, key, steps=5).weights.name == f"{key}-2001.safetensors"


def test_without_steps_there_must_be_weights(finished) -> None:
    search, key, _ = finished
    for given, words in (
        ({"fresh": True}, "there are none"),
        ({"seeds": 2}, "several seeds are asked for"),
        ({"size": (96, 96)}, "another size is asked for"),  # its description would call it trained at that size
    ):
        with pytest.raises(StudyError, match=f"steps is 0: .*{words}"):
            planned(search, key, steps=0, **given)
    with pytest.raises(StudyError, match="baselines are trained"):
        carried_out(planned(search, key, steps=0), baselines=True, progress=False)


def test_openings_are_journalled(tmp_path, monkeypatch) -> None:
    from dataclasses import dataclass, replace

    @dataclass
    class Searched:
        history: object
        experiment = "abcd"

    path = tmp_path / "abcd" / "ednas" / "journal.jsonl"
    journal = Journal(path)
    journal.append(Note(text="begun"))
    journal.close()
    plan = replace(planned(small_study(["depth"]), MEMBER), search=Searched(journal.history()))
    training._note_opening(plan, path)
    assert "split test opened for the final scores of mobilenet_v2_small, seeds 3000" in path.read_text()


EXPERIMENT = """
experimentName: small
trialCommand: python3 -m ednas_nni.bridge.trial
trialCodeDirectory: .
trialConcurrency: 1
maxTrialNumber: 1
tuner:
  className: ednas_nni.bridge.advisor.Advisor
  codeDirectory: .
  classArgs:
    space: nano
    tasks: [depth]
    data: {name: rooms, train: 32, search: 16, select: 16, test: 16}
    train_size: [64, 128]
    deploy_size: [64, 128]
    device: [macs]
    objectives: [quality, macs]
    evaluator: {name: jared, steps: 40, batch_size: 4, reports: 1, accelerator: cpu, threads: 1}
trainingService: {platform: local}
"""


def weights_after(folder: Path, kill: bool) -> dict[str, torch.Tensor]:
    """Weights that `ednas train` leaves; with a kill -9 in the midst, and the same command again."""
    (folder / "small.yml").write_text(EXPERIMENT)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "EDNAS_CACHE": str(folder / "cache")}
    code = (
        "import sys; from ednas_nni.training import checkpoints; checkpoints.EVERY_S = 0.0; "
        "from ednas_nni.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "train", "small.yml", MEMBER, "--steps", "60", "--out", "n", "--workers=1"]

    def start() -> subprocess.Popen:
        return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE)

    if kill:
        process = start()
        while not list((folder / "cache").glob("trainings/*/seed-3000/checkpoint.safetensors")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        checkpoint = next((folder / "cache").glob("trainings/*/seed-3000/checkpoint.safetensors"))
        assert 0 < Checkpoints(checkpoint).steps_before < 60 and not (folder / "n").exists()
    process = start()
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    return ednas_nni.load(folder / "n").module.state_dict()


@pytest.mark.slow
def test_kill_9_ends_in_the_same_weights(tmp_path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole, killed = weights_after(tmp_path / "whole", False), weights_after(tmp_path / "killed", True)
    assert all(torch.equal(whole[name], killed[name]) for name in whole)


def test_commands_refuse_before_they_train(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yml").write_text(EXPERIMENT)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    assert main(["train", "small.yml", MEMBER, "--out", "mine"]) == 1
    assert "holds something else" in capsys.readouterr().err
    assert main(["train", "small.yml", "mobilenet"]) == 1
    assert MEMBER in capsys.readouterr().err
    monkeypatch.chdir(tmp_path / "mine")
    assert main(["train", "../small.yml", MEMBER, "--out", "."]) == 1
    assert "the folder that you are in" in capsys.readouterr().err


def test_a_folder_behind_a_link_takes_a_network(tmp_path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    assert small_network(["depth"]).save(tmp_path / "link") == (tmp_path / "disk").resolve()
    assert ednas_nni.load(tmp_path / "link").description.tasks.keys() == {"depth"}


def test_a_journal_that_cannot_be_written_is_noticed_before_the_training(made, monkeypatch) -> None:
    search = made(evaluator="jared", data="rooms")
    plan = SimpleNamespace(search=search)
    monkeypatch.setattr("ednas_nni.handover.training.os.access", lambda path, mode: False)
    with pytest.raises(JournalError, match=r"journal\.jsonl: cannot be written.*--no-test"):
        training.carried_out(plan)
    with pytest.raises(AttributeError):  # and not where nothing is noted
        training.carried_out(plan, test=False)
