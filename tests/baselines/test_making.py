"""Making baselines: the study's own recipe, one task alone, every training kept, none repeated."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ednas_nni.baselines import files, making
from ednas_nni.baselines.identity import identities, identity, single_task
from ednas_nni.baselines.record import differences
from ednas_nni.errors import BaselineError, StudyError, TrialError
from ednas_nni.search.assembled import Assembled
from ednas_nni.study import Study

Build = Callable[..., Study]


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Trainings that take no time: metrics follow from task and seed. Returns what was trained."""
    done: list[tuple[str, int]] = []

    def train(assembled: Assembled, task: str, seed: int) -> dict[str, float]:
        done.append((task, seed))
        metrics = assembled.of(single_task(assembled.study, task)).tasks[task].metrics
        return {"default": 0.1, "train_s": 1.0} | {f"{task}_{m.name}": 0.5 + seed / 1e5 for m in metrics}

    monkeypatch.setattr(making, "train", train)
    return done


def test_real_trainings_end_to_end(make_study: Build, cache: Path) -> None:
    """Two seeds of two tasks, then the trial's evaluator reports delta_t against them."""
    from ednas_nni.nn.tree import build

    study = make_study()
    made = making.make(Assembled(study), seeds=2, workers=1, progress=False)
    assert made.trained == 4 and all(record.seeds == (1000, 1001) for record in made.records.values())
    depth = made.records["depth"]
    assert set(depth.metrics) == {"abs_error_m", "rel_error", "rmse_m", "delta1", "delta2", "delta3"}
    assert depth.runs[0] != depth.runs[1], "another seed, another training"
    again = making.train(Assembled(study), "depth", 1000)
    assert {f"depth_{k}": v for k, v in depth.runs[0].items()}.items() <= again.items(), "equal seeds, equal results"
    compared, lacking = Assembled(study).baselines
    assert lacking == ""
    space = Assembled(study).space
    network = build(space, space.member("mobilenet_v2_small"))
    final = Assembled(study).evaluator_against(compared).evaluate(network)
    assert final["delta_t"] == pytest.approx(compared.estimate([final]).value)
    assert "quality" not in final and final["default"] != final["delta_t"]


def test_what_is_recorded_is_not_trained_again(
    make_study: Build, cache: Path, trainings: list[tuple[str, int]]
) -> None:
    study = make_study()
    making.make(Assembled(study), seeds=1, workers=1, progress=False)
    assert trainings == [("segmentation", 1000), ("depth", 1000)]
    trainings.clear()
    assert making.make(Assembled(study), seeds=3, workers=1, progress=False).trained == 4
    assert trainings == [("segmentation", 1001), ("depth", 1001), ("segmentation", 1002), ("depth", 1002)]
    trainings.clear()
    made = making.make(Assembled(study), seeds=3, workers=1, progress=False)
    assert (made.trained, made.written, trainings) == (0, (), [])


