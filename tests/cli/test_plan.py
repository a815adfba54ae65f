"""`ednas plan` and `ednas calibrate` as a user types them."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ednas_nni.cli import main

NANO = {"space": "nano", "tasks": ["depth"], "start": []}


@pytest.fixture(scope="module")
def _known() -> dict[Any, Any]:
    return {}


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch, _known: dict[Any, Any]) -> None:
    """Spaces and cost tables are made once per study's space, size and device: that is most of the time here."""
    from ednas_nni import cost as hardware
    from ednas_nni.search.assembled import Assembled

    make, build = Assembled.space.func, hardware.cost_table

    def space(assembled: Assembled) -> Any:
        key = (str(assembled.study.space), assembled.study.tasks)
        if key not in _known:
            _known[key] = make(assembled)
        return _known[key]

    def cost_table(space: Any, devices: Any = (), deploy_size: Any = (512, 1024), **more: Any) -> Any:
        key = (id(space), tuple(map(str, devices)), tuple(deploy_size))
        if key not in _known:
            _known[key] = build(space, devices, deploy_size, **more)
        return _known[key]

    monkeypatch.setattr(Assembled, "space", property(space))
    monkeypatch.setattr(hardware, "cost_table", cost_table, raising=False)


def test_plan_prints_every_cost_with_unit_and_origin(
    experiment: Callable[..., Path], capsys: pytest.CaptureFixture[str], tables: None
) -> None:
    path = experiment({**NANO, "constraints": ["latency_ms <= 20", "params <= 9e9"]})
    assert main(["plan", str(path), "--samples", "500"]) == 0
    told = capsys.readouterr()
    for word in (
        "architectures, 16 choices",
        "500 architectures, as strategies draw them",
        "512 x 1024 px",
        "latency_ms_upper90",
        "edge_tpu, modelled",
        "params, counted",
        "latency_ms is made of",
        "checked on its upper bound latency_ms_upper90",
        "of all different networks (95 % interval)",
        "smallest value",
        "exact: minimised over the table",
        "best of a coordinate search",
        "all constraints together",
    ):
        assert word in told.out, word
    assert "params <= 9e+09 keeps 100 % of random draws: it hardly constrains" in told.err
    assert "link: stem" in told.err and "Traceback" not in told.err


def test_plan_as_json_and_as_a_picture(
    experiment: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], tables: None
) -> None:
    path, picture = experiment({**NANO, "objectives": ["latency_ms", "macs"]}), tmp_path / "plan.png"
    options = ["--json", "--samples", "300", "--draw", "architectures", "--picture", str(picture)]
    assert main(["plan", str(path), *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["draw"] == "architectures" and found["samples"] == 300 and found["error"] is None
    assert found["costs"]["latency_ms"]["unit"] == "ms" and found["costs"]["latency_ms"]["origin"] == "modelled"
    assert -1 <= found["kendall_tau"][0]["tau"] <= 1
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_plan_refuses_what_nothing_meets_with_the_value_that_can_be_reached(
    experiment: Callable[..., Path], capsys: pytest.CaptureFixture[str], tables: None
) -> None:
    path = experiment({**NANO, "constraints": ["latency_ms <= 1"]})
    assert main(["plan", str(path), "--samples", "300", "--json"]) == 1
    told = capsys.readouterr()
    reachable = json.loads(told.out)["constraints"][0]["reachable"]["value"]
    assert f"the smallest reachable latency_ms_upper90 is {reachable:.4g}" in told.err
    assert json.loads(told.out)["error"] in told.err and "Relax the bound" in told.err


def test_plan_counts_no_trials_that_there_cannot_be(
    experiment: Callable[..., Path], capsys: pytest.CaptureFixture[str], tables: None
) -> None:
    """4 trials are no -194 of a search and 198 that finish its front."""
    path = experiment({**NANO, "finish": {"networks": 1, "seeds": 2}})
    assert main(["plan", str(path), "--samples", "300"]) == 0
    trials = re.search(r"trials: (\d+) = (\d+) searched \+ 1 network x 2 seeds", capsys.readouterr().out)
    assert trials and int(trials[1]) == int(trials[2]) + 2
    assert main(["plan", str(path), "--samples", "300", "--set", "finish.networks=99"]) == 1
    told = capsys.readouterr()
    assert "trials:" not in told.out and "99 networks x 2 seeds are 198 trials" in told.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--picture", "plan.pdf"], ("--picture plan.pdf", "only PNG")),
        (["--picture", "no/such/plan.png"], ("--picture", "is no folder")),
    ],
)
def test_wrong_pictures(
    experiment: Callable[..., Path], options: list[str], words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", str(experiment(NANO)), *options]) == 1
    told = capsys.readouterr().err
    for word in words:
        assert word in told


@pytest.mark.parametrize("options", [["--samples", "9"], ["--samples", "many"], ["--seed", "-1"], ["--draw", "all"]])
def test_wrong_numbers_are_a_wrong_command_line(
    experiment: Callable[..., Path], options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["plan", str(experiment(NANO)), *options])
    assert end.value.code == 2 and options[1] in capsys.readouterr().err


def test_wrong_studies_are_one_line(experiment: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(experiment({**NANO, "device": "mine.yml"}))]) == 1
    assert "device = 'mine.yml': write an absolute path" in capsys.readouterr().err
    assert main(["plan", str(experiment({**NANO, "constraint": ["latency_ms <= 9"]}))]) == 1
    assert "Did you mean 'constraints'?" in capsys.readouterr().err


