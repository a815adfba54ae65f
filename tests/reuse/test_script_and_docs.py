"""experiments/one_shot.py, docs/reuse.md, and the shortened presets that both use."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from ednas_nni.errors import StudyError
from ednas_nni.study import parse
from search_spaces import presets, shorten

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reuse.md").read_text(encoding="utf-8")


def script():
    spec = importlib.util.spec_from_file_location("one_shot_script", ROOT / "experiments" / "one_shot.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["one_shot.py", *words])
    script().main()


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A YAML on noise."""
    monkeypatch.setenv("EDNAS_CACHE", str(tmp_path / "cache"))
    config = yaml.safe_load((ROOT / "experiments" / "separate.yml").read_text(encoding="utf-8"))
    config["tuner"]["classArgs"] = {
        "space": "nano",
        "tasks": ["segmentation", "depth"],
        "data": "ednas_nni.testing.noise:Noise",
        "train_size": [32, 64],
        "evaluator": {"name": "jared", "steps": 2, "batch_size": 2, "reports": 1, "accelerator": "cpu"},
    }
    path = tmp_path / "study.yml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--strategy", "dart"], "error: Unknown one-shot strategy 'dart'. Did you mean 'darts'?"),
        (["--strategy", "proxyless", "--space", "mobile", "--sharing", "1"], "error: one-shot strategy 'proxyless'"),
        (["--space", "nanno"], "error: Unknown search_spaces plugin 'nanno'"),
    ],
)
def test_messages_of_the_script(words, message, study, monkeypatch):
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, study, *words)
    assert str(ended.value).startswith(message)


@pytest.mark.slow
def test_the_script_searches_describes_and_trains(study, monkeypatch, capsys):
    words = ["--strategy", "darts", "--steps", "4", "--epochs", "2", "--macs", "1e9", "--values", "2"]
    run(monkeypatch, study, *words)
    shown = capsys.readouterr().out
    assert re.search(r"darts on nano: [\d,]+ architectures, \d+ choices", shown)
    assert "latency_ms" in shown and "scored on select" in shown
    described, trained = re.findall(r"^architecture (\w{10})", shown, flags=re.M)
    assert described == trained


@pytest.mark.slow
def test_the_snippet_of_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("EDNAS_CACHE", str(tmp_path / "cache"))
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    quick = 'steps=4, data="ednas_nni.testing.noise:Noise", train_size=(32, 64), batch_size=2, accelerator="cpu"'
    assert "steps=400" in snippet
    names: dict[str, object] = {}
    for old, new in (("steps=400", quick), ("values=3", "values=2"), ('"segmentation": 13', '"segmentation": 3')):
        snippet = snippet.replace(old, new)
    exec(compile(snippet, "reuse.md", "exec"), names)
    assert "default" in names["result"]


# -------------------------------------------------------------------- shortened presets
@pytest.mark.parametrize("preset", presets.names())
def test_presets_are_shortened_to_valid_ones(preset):
    whole = presets.load(preset)
    assert presets.load(preset, shorten(preset)) == whole
    short = presets.load(preset, shorten(preset, widths=1, values=2, sharing=1))
    assert all(len(stage.channels) == 1 and len(stage.ops) <= 2 for stage in short.stages)
    for cut, stage in zip(short.stages, whole.stages, strict=True):
        assert cut.depth[1] - cut.depth[0] <= 1 and cut.depth[0] == stage.depth[0]
    assert len(short.fusion.channels) == len(short.sharing) == 1 and short.fusion.kinds == whole.fusion.kinds
    assert set(short.fusion.channels) <= set(whole.fusion.channels) and set(short.encoders) <= set(whole.encoders)


def test_a_study_with_fields_of_its_own_is_shortened_as_it_is():
    stages = [{"channels": [8, 16, 24], "depth": [1, 2]}, {"channels": 8, "depth": 1, "ops": ["fused_k3_e3"]}]
    options = {"stages": stages, "ops": ["ibn_k3_e3"], "heads": {"kinds": ["ibn"], "channels": [8, 16]}}
    given = parse({"space": {"name": "nano", **options}, "tasks": ["depth"]})
    cuts = SimpleNamespace(space=None, widths=1, values=None, sharing=None)
    short, whole = (presets.load("nano", one) for one in (script().chosen_space(given, cuts).options, options))
    assert short.heads.kinds == ("ibn",) and short.stages[0].channels == (16,) and short.stages[1] == whole.stages[1]
    assert [(stage.depth, stage.ops) for stage in short.stages] == [(stage.depth, stage.ops) for stage in whole.stages]


def test_an_unknown_preset_is_said():
    with pytest.raises(StudyError, match="Unknown preset 'mobil'"):
        shorten("mobil")
