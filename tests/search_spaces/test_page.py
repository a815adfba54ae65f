"""What docs/search_space.md says is true of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ednas_nni.nn.efficientnet_lite import SCALINGS
from ednas_nni.nn.encoders import ENCODERS
from ednas_nni.nn.spec import TemplateSpec
from ednas_nni.nn.spec import parse as parse_preset
from ednas_nni.search.assembled import Assembled
from ednas_nni.study import parse
from search_spaces import EdnasSpace, presets

PAGE = Path(__file__).resolve().parents[2] / "docs" / "search_space.md"
TEXT = PAGE.read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.S)


def between(name):
    return re.search(rf"<!-- {name}:begin -->\n(.*?)\n<!-- {name}:end -->", TEXT, flags=re.S)[1]


def test_the_drawing_is_what_the_snippet_prints(capsys):
    (snippet,), (shown,) = blocks("python"), blocks("text")
    exec(compile(snippet, PAGE.name, "exec"), {})
    assert capsys.readouterr().out == shown


def test_the_studies_make_spaces():
    override, _, lite, published, start = map(yaml.safe_load, blocks("yaml"))
    assert Assembled(parse(override)).space.domains["depth_sharing"].values == ("shared", "own_fusion", "own_stage4")
    assert presets.load(lite["space"]).encoders == tuple(SCALINGS)
    assert parse(lite).evaluator.options["freeze_steps"] == 50
    options = {k: v for k, v in published["space"].items() if k not in ("name", "encoder_weights")}
    assert presets.load("pretrained", options).encoders == ("resnet18", "mobilenet_v3_large", "efficientnet_b0")
    assert parse(start).init_from == "/data/weights/last.safetensors"


def test_the_file_of_a_preset_is_one_and_has_every_field():
    data = yaml.safe_load(blocks("yaml")[1])
    assert data.pop("base") in presets.names()
    assert parse_preset(data, PAGE.name).sharing == ("shared", "own_fusion", "own_stage2")
    assert {*data, "encoders"} == set(TemplateSpec.model_fields)


def test_every_encoder_is_named():
    assert re.findall(r"`(\w+)`", between("encoders")) == list(ENCODERS)


def rows():
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in between("presets").splitlines()[2:]]
    return {row[0].strip("`"): row for row in cells}


def test_every_preset_has_its_row():
    assert set(rows()) == set(presets.names())
    assert {name: row[1] for name, row in rows().items()} == {n: presets.load(n).description for n in presets.names()}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in ("mobile", "edge_tpu") else ()) for n in presets.names()]
)
def test_choices_and_sizes(name):
    tasks = {"segmentation": 13, "depth": 1, "normals": 3}
    domains = EdnasSpace(dict(list(tasks.items())[: presets.load(name).max_tasks]), name).domains
    size = domains.size()
    shown = f"{size:,}" if size < 10**12 else f"{size:.1e}".replace("e+", " x 10^")
    assert rows()[name][2:4] == [str(len(domains)), shown]
