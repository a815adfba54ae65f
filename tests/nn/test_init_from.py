"""Weights of a file: what fits is copied, the rest is listed; nothing else than tensors is read."""

from __future__ import annotations

import json
import os
import pickle
from collections import OrderedDict

import pytest
import torch
from torch import nn

from ednas_nni.baselines.identity import identity, single_task
from ednas_nni.bridge.head import changed_weights
from ednas_nni.bridge.trial import run as trial
from ednas_nni.errors import StudyError, TrialError
from ednas_nni.nn.checkpoint import Checkpoint, fingerprint, init_from
from ednas_nni.nn.tree import build
from ednas_nni.record.head import JournalHead
from ednas_nni.record.journal import Journal
from ednas_nni.search.assembled import Assembled
from ednas_nni.study import parse
from search_spaces import nano, pretrained

torch.set_num_threads(1)
TASKS = {"segmentation": 13, "depth": 1}


def save(tensors, path):
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(dict(tensors), path)
    else:
        torch.save(tensors, path)
    return path


def network(member="mobilenet_v2", seed=0):
    torch.manual_seed(seed)
    space = nano(TASKS)
    return build(space, space.member(member))


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt"])
def test_the_same_network_takes_everything(tmp_path, name):
    source, target = network(seed=1), network(seed=2)
    copied = init_from(target, save(source.state_dict(), tmp_path / name))
    assert copied.copied == tuple(source.state_dict()) and not (copied.differing or copied.missing or copied.unused)
    assert all(
        torch.equal(a, b) for a, b in zip(source.state_dict().values(), target.state_dict().values(), strict=True)
    )
    assert str(copied) == f"init_from {tmp_path / name}: {len(copied.copied)} tensors copied"


def test_another_network_takes_what_fits_and_lists_the_rest(tmp_path):
    source, target = network("efficientnet_edgetpu", 1), network("mobilenet_v2_small", 2)
    before = {k: t.clone() for k, t in target.state_dict().items()}
    given = source.state_dict()
    copied = init_from(target, save(given, tmp_path / "a.pt"))
    groups = (copied.copied, copied.differing, copied.missing, copied.unused)
    assert all(groups), "this pair has all four cases"
    assert set(copied.copied) | set(copied.differing) | set(copied.missing) == set(before)
    assert set(copied.copied) | set(copied.differing) | set(copied.unused) == set(given)
    assert sum(map(len, groups)) == len(set(before) | set(given)), "each name is in one group"
    for name, tensor in target.state_dict().items():
        expected = given[name] if name in copied.copied else before[name]
        assert torch.equal(tensor, expected)
    assert all(given[n].shape != before[n].shape for n in copied.differing)
    first, *rest = str(copied).splitlines()
    assert first.endswith(f": {len(copied.copied)} tensors copied") and len(rest) == 3
    for line, names in zip(rest, groups[1:], strict=True):
        assert line.startswith(f"  {len(names)} ") and names[0] in line


@pytest.mark.parametrize(
    "wrap", [lambda d: {"state_dict": d, "epoch": 3}, lambda d: {f"model.{k}": t for k, t in d.items()}]
)
def test_checkpoints_of_trainings(tmp_path, wrap):
    source, target = network(seed=1), network(seed=2)
    copied = init_from(target, save(wrap(source.state_dict()), tmp_path / "last.ckpt"))
    assert len(copied.copied) == len(source.state_dict()) and not copied.unused


def test_integers_do_not_become_weights_and_half_precision_does(tmp_path):
    target = nn.Linear(2, 2)
    save({"weight": torch.ones(2, 2, dtype=torch.float16), "bias": torch.ones(2, dtype=torch.int64)}, tmp_path / "a.pt")
    copied = init_from(target, tmp_path / "a.pt")
    assert copied.copied == ("weight",) and copied.differing == ("bias",)
    assert target.weight.dtype == torch.float32 and torch.equal(target.weight.detach(), torch.ones(2, 2))


class Evil:
    def __reduce__(self):
        return (os.mkdir, ("proof_that_code_ran",))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: torch.save({"a": Evil()}, p), "holds more than tensors.*could run code"),
        (
            lambda p: p.write_bytes(pickle.dumps(OrderedDict(a=Evil()), protocol=2)),
            "holds more than tensors|is not a file of",
        ),
        (lambda p: p.write_bytes(b"PK\x03\x04 broken"), "is not a file of torch.save"),
        (lambda p: p.write_bytes(b""), "is not a file of torch.save"),
        (lambda p: torch.save(torch.zeros(2), p), "holds a Tensor, not named tensors"),
        (lambda p: torch.save({"epoch": 3}, p), "holds no tensors"),
        (lambda p: torch.save({"a": torch.tensor([1.0, float("nan")])}, p), "the tensor a is not finite"),
        (lambda p: torch.save({"a.b": torch.zeros(1), "c": torch.zeros(1)}, p), "no tensor of .* fits the network"),
    ],
)
def test_what_is_not_a_checkpoint_is_rejected(tmp_path, monkeypatch, make, words):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.pt"
    make(path)
    before = list(tmp_path.iterdir())
    with pytest.raises(StudyError, match=words) as caught:
        init_from(nn.Linear(2, 2), path)
    assert str(path) in str(caught.value) and list(tmp_path.iterdir()) == before


