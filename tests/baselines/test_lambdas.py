"""Lambda: where it is looked up, how it is measured, and that a wrong record is not taken for none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ednas_nni.baselines import lambdas, making, relative_scale
from ednas_nni.baselines.identity import identity
from ednas_nni.baselines.lambdas import Measurement
from ednas_nni.data import DataInfo
from ednas_nni.errors import DataError, StudyError
from ednas_nni.search.assembled import Assembled
from ednas_nni.study import PluginChoice, Study

COUNTS = {"train": 5, "search": 2, "select": 1, "test": 1}


def info(name: str = "rooms", fingerprint: str = "f00d", kind: str = "metric", unit: str = "m") -> DataInfo:
    return DataInfo(
        name=name,
        size=(32, 64),
        classes=("a", "b"),
        counts=COUNTS,
        fingerprint=fingerprint,
        depth_kind=kind,
        depth_unit=unit,
    )


def measured(*ratios: float, data: str = "rooms", fingerprint: str = "f00d", kind: str = "metric") -> Measurement:
    unit = {"metric": "m", "inverse": "1/m"}[kind]
    return Measurement(data, fingerprint, kind, unit, ratios, tuple(range(len(ratios))))


def test_the_shipped_table_covers_the_rendered_data() -> None:
    """Whatever their size and number of images; how it was measured stands beside it."""
    table = {m.key: m for m in lambdas.read(lambdas.SHIPPED)}
    assert set(table) == {
        ("rooms", "metric", "m"), ("streets", "inverse", "1/m"), ("streets", "metric", "m")
    }  # fmt: skip
    for found in table.values():
        assert len(found.ratios) >= 2 and {"command", "date", "member", "evaluator"} <= set(found.made)
        assert found.made["command"].startswith("ednas data lambda ")
        assert found.made["evaluator"]["task_options"]["depth"]["loss"] == "l1"
        assert found.deviation < 0.1 * found.mean
    assert lambdas.recorded(info(fingerprint="any")) == table["rooms", "metric", "m"].value
    assert lambdas.recorded(info("streets", kind="inverse", unit="1/m")) == table["streets", "inverse", "1/m"].value


def test_rooms_and_streets_differ_by_kind(cache: Path) -> None:
    assert lambdas.recorded(info("streets")) != lambdas.recorded(info("streets", kind="inverse", unit="1/m"))
    assert lambdas.recorded(info("rooms", kind="inverse", unit="1/m")) is None
    assert lambdas.recorded(info("my_data")) is None


def test_a_users_own_goes_first_and_only_for_its_data(cache: Path) -> None:
    lambdas.write(lambdas.path_for(info()), measured(7.04, 7.16))
    assert lambdas.recorded(info()) == 7.1
    assert lambdas.recorded(info(fingerprint="other")) == lambdas.recorded(info(fingerprint="another")) != 7.1
    assert lambdas.recorded(info(kind="inverse", unit="1/m")) is None, "the record is of metres"


def test_a_table_keeps_one_row_per_data_and_kind(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    for each in (measured(3.0), measured(0.07, data="streets", kind="inverse"), measured(2.5, fingerprint="new")):
        lambdas.write(path, each)
    found = lambdas.read(path)
    assert [(m.data, m.value) for m in found] == [("rooms", 2.5), ("streets", 0.07)]
    assert found[0].deviation is None and json.loads(path.read_text())["measurements"][0]["lambda"] == 2.5


@pytest.mark.parametrize("text", ["", "{}", '{"format": 1, "measurements": [{"data": "rooms"}]}', '{"format": 2}'])
def test_a_damaged_record_is_an_error(text: str, cache: Path) -> None:
    """Falling back to another lambda would change every training in silence."""
    path = lambdas.path_for(info())
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(DataError, match=r"rooms-f00d\.json: cannot be read.*ednas data lambda"):
        lambdas.recorded(info())


def test_the_l1_study(make_study: Callable[..., Study]) -> None:
    """Losses, weighting, protocol and other tasks of the study do not matter."""
    study = make_study(
        evaluator={
            "depth_loss": "silog",
            "depth_relative_scale": 9.0,
            "weighting": "uncertainty",
            "protocol": "adashare",
            "scored_on": "select",
            "task_options": {"segmentation": {"class_weights": "balanced"}, "depth": {"relative_scale": 1.0}},
        },
        objectives=["delta_t"],
    )
    found = relative_scale.l1_study(study)
    assert found.tasks == ("depth",) and found.evaluator.options["task_options"] == {"depth": {"loss": "l1"}}
    assert not {"weighting", "depth_loss", "depth_relative_scale"} & set(found.evaluator.options)
    assert identity(Assembled(found), "depth")["recipe"]["scored_on"] == "search"
    assert identity(Assembled(found), "depth")["recipe"]["protocol"] == "standard"
    with pytest.raises(StudyError, match="so name `depth` too"):
        relative_scale.l1_study(make_study(tasks=["segmentation"]))
    with pytest.raises(StudyError, match="reference: is missing"):
        relative_scale.l1_study(make_study(reference=None))


def test_measured_by_the_command(
    make_study: Callable[..., Study],
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two (pretended) trainings: the ratio of the two errors, recorded, and used by the depth loss at once."""
    import argparse

    from ednas_nni.cli import data_command

    def train(assembled: Assembled, task: str, seed: int) -> dict[str, float]:
        assert assembled.study.evaluator.options["task_options"]["depth"]["loss"] == "l1" and task == "depth"
        return {"depth_abs_error_m": 1.0 + (seed - 1000) / 100, "depth_rel_error": 0.5}

    monkeypatch.setattr(making, "train", train)
    path = tmp_path / "study.yml"
    tuner = {"className": "ednas_nni.bridge.advisor.Advisor", "classArgs": make_study().dump()}
    path.write_text(yaml.safe_dump({"tuner": tuner}))
    parser = argparse.ArgumentParser()
    data_command.configure(parser)
    arguments = ["lambda", str(path), "--seeds", "2", "--workers", "1", "--option", "train=25"]
    assert data_command.run(parser.parse_args(arguments)) == 0
    told = capsys.readouterr().out
    assert "lambda of scenes (metric depth): 2.01 ± 0.014 m" in told and "n = 2 trainings" in told
    assert "as lambda = 2 m" in told and "(|p - g| + lambda |p - g| / g) / 2" in told
    study = make_study(data=PluginChoice(name="scenes_for_references:Scenes", options={"train": 25}))
    source = Assembled(study).source
    kept = lambdas.read(lambdas.path_for(source.info))[0]
    assert kept.made["command"] == "ednas data lambda study.yml --set data.train=25 --seeds 2", (
        "no folder of the machine"
    )
    assert lambdas.recorded(source.info) == 2.0
    depth = Assembled(study).tasks["depth"]
    assert (depth.relative_scale, depth.relative_from) == (2.0, "recorded")
    assert identity(Assembled(study), "depth")["options"]["relative_scale"] == 2.0, (
        "references made with another one do not fit"
    )
    with pytest.raises(StudyError, match=r"--set 'data\.train'"):
        data_command.run(parser.parse_args(["lambda", str(path), "--option", "train"]))
