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
NNI_EVOLUTION = "nni.nas.strategy:RegularizedEvolution"
NAMES = {"name": "ednas", "start": ["mobilenet_v2"]}
HUGE = {"name": "jared", "batch_size": 65536}
OWN = {"name": "jared", "depth_loss": "tests.cli.conftest:_merge"}
BLIND = {"name": "jared", "task_options": {"segmentation": {"loss": "tests.cli.losses:blind_to_unlabelled"}}}
WEIGHTS = {"name": "jared", "task_options": {"segmentation": {"class_weights": "x"}}}
GOOD: dict[str, dict[str, Any]] = {
    "nothing": {},
    "between strides": {"deploy_size": [720, 1280], "constraints": []},
    "a metric": {"objectives": ["max:segmentation_miou", "latency_ms"]},
    "8 bits": {"objectives": ["quality_int8", "max:segmentation_miou_int8", "latency_ms"],
               "evaluator": {"name": "jared", "int8": True}},
    "two metrics": {"objectives": ["quality", "min:depth_rmse_m"]},
    "own loss": {"evaluator": {"name": "jared", "depth_loss": "tests.cli.losses:huber"}},
    "own loss of classes": {"evaluator": {"name": "jared", "task_options": {"segmentation": {
                            "loss": "tests.cli.losses:focal"}}}},
    "own loss, a module": {"evaluator": {"name": "jared", "task_options": {"segmentation": {
                            "loss": "tests.cli.losses:focal_module"}}}},
    "one depth": {"space": {"name": "nano", "stages": [{"channels": 24, "depth": 2}, {"channels": 40, "depth": [1, 2]}],
                            "sharing": ["shared"]}, "constraints": [], "start": []},
    "all images at once": {"data": {"name": "rooms", "train": 16, "search": 2}, "evaluator": {"name": "jared",
                           "batch_size": 16, "steps": 3}},
    "16 bits of a processor": {"evaluator": {"name": "jared", "precision": "bf16-mixed", "accelerator": "cpu"}},
    "NNI's by path": {"strategy": {"name": NNI_EVOLUTION, "population_size": 8, "sample_size": 4}, "start": []},
    "TPE": {"strategy": {"name": "tpe", "startup": 3}, "hardware_aware": {"target": 15}},
    "long": {"evaluator": {"name": "jared", "steps": 10**6, "reports": 100, "threads": 1, "learning_rate": 1e-5}},
    "zoom": {"evaluator": {"name": "jared", "augmentation": {"flip": 0, "zoom": [1, 1.5, 4]}}},
}  # fmt: skip
WRONG = [
    _study("study field", "'constraint'", "Did you mean 'constraints'?", constraint=["latency_ms <= 8"]),
    _study("space", "'nanoo'", "Did you mean 'nano'?", space="nanoo"),
    _study("8 bits unasked", "'quality_int8'", "Write `int8: true`", objectives=["quality_int8", "latency_ms"]),
    _study(
        "8 bits down",
        "Write 'max:quality_int8'",
        objectives=["min:quality_int8", "latency_ms"],
        evaluator={"name": "jared", "int8": True},
    ),
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
    _study(
        "weights in 16 bits",
        "precision",
        "'bf16-true'",
        "'bf16-mixed'",
        evaluator={"name": "jared", "precision": "bf16-true"},
    ),
    _study("less quality", "objectives", "of quality more is better", "'max:quality'", objectives=["min:quality"]),
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
    _study("batch", "batch_size = 601", "600 images", evaluator={"name": "jared", "batch_size": 601}),
    _study(
        "memory", "batch_size = 65536", "GB", "Write at most", data={"name": "rooms", "train": 65536}, evaluator=HUGE
    ),
    _study("reports", "reports = 9", "at most `steps`", evaluator={"name": "jared", "steps": 8, "reports": 9}),
    _study("threads", "threads = 1000", "cores", evaluator={"name": "jared", "threads": 1000}),
    _study("no GPU", "precision '16-mixed'", "bf16-mixed", evaluator={"name": "jared", "precision": "16-mixed"}),
    _study("accelerator", "accelerator 'mps'", "auto", evaluator={"name": "jared", "accelerator": "mps"}),
    _study("steps", "steps", "at most 10000000", evaluator={"name": "jared", "steps": 10**12}),
    _study("zoom", "[4, 1]", "rising order", evaluator={"name": "jared", "augmentation": {"zoom": [4, 1]}}),
    _study("weights as text", "class_weights = 'x'", "'balanced'", evaluator=WEIGHTS),
    _study("freeze", "'x'", "no part", "encoder", evaluator={"name": "jared", "freeze": ["x"]}),
    _study("frozen at random", "freeze", "init_from", evaluator={"name": "jared", "freeze": ["encoder"]}),
    _study("own loss", "'tests.cli.conftest:_merge'", "cannot be called", evaluator=OWN),
    _study("loss of classes", "'tests.cli.losses:blind_to_unlabelled'", "cannot be called", evaluator=BLIND),
    _study("cache", "/proc/x", "data.cache", data={"name": "rooms", "cache": "/proc/x"}),
    _study("relative cache", "data.cache", "'x'", "absolute", data={"name": "rooms", "cache": "x"}),
    _study("full disk", "GB", "EDNAS_CACHE", data={"name": "rooms", "train": 10**8}),
    _study("function", "ednas_nni.study", "strategy", strategy="ednas_nni.study:parse"),
    _study("task as strategy", "Depth", "Strategy", strategy="tasks.depth.task:Depth"),
    _study("space as evaluator", "a space needs", evaluator="search_spaces:nano"),
    _study("one shot", "DARTS", "one-shot", "plugins strategies", strategy="nni.nas.strategy:DARTS"),
    _study("mutation", "mutation_prob = 2", "at most 1", strategy={"name": EVOLUTION, "mutation_prob": 2}),
    _study("mutation of NNI", "mutation_prob = 2", "at most 1", strategy={"name": NNI_EVOLUTION, "mutation_prob": 2}),
    _study("candidates", "candidates = 0", "at least 1", strategy={"name": "tpe", "candidates": 0}),
    _study("minimising", "TPE minimises", "strategy: tpe", strategy="nni.nas.strategy:TPE"),
    _study("far target", "target = 1e+09", "from", strategy=EVOLUTION, hardware_aware={"target": 1e9}),
    _study("direction", "segmentation_miou", "'max:segmentation_miou'", objectives=["segmentation_miou", "macs"]),
    _study("start of a strategy", "strategy.start = ['mobilenet_v2']", "beside", strategy=NAMES),
    _study("one number", "segmentation_miou", "ednas", objectives=["max:segmentation_miou"], strategy=EVOLUTION),
    _study("member", "start", "'mobilenet_v3'", "Did you mean 'mobilenet_v2'?", start=["mobilenet_v3"]),
    _study("seed", "seed", "-1", seed=-1),
    _study("no folder", "data: 'folder' must be given", data={"name": "manifest", "file": "/data/mine.csv"}),
    _field("NNI field", "'maxTrialNumbers'", "Did you mean 'maxTrialNumber'?", maxTrialNumbers=3),
    _field("no concurrency", "trialConcurrency", "is missing", "trialConcurrency: 2", trialConcurrency=None),
    _field("concurrency", "trialConcurrency", "0", "at least 1", trialConcurrency=0),
    _field("trial number as text", "maxTrialNumber", "'24'", "whole number", maxTrialNumber="24"),
    _field("no space", "searchSpace", "is missing", "searchSpace: {}", searchSpace=None),
    _field("NAS type", "experimentType", "'nas'", "remove the line", experimentType="nas"),
    _field("annotation", "useAnnotation", "True", "remove the line", useAnnotation=True),
    _field("platform", "'loacl'", "Did you mean 'local'?", trainingService={"platform": "loacl"}),
    _field("NNI's own field", "gpus", "NNI does not accept", trainingService={"platform": "local", "gpus": 2}),
    _field("space twice", "searchSpace", "{}", searchSpace={"x": 1}),
    _field("hours", "maxExperimentDuration = '3x'", "3h", maxExperimentDuration="3x"),
    _field("age of the world", "maxTrialDuration", "3650d", maxTrialDuration=10**12),
    _field("crowd", "trialConcurrency = 500", "cores", trialConcurrency=500),
    _field("no place", "/proc/x", "experimentWorkingDirectory", experimentWorkingDirectory="/proc/x"),
    _field("place as number", "experimentWorkingDirectory = 2", "folder", experimentWorkingDirectory=2),
    _field("option of a trial", "--foo", "--study", trialCommand="python3 -m ednas_nni.bridge.trial --foo"),
    _field("missing study", "no such file", trialCommand="python3 -m ednas_nni.bridge.trial --study no.yml"),
    _field("no module", "-m", trialCommand="python3 ednas_nni.bridge.trial"),
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


def test_an_image_that_cannot_be_written_is_not_blamed_on_the_file(
    experiment: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NNI_CONFIG_DIR", "/proc/x")
    path = experiment()
    assert main(["check", str(path)]) == 1
    one_clear_line(capsys.readouterr().err, path, ("/proc/x: cannot be written", "NNI_CONFIG_DIR=/a/folder"))


@pytest.mark.usefixtures("quick_tables")
@pytest.mark.parametrize("name", GOOD)
def test_sensible_studies_are_ready(
    name: str, experiment: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(experiment(GOOD[name]))]) == 0, capsys.readouterr().err


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