def test_wrong_files(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"12345678 no")
    with pytest.raises(StudyError, match="is not a safetensors file"):
        Checkpoint.read(tmp_path / "a.safetensors")
    with pytest.raises(StudyError, match=r"none\.pt: cannot be read \(No such file"):
        Checkpoint.read(tmp_path / "none.pt")
    with pytest.raises(StudyError, match=r"files that end in \.safetensors, \.pt"):
        Checkpoint.read(tmp_path / "a.npz")


# ------------------------------------------------------------------ in a study
def test_the_path_is_part_of_the_study(tmp_path):
    one, two = parse({"init_from": "/a.pt"}), parse({"init_from": "/b.pt"})
    assert len({one.digest, two.digest, parse({}).digest}) == 3 and parse(one.dump()) == one
    assert single_task(one, "depth").init_from == "/a.pt"
    for wrong in ("a.pt", 3, ["/a.pt"], ""):
        with pytest.raises(StudyError, match=r"init_from = .*absolute path"):
            parse({"init_from": wrong})


def test_the_content_is_recorded(tmp_path):
    path = save({"a": torch.zeros(1)}, tmp_path / "a.pt")
    study = parse({"init_from": str(path)})
    first = Assembled(study).initial
    assert first == {"init_from": fingerprint(path)}
    assert Assembled(parse({})).initial == {}
    save({"a": torch.ones(1)}, path)
    second = Assembled(study).initial
    assert changed_weights(JournalHead(weights=first), second) == "init_from"
    assert changed_weights(JournalHead(), second) == changed_weights(JournalHead(weights=first), {}) == "init_from"
    assert changed_weights(JournalHead(weights=first), first) == changed_weights(JournalHead(), {}) == ""
    with pytest.raises(StudyError, match=r"init_from: .*none\.pt: cannot be read"):
        _ = Assembled(parse({"init_from": str(tmp_path / "none.pt")})).initial


def test_a_trial_rejects_weights_that_changed_since_the_start(tmp_path, monkeypatch):
    path, job = tmp_path / "a.pt", tmp_path / "trials" / "job"
    study = parse({"init_from": str(save({"a": torch.zeros(1)}, path))})
    job.mkdir(parents=True)
    monkeypatch.setenv("NNI_SYS_DIR", str(job))
    assert trial.journal_head() is None  # no journal within reach: nothing to compare with
    journal = Journal(tmp_path / "ednas" / "journal.jsonl")
    journal.append(JournalHead(weights=Assembled(study).initial))
    running = trial.TrialRun(Assembled(study), None, trial.journal_head())
    running.check_weights(Assembled(study).initial)
    save({"a": torch.ones(1)}, path)
    with pytest.raises(TrialError, match="init_from: the file has another content than when the search began"):
        running.check_weights(Assembled(study).initial)


def test_encoder_weights_are_recorded(tmp_path):
    torch.manual_seed(0)
    from ednas_nni.compat.vision import models

    path = tmp_path / "mobilenet_v3_small.pth"
    torch.save(models.mobilenet_v3_small(weights=None).state_dict(), path)
    assembled = Assembled(parse({}))
    assembled.space = pretrained({"depth": 1}, encoder_weights=str(tmp_path), encoders=["mobilenet_v3_small"])
    assert assembled.weights == {"encoder_weights.mobilenet_v3_small": fingerprint(path)}


def test_references_of_other_weights_are_other_references(tmp_path):
    path = save(network().state_dict(), tmp_path / "a.pt")
    plain = {"reference": "mobilenet_v2_small", "tasks": ["depth"]}
    without, with_file = (
        identity(Assembled(parse({**plain, **more})), "depth") for more in ({}, {"init_from": str(path)})
    )
    assert "weights" not in without["architecture"], "references made before stay valid"
    assert with_file["architecture"].pop("weights") == {"init_from": fingerprint(path)}
    assert with_file == without
    assert "init_from" not in json.dumps(without)


def test_an_evaluator_without_networks_takes_no_weights():
    study = parse({"init_from": "/a.pt", "evaluator": "stub"})
    with pytest.raises(StudyError, match="init_from: evaluator 'stub' takes no weights of a file"):
        _ = Assembled(study).evaluator
    with pytest.raises(StudyError, match=r"evaluator\.init_from: is set by the study itself"):
        _ = Assembled(parse({"evaluator": {"name": "jared", "init_from": "/a.pt"}})).evaluator
