from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import time
import warnings
from dataclasses import replace

import nni
import numpy as np
import pytest
import torch

from ednas_nni.compat.nas import LayerChoice, Lightning, ModelSpace, MutableConv2d, RawFormatModelSpace
from ednas_nni.record.journal import TrialRecord
from ednas_nni.record.reports import final_event, read_report
from ednas_nni.training import jared, seed_everything, seeded
from ednas_nni.training.data import TrialData


def test_package_is_light():
    code = "import sys, ednas_nni.training, ednas_nni.tasks.protocols; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_constructing_touches_nothing(scenes, make_evaluator, tmp_path):
    scenes.opened.clear()
    evaluator = make_evaluator()
    assert isinstance(evaluator, Lightning) and not evaluator.is_mutable()
    assert scenes.opened == [] and list(tmp_path.iterdir()) == []


def test_arguments_are_plain_data(make_evaluator):
    evaluator = make_evaluator(weighting={"name": "fixed", "weights": {"depth": 2.0}}, seed=5)
    text = nni.dump(evaluator)
    assert "bytes:" not in text and json.loads(text)["__kwargs__"]["seed"] == 5
    again = nni.load(text)
    assert again == evaluator and again.recipe == evaluator.recipe
    assert make_evaluator(seed=6) != evaluator


def test_arguments_may_be_searched(make_evaluator):
    evaluator = make_evaluator(learning_rate=nni.choice("rate", [0.1, 0.2]))
    assert evaluator.is_mutable()
    with pytest.raises(RuntimeError, match="freeze"):
        evaluator.evaluate(torch.nn.Linear(1, 1))
    assert evaluator.freeze({"rate": 0.2}).get().recipe.learning_rate == 0.2


def test_final_result(make_evaluator, tiny, capsys):
    evaluator = make_evaluator()
    network = tiny()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        final = evaluator.evaluate(network)
    primary = {"segmentation_miou", "depth_abs_error_m", "normals_mean_deg"}
    assert {"default", "train_loss", "train_s", *primary} <= set(final)
    assert all(type(value) is float and math.isfinite(value) for value in final.values())
    assert not network.training and network.trunk[0].weight.is_contiguous()
    first, depth, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("data scenes ") and first.endswith("scored on search, protocol standard")
    assert depth.startswith("metric depth in m, scale 1, loss jared_half, lambda ")
    assert depth.endswith("m (position prior)")
    assert [line.split()[1] for line in lines] == ["4/12", "8/12", "12/12"]
    assert [scores["default"] for scores in evaluator.history][-1] == final["default"] and len(evaluator.history) == 3


def test_scores_in_8_bits_come_beside_the_others(make_evaluator, tiny, capfd):
    networks = [tiny() for _ in range(4)]
    options = ({}, {"int8": True}, {"int8": "confirmed"}, {"int8": "confirmed", "scored_on": "select"})
    plain, asked, searched, confirmed = (
        make_evaluator(steps=30, reports=1, **each).evaluate(network)
        for each, network in zip(options, networks, strict=True)
    )
    assert capfd.readouterr().err == ""
    own = {name for name in plain if name.startswith(("segmentation_", "depth_", "normals_"))}
    assert set(asked) - set(plain) == set(confirmed) - set(plain) == {f"{name}_int8" for name in {"quality", *own}}
    assert set(searched) == set(plain) and asked["default"] == plain["default"]
    for one, two in zip(networks[0].state_dict().values(), networks[1].state_dict().values(), strict=True):
        assert torch.equal(one, two), "the network itself stays as it is"
    assert 0 < abs(asked["quality_int8"] - asked["default"]) < 0.05


def test_it_learns(make_evaluator, tiny):
    final = make_evaluator(steps=60, reports=1).evaluate(tiny())
    assert final["default"] > 0.15
    assert final["segmentation_pixel_accuracy"] > 0.8