def test_killed_and_resumed(
    make_study: Build, cache: Path, trainings: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever stops it, what had ended is there; only the rest is trained."""
    quick = making.train

    def killed(assembled: Assembled, task: str, seed: int) -> dict[str, float]:
        if (task, seed) == ("depth", 1001):
            raise KeyboardInterrupt
        return quick(assembled, task, seed)

    monkeypatch.setattr(making, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        making.make(Assembled(make_study()), seeds=2, workers=1, progress=False)
    assert trainings == [("segmentation", 1000), ("depth", 1000), ("segmentation", 1001)]
    monkeypatch.setattr(making, "train", quick)
    trainings.clear()
    made = making.make(Assembled(make_study()), seeds=2, workers=1, progress=False)
    assert trainings == [("depth", 1001)]
    assert [record.seeds for record in made.records.values()] == [(1000, 1001)] * 2


def test_the_kill_test_notices_what_is_kept_only_at_the_end(
    make_study: Build, cache: Path, trainings: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken variant: records written once, after all trainings."""
    monkeypatch.setattr(making, "_keep", lambda records, places: set())
    with pytest.raises(AssertionError):
        test_killed_and_resumed(make_study, cache, trainings, monkeypatch)


@pytest.mark.parametrize("named", [False, True])
def test_two_at_once(
    named: bool, make_study: Build, cache: Path, tmp_path: Path, trainings: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The second waits for the first, then takes its trainings: none is lost, none is done twice."""
    quick, out = making.train, tmp_path / "rooms.json" if named else None
    second: list[Thread] = []

    def run(seeds: int) -> None:
        making.make(Assembled(make_study()), seeds=seeds, out=out, workers=1, progress=False)

    def meanwhile(assembled: Assembled, task: str, seed: int) -> dict[str, float]:
        if not second:
            second.append(Thread(target=run, args=(3,)))
            second[0].start()
            second[0].join(1)
        return quick(assembled, task, seed)

    monkeypatch.setattr(making, "train", meanwhile)
    run(1)
    second[0].join()
    assert sorted(trainings) == [(task, seed) for task in ("depth", "segmentation") for seed in (1000, 1001, 1002)]
    kept = files.read(out) if out else files.all_records(cache, cache)[0]
    assert {record.task: record.seeds for record in kept} == dict.fromkeys(
        ("depth", "segmentation"), (1000, 1001, 1002)
    )


def test_two_at_once_notices_who_does_not_wait(
    make_study: Build, cache: Path, tmp_path: Path, trainings: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken variant: no lock."""
    monkeypatch.setattr(making, "locked", lambda path: nullcontext())
    with pytest.raises(AssertionError):
        test_two_at_once(False, make_study, cache, tmp_path, trainings, monkeypatch)


def test_one_failed_training_does_not_cost_the_others(
    make_study: Build, cache: Path, trainings: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = making.train

    def diverges(assembled: Assembled, task: str, seed: int) -> dict[str, float]:
        if (task, seed) == ("segmentation", 1000):
            raise TrialError("the single-task baseline of segmentation, seed 1000, failed: not finite")
        return quick(assembled, task, seed)

    monkeypatch.setattr(making, "train", diverges)
    with pytest.raises(TrialError, match="segmentation, seed 1000"):
        making.make(Assembled(make_study()), seeds=2, workers=1, progress=False)
    kept = {record.task: record.seeds for record in files.all_records(cache, cache)[0]}
    assert kept == {"segmentation": (1001,), "depth": (1000, 1001)}


def test_one_file_for_all(make_study: Build, cache: Path, tmp_path: Path, trainings: list[tuple[str, int]]) -> None:
    out = tmp_path / "rooms.json"
    made = making.make(Assembled(make_study()), seeds=1, out=out, workers=1, progress=False)
    assert made.written == (out,) and not [*files.folder(cache).glob("*.json")]
    assert [record.task for record in files.read(out)] == ["segmentation", "depth"]
    making.make(Assembled(make_study(evaluator={"steps": 7})), seeds=1, out=out, workers=1, progress=False)
    assert [r.identity["recipe"]["steps"] for r in files.read(out)] == [7, 7], "records of another recipe are replaced"
    out.write_text("a letter")
    with pytest.raises(BaselineError, match=r"rooms\.json: cannot be read"):
        making.make(Assembled(make_study()), seeds=1, out=out, workers=1, progress=False)
    assert out.read_text() == "a letter"
    with pytest.raises(BaselineError, match=r"more\.json: cannot be written"):
        making.make(Assembled(make_study()), seeds=1, out=out / "more.json", workers=1, progress=False)


def test_a_wrong_number_of_seeds(make_study: Build) -> None:
    with pytest.raises(BaselineError, match="seeds is 0"):
        making.make(Assembled(make_study()), seeds=0)


# ---- identity


def test_the_recipe_of_one_task(make_study: Build) -> None:
    study = make_study(
        evaluator={
            "weighting": "uncertainty",
            "depth_loss": "l1",
            "task_options": {"segmentation": {"class_weights": "balanced"}, "depth": {"relative_scale": 2.0}},
        },
        objectives=["delta_t", "latency_ms"],
        constraints=["latency_ms <= 9"],
    )
    alone = single_task(study, "depth", seed=7)
    assert (alone.tasks, alone.seed, alone.reference, alone.constraints) == (("depth",), 7, None, ())
    found = identities(Assembled(study))
    assert found["depth"]["options"]["loss_name"] == "l1" and found["depth"]["options"]["relative_scale"] == 2.0
    assert found["segmentation"]["options"]["balanced"] is True
    assert json.loads(json.dumps(found)) == found, "plain data"


@pytest.mark.parametrize(
    "change",
    [
        {"evaluator": {"weighting": {"name": "fixed", "weights": {"depth": 3.0}}}},
        {"evaluator": {"reports": 3, "examples": 1, "threads": 2}},
        {"seed": 5, "deploy_size": [256, 256], "constraints": ["latency_ms <= 9"], "objectives": ["delta_t"]},
        {"evaluator": {"depth_relative_scale": 3.0}},  # nothing to segmentation
    ],
)
def test_what_does_not_matter_to_one_task(change: dict[str, Any], make_study: Build) -> None:
    assert (
        differences(
            identity(Assembled(make_study()), "segmentation"), identity(Assembled(make_study(**change)), "segmentation")
        )
        == []
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"evaluator": {"steps": 7}}, "steps 6 here, 7 in the baseline"),
        ({"evaluator": {"batch_size": 5}}, "batch size 4 here, 5 in the baseline"),
        ({"evaluator": {"learning_rate": 0.01}}, "learning rate 0.02 here, 0.01 in the baseline"),
        ({"evaluator": {"weight_decay": 0.0}}, "weight decay 0.0001 here, 0 in the baseline"),
        ({"evaluator": {"gradient_clip": 1.0}}, "gradient clip 5 here, 1 in the baseline"),
        ({"evaluator": {"average": 0.9}}, "average 0 here, 0.9 in the baseline"),
        ({"evaluator": {"scored_on": "select"}}, "scored on search here, select in the baseline"),
        ({"evaluator": {"protocol": "adashare"}}, "protocol standard here, adashare in the baseline"),
        ({"evaluator": {"augmentation": "none"}}, "augmentation flip here, none in the baseline"),
        ({"evaluator": {"depth_loss": "l1"}}, "loss name jared_half here, l1 in the baseline"),
        ({"data": {"name": "scenes_for_references:Scenes", "train": 25}}, "data.images.train 24 here, 25 in the base"),
        ({"reference": "mobilenet_v2"}, "member mobilenet_v2_small here, mobilenet_v2 in the baseline"),
    ],
)
def test_what_matters(change: dict[str, Any], told: str, make_study: Build) -> None:
    found = differences(identity(Assembled(make_study()), "depth"), identity(Assembled(make_study(**change)), "depth"))
    assert any(told in part for part in found), found


def test_wrong_references(make_study: Build, cache: Path) -> None:
    with pytest.raises(StudyError, match=r"reference: Unknown member 'mobilenet'.*Did you mean 'mobilenet_v2'"):
        _ = Assembled(make_study(reference="mobilenet")).baselines
    with pytest.raises(StudyError, match="reference: is missing"):
        identities(Assembled(make_study(reference=None)))
    assert Assembled(make_study(reference=None)).baselines == (None, "")
    _, lacking = Assembled(make_study(), "my.yml").baselines
    assert lacking.startswith("no delta_t (gain over one network per task): ") and lacking.endswith(
        "ednas reference my.yml"
    )
