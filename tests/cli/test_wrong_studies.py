"""Wrong experiments: each ends in one clear line that names field, value and the way out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ednas_nni.cli import main


@dataclass(frozen=True)
class Wrong:
    """One mistake, and what its message must hold: field, value, way out."""

    name: str
    words: tuple[str, ...]
    study: dict[str, Any] = field(default_factory=dict)
    tuner: Any = ()
    fields: dict[str, Any] = field(default_factory=dict)


def _study(name: str, *words: str, **study: Any) -> Wrong:
    return Wrong(name, words, study=study)


def _field(name: str, *words: str, **fields: Any) -> Wrong:
    return Wrong(name, words, fields=fields)


def _tuner(name: str, *words: str, **tuner: Any) -> Wrong:
    return Wrong(name, words, tuner=tuner)


EVOLUTION = "regularized_evolution"
WRONG = [
    _study("study field", "'constraint'", "Did you mean 'constraints'?", constraint=["latency_ms <= 8"]),
    _study("space", "'nanoo'", "Did you mean 'nano'?", space="nanoo"),
    _study("space option", "width", "nano", space={"name": "nano", "width": 2}),
    _study("no plugin name", "space", "name", space={"size": 2}),
    _study("task", "'depht'", "Did you mean 'depth'?", tasks=["segmentation", "depht"]),
    _study("no task", "tasks", "at least one", tasks=[]),
    _study("task twice", "tasks", "depth", tasks=["depth", "depth"]),
    _study("data", "'roms'", "Did you mean 'rooms'?", data="roms"),
    _study("data option", "'trian'", "Did you mean 'train'?", data={"name": "rooms", "trian": 9}),
    _study("data value", "data.train", "'many'", data={"name": "rooms", "train": "many"}),
    _study("data size", "data.size", "remove", data={"name": "rooms", "size": [64, 64]}),
    _study("odd size", "train_size", "60 x 128", "32", train_size=[60, 128]),
    _study("one size", "train_size", "64", train_size=64),
    _study("evaluator", "'jarde'", "Did you mean 'jared'?", evaluator="jarde"),
    _study("evaluator option", "'stepz'", "Did you mean 'steps'?", evaluator={"name": "jared", "stepz": 3}),
    _study("evaluator value", "steps", "-1", evaluator={"name": "jared", "steps": -1}),
    _study("weighting", "'fixd'", "Did you mean 'fixed'?", evaluator={"name": "jared", "weighting": "fixd"}),
    _study("depth loss", "'jarred'", "Did you mean 'jared'?", evaluator={"name": "jared", "depth_loss": "jarred"}),
    _study(
        "task option",
        "task_options.segmentation",
        "'clas_weights'",
        "'class_weights'",
        tasks=["segmentation"],
        evaluator={"name": "jared", "task_options": {"segmentation": {"clas_weights": "balanced"}}},
    ),
    _study(
        "task options",
        "task_options",
        "'balanced'",
        "mapping",
        evaluator={"name": "jared", "task_options": {"segmentation": "balanced"}},
    ),
    _study(
        "weighted task",
        "'dpth'",
        "Did you mean 'depth'?",
        evaluator={"name": "jared", "weighting": {"name": "fixed", "weights": {"dpth": 2}}},
    ),
    _study("precision", "precision", "'bf17'", "'bf16-mixed'", evaluator={"name": "jared", "precision": "bf17"}),
    _study("objective", "objectives", "'latency'", "Did you mean 'latency_ms'?", objectives=["quality", "latency"]),
    _study("device", "'edge_tpv'", "Did you mean 'edge_tpu'?", device="edge_tpv"),
    _study("operator", "'<'", "'<='", "latency_ms <= 19", constraints=["latency_ms < 8"]),
    _study("constrained cost", "'latency'", "Did you mean 'latency_ms'?", constraints=["latency <= 8"]),
    _study("bound", "'fast'", "latency_ms <= 19", constraints=["latency_ms <= fast"]),
    _study("unreachable", "'latency_ms_upper90 <= 1'", "smallest reachable", "Relax", constraints=["latency_ms <= 1"]),
    _study("strategy", "'edans'", "Did you mean 'ednas'?", strategy="edans"),
    _study("strategy option", "'explor'", "Did you mean 'explore'?", strategy={"name": "ednas", "explor": 3}),
    _study("strategy seed", "strategy.seed", "-1", "at least 0", strategy={"name": "ednas", "seed": -1}),
    _study("seed of NNI's", "strategy.seed", "-1", "at least 0", strategy={"name": EVOLUTION, "seed": -1}),
    _study("fractional seed", "strategy.seed", "1.0", "whole number", strategy={"name": "ednas", "seed": 1.0}),
    _study("fractional start", "strategy.initial", "8.0", "whole number", strategy={"name": "ednas", "initial": 8.0}),
    _study("start as text", "strategy.initial", "'8'", "whole number", strategy={"name": "ednas", "initial": "8"}),
    _study("reward around a front", "hardware_aware", "Ednas", "Remove", hardware_aware={"target": 8}),
    _study("reward without target", "hardware_aware", "target", strategy=EVOLUTION, constraints=[]),
    _study(
        "reward kind", "reward", "'logg'", "Did you mean 'log'?", strategy=EVOLUTION, hardware_aware={"reward": "logg"}
    ),
    _study(
        "reward cost", "'latency'", "Did you mean", strategy=EVOLUTION, hardware_aware={"cost": "latency", "target": 8}
    ),
    _study("member", "start", "'mobilenet_v3'", "Did you mean 'mobilenet_v2'?", start=["mobilenet_v3"]),
    _study("seed", "seed", "-1", seed=-1),
    _field("NNI field", "'maxTrialNumbers'", "Did you mean 'maxTrialNumber'?", maxTrialNumbers=3),
    _field("no concurrency", "trialConcurrency", "is missing", "trialConcurrency: 2", trialConcurrency=None),
    _field("concurrency", "trialConcurrency", "0", "at least 1", trialConcurrency=0),
    _field("trial number as text", "maxTrialNumber", "'24'", "whole number", maxTrialNumber="24"),
    _field("no space", "searchSpace", "is missing", "searchSpace: {}", searchSpace=None),
    _field("NAS type", "experimentType", "'nas'", "remove the line", experimentType="nas"),
    _field("annotation", "useAnnotation", "True", "remove the line", useAnnotation=True),
    _field("platform", "'loacl'", "Did you mean 'local'?", trainingService={"platform": "loacl"}),
    _field("NNI's own field", "gpus", "NNI does not accept", trainingService={"platform": "local", "gpus": 2}),
    _field("no trial command", "trialCommand", "is missing", "ednas_nni.bridge.trial", trialCommand=None),
    _field("own script", "trialCommand", "train.py", "Write", trialCommand="python3 train.py"),
    _field("no such python", "python9", "there is no", trialCommand="python9 -m ednas_nni.bridge.trial"),
    _field("open quote", "trialCommand", "quotation", "Write", trialCommand="python3 -m 'ednas_nni.bridge.trial"),
    _field("parent folder", "trialCodeDirectory", "'..'", "Write `.`", trialCodeDirectory=".."),
    _field("no such folder", "trialCodeDirectory", "'code'", "Write `.`", trialCodeDirectory="code"),
    Wrong("no tuner", ("tuner", "missing", "className"), tuner=None),
    Wrong("another tuner", ("'TPE'", "className"), tuner={"name": "TPE", "className": None, "codeDirectory": None}),
    _tuner("snake case", "'class_args'", "Did you mean 'classArgs'?", class_args={"seed": 3}),
    _tuner("no code directory", "tuner.codeDirectory", "codeDirectory: .", codeDirectory=None),
    _tuner("code directory above", "tuner.codeDirectory", "'..'", "Write `.`", codeDirectory=".."),
]


def one_clear_line(stderr: str, path: Path, words: tuple[str, ...]) -> None:
    """What every message must be. Warnings of the same check are left aside."""
    lines = [line for line in stderr.splitlines() if line.startswith("ednas: error: ")]
    assert len(lines) == 1, stderr
    assert lines[0].startswith(f"ednas: error: {path}")
    assert not any(trace in stderr for trace in ("Traceback", 'File "')), stderr
    assert len(lines[0]) - len(str(path)) < 420, "nobody reads that much"
    for word in words:
        assert word in lines[0], f"{word!r} is not in {lines[0]!r}"


@pytest.mark.usefixtures("quick_tables")
@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_one_clear_line(wrong: Wrong, experiment: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    path = experiment(wrong.study, wrong.tuner, **wrong.fields)
    assert main(["check", str(path)]) == 1
    one_clear_line(capsys.readouterr().err, path, wrong.words)


@pytest.mark.usefixtures("quick_tables")
def test_right_options_of_the_evaluator_pass_and_no_image_is_read(
    experiment: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ednas_nni.training.data.prior_for", lambda *_: pytest.fail("the data set was measured"))
    options = {
        "depth_loss": "l1",
        "precision": "bf16-mixed",
        "task_options": {"segmentation": {"class_weights": "balanced"}},
        "weighting": {"name": "fixed", "weights": {"depth": 2}},
    }
    assert main(["check", str(experiment({"evaluator": {"name": "jared", **options}}))]) == 0


@pytest.mark.parametrize(
    "stderr",
    [
        "KeyError: 'nanoo'",
        "ednas: error: FILE: 'nanoo' is wrong",
        "ednas: error: FILE: Unknown 'nanoo'. Did you mean 'nano'?\nTraceback (most recent call last):",
        "ednas: error: FILE: Unknown 'nanoo'.\nednas: error: FILE: Did you mean 'nano'?",
        "ednas: error: FILE: Unknown 'nanoo'. Did you mean 'nano'?" + 500 * "x",
    ],
    ids=["bare", "no way out", "traceback", "two lines", "endless"],
)
def test_the_check_of_messages_rejects_bad_ones(stderr: str) -> None:
    one_clear_line("ednas: error: FILE: Unknown 'nanoo'. Did you mean 'nano'?", Path("FILE"), ("'nanoo'", "'nano'?"))
    with pytest.raises(AssertionError):
        one_clear_line(stderr, Path("FILE"), ("'nanoo'", "'nano'?"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tuner: [\n", ("line 2", "not YAML")),
        ("tuner: {className: a\ntrials: 3", ("line 2", "not YAML")),
        ("a: 1\nb: 2\na: 3\n", ("line 3", "'a' is given twice")),
        ("- a list\n", ("mapping",)),
        ("", ("mapping",)),
        ("tuner:\n\tname: EDNAS\n", ("line 2", "not YAML")),
    ],
    ids=["open bracket", "open brace", "key twice", "list", "empty", "tabulator"],
)
def test_broken_files(text: str, words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.yml"
    path.write_text(text)
    assert main(["check", str(path)]) == 1
    one_clear_line(capsys.readouterr().err, path, words)


def test_missing_file_and_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "nothing.yml")]) == 1
    one_clear_line(capsys.readouterr().err, tmp_path / "nothing.yml", ("no such file", "ednas init"))
    assert main(["check", str(tmp_path)]) == 1
    one_clear_line(capsys.readouterr().err, tmp_path, ("is a folder",))


def test_another_interpreter(
    experiment: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], quick_tables: None
) -> None:
    other = tmp_path / "bin" / "python3"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    path = experiment(trialCommand=f"{other} -m ednas_nni.bridge.trial")
    assert main(["check", str(path)]) == 1
    one_clear_line(capsys.readouterr().err, path, (str(other), "Write `python3`"))


def test_a_foreign_python_first_in_path_does_no_harm(
    experiment: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_tables: None
) -> None:
    """`ednas search` puts its own environment first, so `python3` is right whatever the shell has."""
    other = tmp_path / "bin" / "python3"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{other.parent}{os.pathsep}{os.environ['PATH']}")
    assert main(["check", str(experiment())]) == 0


def test_all_faults_at_once(
    experiment: Callable[..., Path], capsys: pytest.CaptureFixture[str], quick_tables: None
) -> None:
    path = experiment({"strategy": "edans", "evaluator": "jarde", "start": ["nobody"]}, trialConcurrency=0)
    assert main(["check", str(path)]) == 1
    lines = capsys.readouterr().err.splitlines()
    for word in ("'edans'", "'jarde'", "'nobody'", "trialConcurrency = 0"):
        assert sum(word in line for line in lines) == 1


def test_a_plugin_that_crashes_is_one_line(
    experiment: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    quick_tables: None,
) -> None:
    from ednas_nni.search.assembled import Assembled

    def crash(assembled: Assembled) -> None:
        raise RuntimeError("the plugin's\nown mistake")

    monkeypatch.setattr(Assembled, "strategy", property(crash))
    path = experiment()
    assert main(["check", str(path)]) == 1
    one_clear_line(capsys.readouterr().err, path, ("strategy", "RuntimeError: the plugin's own mistake", "EDNAS_DEBUG"))
    monkeypatch.setenv("EDNAS_DEBUG", "1")
    with pytest.raises(RuntimeError):
        main(["check", str(path)])


def test_a_wrong_study_is_refused_by_search_before_nni_starts(
    experiment: Callable[..., Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ednas_nni.bridge.manager import launch

    monkeypatch.setattr(launch, "create", lambda *_: pytest.fail("NNI was started"))
    path = experiment({"constraint": "latency_ms <= 8"})
    assert main(["search", str(path)]) == 1
    one_clear_line(capsys.readouterr().err, path, ("'constraint'", "Did you mean 'constraints'?"))