def test_terminal_and_folder_stay_clean(make_evaluator, tiny, capfd, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    make_evaluator(reports=1).evaluate(tiny())
    out, err = capfd.readouterr()
    assert out.count("\n") == 3 and err == "" and not caplog.records
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


@pytest.mark.parametrize(("steps", "reports", "expected"), [(7, 3, [3, 6, 7]), (5, 9, [1, 2, 3, 4, 5]), (3, 1, [3])])
def test_the_last_weights_are_always_scored(steps, reports, expected, make_evaluator, tiny, capsys):
    make_evaluator(steps=steps, reports=reports).evaluate(tiny())
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step")]
    assert [line.split()[1] for line in lines] == [f"{step}/{steps}" for step in expected]


@pytest.mark.parametrize("steps", [6, 7])
def test_training_time_is_counted_once(steps, make_evaluator, tiny):
    """Also when the last score falls outside the loop, because the reports do not divide the steps."""

    class Slow(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            time.sleep(0.03)
            return self.inner(x)

    begin = time.perf_counter()
    train_s = make_evaluator(steps=steps, reports=2).evaluate(Slow(tiny()))["train_s"]
    assert 0.03 * steps <= train_s <= time.perf_counter() - begin - 2 * 0.03


def test_same_seed_same_result_whatever_ran_before(make_evaluator, tiny):
    first = make_evaluator(seed=3).evaluate(tiny())
    torch.rand(5), np.random.rand(5), random.random()
    second = make_evaluator(seed=3).evaluate(tiny())
    other = make_evaluator(seed=4).evaluate(tiny())
    first.pop("train_s"), second.pop("train_s")
    assert first == second
    assert first["default"] != other["default"]


def test_an_evaluator_can_be_used_twice(make_evaluator, tiny):
    evaluator = make_evaluator()
    first, second = evaluator.evaluate(tiny()), evaluator.evaluate(tiny())
    assert first["default"] == second["default"]


def draws_afterwards(call) -> list:
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    call()
    return [random.random(), np.random.rand(), torch.rand(()).item()]


def test_global_generators_are_left_where_they_were(make_evaluator, tiny):
    """A strategy in the same process must not be sent back by every trial."""
    untouched = draws_afterwards(lambda: None)
    evaluator, network = make_evaluator(), tiny()
    assert draws_afterwards(lambda: evaluator.evaluate(network)) == untouched
    assert draws_afterwards(lambda: seed_everything(0)) != untouched  # the broken variant
    with pytest.raises(KeyError), seeded(3):
        raise KeyError


def test_threads_are_set_and_restored(make_evaluator, tiny, monkeypatch):
    calls = []
    monkeypatch.setattr(torch, "set_num_threads", calls.append)
    make_evaluator(steps=2, reports=1, threads=1).evaluate(tiny())
    assert calls == [1, torch.get_num_threads()]
    calls.clear()
    make_evaluator(steps=2, reports=1).evaluate(tiny())
    assert calls == []


def test_heads_start_at_the_training_splits_values(make_evaluator, tiny):
    evaluator, network = make_evaluator(steps=1), tiny()
    evaluator.evaluate(network)
    data = TrialData(evaluator.recipe)
    for name, prior in data.prior.tasks.items():
        assert torch.equal(network.biases[name], torch.tensor(prior.head_bias))


def test_reports_to_nni_only_inside_a_trial(make_evaluator, tiny, reports_to_nni):
    with reports_to_nni() as reports:
        final = make_evaluator().evaluate(tiny())
    (told,) = reports.final
    assert len(reports.intermediate) == 3 and {k: v for k, v in told.items() if k != "ran"} == final
    assert reports.intermediate[-1]["default"] == final["default"]
    assert json.loads(json.dumps(reports.intermediate)) == reports.intermediate
    with reports_to_nni(running=False) as outside:
        make_evaluator().evaluate(tiny())
    assert outside.intermediate == [] and outside.final == []


@pytest.mark.parametrize("ran", ["32-true", "bf16-mixed"])
def test_what_really_ran_is_told_not_what_was_asked_for(ran, make_evaluator, tiny, reports_to_nni, monkeypatch):
    """Lightning may train in another precision than it is asked for; only a warning in a log would say so."""
    evaluator = make_evaluator(threads=1)
    made = jared.make_trainer
    monkeypatch.setattr(jared, "make_trainer", lambda recipe, *rest: made(replace(recipe, precision=ran), *rest))
    with reports_to_nni() as reports:
        evaluator.evaluate(tiny())
    report = read_report(reports.final[0])
    source = TrialData(evaluator.recipe).source
    assert report.ran == {
        "precision": ran, "device": "cpu", "threads": "1", "torch": torch.__version__, "data": source.info.identity,
    }  # fmt: skip
    record = TrialRecord(trial=3, architecture="a", sample={}, costs={})
    event = final_event(report, record, "J").dump()
    assert event["ran"] == report.ran and "ran" not in final_event(read_report(0.5), record, "J").dump()


def test_interrupt_reaches_the_caller(make_evaluator, tiny):
    class Interrupting(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            raise KeyboardInterrupt

    import signal

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        make_evaluator().evaluate(Interrupting(tiny()))
    assert signal.getsignal(signal.SIGINT) == handler


def test_examples(make_evaluator, tiny):
    arrays = make_evaluator(examples=4).example_predictions(tiny())
    assert {name: (a.shape, a.dtype.name) for name, a in arrays.items()} == {
        "image": ((4, 32, 64, 3), "uint8"),
        "segmentation_prediction": ((4, 32, 64), "int64"),
        "segmentation_truth": ((4, 32, 64), "int64"),
        "depth_prediction": ((4, 32, 64), "float32"),
        "depth_truth": ((4, 32, 64), "float32"),
        "normals_prediction": ((4, 32, 64, 3), "float32"),
        "normals_truth": ((4, 32, 64, 3), "float32"),
    }
    assert make_evaluator(examples=0).example_predictions(tiny()) == {}
    assert len(make_evaluator(examples=99).example_predictions(tiny())["image"]) == 10


@pytest.mark.parametrize("tasks", [["depth"], ["segmentation", "normals"]])
def test_any_subset_of_tasks(tasks, make_evaluator, tiny):
    final = make_evaluator(tasks=tasks).evaluate(tiny(tasks))
    assert {name.split("_")[0] for name in final} == {*tasks, "default", "train"}


@pytest.mark.parametrize(
    "options", [{"weighting": "uncertainty"}, {"average": 0.9}, {"depth_loss": "l1"}, {"warmup": 0.5}]
)
def test_recipes_run(options, make_evaluator, tiny):
    plain = make_evaluator().evaluate(tiny())
    assert make_evaluator(**options).evaluate(tiny())["default"] != plain["default"]


class Space(ModelSpace):
    """Two candidates in the trunk."""

    def __init__(self):
        super().__init__()
        candidates = [MutableConv2d(3, 8, k, padding=k // 2) for k in (1, 3)]
        self.trunk = LayerChoice(candidates, label="kernel")
        channels = {"segmentation": 3, "depth": 1}
        self.heads = torch.nn.ModuleDict({name: MutableConv2d(8, c, 1) for name, c in channels.items()})

    def forward(self, x):
        x = torch.relu(self.trunk(x))
        return {name: head(x) for name, head in self.heads.items()}


def test_networks_that_nni_builds_follow_the_seed(make_evaluator, tiny):
    network_type, channels = type(tiny()), {"segmentation": 3, "depth": 1, "normals": 3}

    def make_network():
        return network_type(channels)

    class Buildable:
        """The part of NNI's ExecutableModelSpace that an engine uses."""

        def executable_model(self):
            self.network = make_network()
            return self.network

    def first_weight(seed):
        model = Buildable()
        make_evaluator(seed=seed, steps=1, learning_rate=1e-8)._execute(model)
        return model.network.trunk[0].weight.detach()

    expected = first_weight(0)
    assert torch.allclose(first_weight(0), expected) and not torch.allclose(first_weight(1), expected)


@pytest.mark.parametrize("name", ["RandomOneShot", "DARTS", "Proxyless"])
def test_one_shot_strategies_use_the_same_evaluator(name, make_evaluator, capsys):
    from ednas_nni.compat import nas_search as strategies
    from ednas_nni.compat.nas import SequentialExecutionEngine

    evaluator = make_evaluator(tasks=("segmentation", "depth"), steps=4, reports=2)
    strategy = getattr(strategies, name)()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        strategy(RawFormatModelSpace(Space(), evaluator), SequentialExecutionEngine())
        (best,) = strategy.list_models()
    assert best.sample["kernel"] in (0, 1, "0", "1")
    # NNI's differentiable strategies use the search split for the architecture's gradient and never score.
    assert ("step 4/4" in capsys.readouterr().out) == (name == "RandomOneShot")


def test_delta_t_against_references(make_evaluator, tiny):
    """The trial's own number is that of the maths on its metrics; as the score it takes the place of quality."""
    plain = make_evaluator().evaluate(tiny())
    references = {
        "segmentation": {"miou": 0.5},
        "depth": {"abs_error_m": 0.5, "delta1": 0.9},
        "normals": {"mean_deg": 9.0},
    }
    torch.manual_seed(0)
    final = make_evaluator(references=references).evaluate(tiny())
    changes = {
        name: [(final[f"{name}_{metric}"] - value) / value * (-1 if "error" in metric or "deg" in metric else 1)
               for metric, value in known.items()]
        for name, known in references.items()
    }  # fmt: skip
    expected = 100 * np.mean([np.mean(values) for values in changes.values()])
    assert final["delta_t"] == pytest.approx(expected) and "delta_t" not in plain
    scored = make_evaluator(references=references, score="delta_t").evaluate(tiny())
    assert scored["default"] == scored["delta_t"] and -2 < scored["quality"] < 1


def test_protocols_never_share_a_name(make_evaluator, tiny):
    names = {p: set(make_evaluator(protocol=p).evaluate(tiny())) for p in ("standard", "adashare")}
    common = {"default", "train_loss", "train_s"}
    assert names["standard"] & names["adashare"] == common
    assert "segmentation_adashare_miou" in names["adashare"]


def test_a_fourth_task_from_the_same_labels(make_evaluator, tiny):
    names = ("segmentation", "edges")
    final = make_evaluator(tasks=names).evaluate(tiny(names))
    assert 0 <= final["edges_f1"] <= 1 and math.isfinite(final["default"])


@pytest.mark.parametrize("task", ["segmentation", "depth", "normals"])
@pytest.mark.parametrize("weighting", ["fixed", "uncertainty", "geometric_mean", "dwa"])
def test_images_without_a_label_are_masked(task, weighting, make_evaluator, tiny):
    """Most batches of two have no label of the task at all; scores are those of labelled images alone."""
    evaluator = make_evaluator(data={"few": task}, batch_size=2, weighting=weighting)
    final = evaluator.evaluate(tiny())
    assert all(math.isfinite(value) for value in final.values() if isinstance(value, float))
    whole = make_evaluator(steps=1, warmup=0.0, learning_rate=1e-8, reports=1)
    half = make_evaluator(data={"few": task}, steps=1, warmup=0.0, learning_rate=1e-8, reports=1)
    one, other = whole.evaluate(tiny()), half.evaluate(tiny())
    others = [name for name in one if "_" in name and not name.startswith(("train", task, "delta"))]
    assert others and all(one[name] == pytest.approx(other[name], rel=0.2) for name in others)


@pytest.mark.parametrize("augmentation", ["none", "flip_zoom", {"flip": 1.0}])
def test_augmentations_train(augmentation, make_evaluator, tiny):
    assert math.isfinite(make_evaluator(augmentation=augmentation).evaluate(tiny())["default"])


def test_training_starts_from_a_file(make_evaluator, tiny, tmp_path, capsys):
    """Tensors of the file come after the heads' typical values: a trained bias belongs to its weights."""
    source, target = tiny(), tiny()
    with torch.no_grad():
        for p in source.parameters():
            p.add_(0.5)
    given = {k: v for k, v in source.state_dict().items() if not k.startswith("heads.normals")}
    torch.save(given, tmp_path / "a.pt")
    make_evaluator(steps=1, reports=1, learning_rate=1e-8, init_from=str(tmp_path / "a.pt")).evaluate(target)
    told = capsys.readouterr().out
    assert f"a.pt: {len(given)} tensors copied\n  2 are not in the file: heads.normals.weight, heads." in told
    for name, p in target.named_parameters():
        assert torch.allclose(p, source.get_parameter(name), atol=1e-5) == (name in given), name
    assert torch.allclose(target.heads["normals"].bias, target.biases["normals"], atol=1e-5)
    assert not torch.allclose(target.heads["depth"].bias, target.biases["depth"], atol=1e-5)