# ---- calibrate


def fill(folder: Path, truth: Callable[[int, float], float]) -> Path:
    """Write figures into a proposed file: truth(row number, modelled cost)."""
    path = folder / "measurements.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for i, row in enumerate(rows):
        row["latency_ms"] = f"{truth(i, float(row['modelled_latency_ms'])):.4f}"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def wobble(i: int) -> float:
    return 1 + 0.02 * (-1) ** i * (1 + i % 3)


def test_from_a_proposal_to_a_study_with_two_devices(
    experiment: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], tables: None
) -> None:
    study, folder, profile = experiment(NANO), tmp_path / "todo", tmp_path / "bench_tpu.yml"
    assert (
        main(["calibrate", "edge_tpu", "--study", str(study), "--propose", "10", "--no-onnx", "--out", str(folder)])
        == 0
    )
    told = capsys.readouterr().out
    assert "10 networks within latency_ms <= 24" in told and "edge_tpu, modelled" in told
    assert [path.name for path in folder.iterdir()] == ["measurements.csv"]
    measured = fill(folder, lambda i, modelled: 2 * modelled * wobble(i))
    options = ["--study", str(study), "--measurements", str(measured)]
    assert main(["calibrate", "edge_tpu", *options, "--out", str(profile)]) == 0
    told = capsys.readouterr().out
    for word in (
        "10 architectures",
        "before",
        "50.",
        "held-out rows",
        "Kendall's tau",
        "upper 90 % bound",
        "device: /",
    ):
        assert word in told, word
    assert yaml.safe_load(profile.read_text())["base"] == "edge_tpu"
    assert main(["calibrate", "edge_tpu", *options, "--out", str(profile)]) == 0, "an older calibration is replaced"
    capsys.readouterr()

    both = experiment({**NANO, "device": ["edge_tpu", str(profile)], "constraints": ["bench_tpu_latency_ms <= 45"]})
    assert main(["plan", str(both), "--samples", "300", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    names = list(found["costs"])
    assert names[:4] == ["latency_ms", "latency_ms_upper90", "host_ms", "bench_tpu_latency_ms"]
    assert found["costs"]["bench_tpu_latency_ms"]["origin"] == "fitted"
    medians = [found["costs"][name]["quantiles"]["0.5"] for name in ("latency_ms", "bench_tpu_latency_ms")]
    assert 1.85 < medians[1] / medians[0] < 2.15
    assert found["constraints"][0]["checked_on"] == "bench_tpu_latency_ms_upper90"


def test_nothing_is_written_where_it_does_not_help(
    experiment: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], tables: None
) -> None:
    study, folder, profile = experiment(NANO), tmp_path / "todo", tmp_path / "mine.yml"
    propose = ["--propose", "8", "--no-onnx", "--out", str(folder)]
    assert main(["calibrate", "edge_tpu", "--study", str(study), *propose]) == 0
    assert "only roughly" in capsys.readouterr().err
    measured = fill(folder, lambda i, modelled: modelled * wobble(i))
    options = ["--study", str(study), "--measurements", str(measured), "--out", str(profile)]
    assert main(["calibrate", "edge_tpu", *options]) == 1
    assert "no correction is written" in capsys.readouterr().err and not profile.exists()
    fill(folder, lambda i, modelled: 1000 * modelled * wobble(i))
    assert main(["calibrate", "edge_tpu", *options]) == 0
    assert "times the modelled ones: are they in ms?" in capsys.readouterr().err
    rows = measured.read_text().splitlines()[:5]
    measured.write_text("\n".join(rows))
    assert main(["calibrate", "edge_tpu", *options]) == 1
    assert "4 measured architectures are too few" in capsys.readouterr().err


def test_limits_of_another_device_do_not_choose(
    experiment: Callable[..., Path], tmp_path: Path, tables: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """A column that the second device has alone is called as the first one's in the study: the limit is not its own."""
    devices = {"device": ["edge_tpu", "roofline/phone_cpu"], "constraints": ["latency_ms <= 0.001"]}
    study, folder = experiment({**NANO, **devices}), tmp_path / "todo"
    propose = ["--propose", "4", "--no-onnx", "--out", str(folder)]
    assert main(["calibrate", "roofline/phone_cpu", "--study", str(study), *propose]) == 0
    assert "0.001" not in capsys.readouterr().out
    assert main(["calibrate", "edge_tpu", "--study", str(study), *propose[:-1], str(tmp_path / "own")]) == 1
    assert "latency_ms <= 0.001" in capsys.readouterr().err


def test_wrong_words_of_calibrate(
    experiment: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tables: None,
) -> None:
    study, other = experiment(NANO), tmp_path / "other.yml"
    other.write_text("kind: systolic\n")
    given = ["--study", str(study)]
    csv_file = ["--measurements", str(tmp_path / "m.csv")]
    cases = [
        (["edge_tpv", *given, *csv_file], "Did you mean 'edge_tpu'?"),
        (["edge_tpu", *given, *csv_file, "--cost", "latency"], "Did you mean 'latency_ms'?"),
        (["edge_tpu", *given, *csv_file, "--out", str(tmp_path / "my device.yml")], "Write --name"),
        (["edge_tpu", *given, *csv_file, "--out", "device.txt"], "ends in .yml"),
        (["edge_tpu", *given, *csv_file, "--out", str(tmp_path / "no" / "mine.yml")], "is not a folder"),
        (["edge_tpu", *given, *csv_file, "--out", str(other)], "calibration"),
        (["edge_tpu", *given, *csv_file], "cannot be read"),
        (["edge_tpu", *given, "--propose", "3"], "--out FOLDER"),
        (["edge_tpu", *given, "--propose", "3", "--no-onnx", "--out", str(tmp_path)], "is there already"),
    ]
    monkeypatch.chdir(tmp_path)
    for words, told in [*cases, (["edge_tpu", *csv_file], "--study: there is no experiments/ednas.yml here")]:
        if "--study" not in words:
            monkeypatch.chdir(tmp_path / "experiments")
        assert main(["calibrate", *words]) == 1
        error = capsys.readouterr().err
        assert told in error and "Traceback" not in error, error


def test_onnx_files_need_their_package_and_say_so_before_anything_is_written(
    experiment: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tables: None,
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    folder = tmp_path / "todo"
    options = ["--study", str(experiment(NANO)), "--propose", "3", "--out", str(folder)]
    assert main(["calibrate", "edge_tpu", *options]) == 1
    told = capsys.readouterr().err
    assert "pip install" in told and "--no-onnx" in told and not list(tmp_path.glob("todo*"))


def test_proposed_networks_are_valid_at_the_study_s_size(
    experiment: Callable[..., Path], tmp_path: Path, tables: None
) -> None:
    onnx = pytest.importorskip("onnx")
    folder = tmp_path / "todo"
    study = experiment({**NANO, "deploy_size": [64, 128], "constraints": []})
    assert main(["calibrate", "edge_tpu", "--study", str(study), "--propose", "2", "--out", str(folder)]) == 0
    with (folder / "measurements.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["onnx"] for row in rows) == sorted(path.name for path in folder.glob("*.onnx"))
    for row in rows:
        model = onnx.load(str(folder / row["onnx"]))
        onnx.checker.check_model(model)
        (given,) = model.graph.input
        assert [d.dim_value for d in given.type.tensor_type.shape.dim] == [1, 3, 64, 128]
        (depth,) = model.graph.output
        assert [d.dim_value for d in depth.type.tensor_type.shape.dim][:2] == [1, 1]


def test_networks_for_a_board_are_measured_by_the_printed_command(
    experiment: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], tables: None
) -> None:
    """The files are int8, without the enlargement to the image's size, and results beside them are read."""
    pytest.importorskip("ai_edge_litert")
    from ednas_nni.graphs.tflite_file import interpreter

    folder = tmp_path / "todo"
    study = ["--study", str(experiment({**NANO, "deploy_size": [64, 128], "constraints": []}))]
    assert main(["calibrate", "edge_tpu", *study, "--propose", "2", "--to", "litert-int8", "--out", str(folder)]) == 0
    (command,) = (line for line in capsys.readouterr().out.splitlines() if "litert-benchmark" in line)
    files = sorted(folder.glob("*.tflite"))
    assert len(files) == 2
    for file in files:
        loaded = interpreter(file, 1)
        (given,), (depth,) = loaded.get_input_details(), loaded.get_output_details()
        assert (given["shape"].tolist(), given["dtype"]) == ([1, 64, 128, 3], np.int8)
        assert depth["shape"].tolist() == [1, 16, 32, 1]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(["bash", "-c", command], cwd=folder, env={**os.environ, "PATH": path}, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert main(["calibrate", "edge_tpu", *study, "--measurements", str(folder / "measurements.csv")]) == 1
    assert "2 measured architectures are too few" in capsys.readouterr().err
