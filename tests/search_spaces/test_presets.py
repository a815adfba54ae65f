"""Presets are read strictly: every mistake is named with its place, its value and what is allowed."""

from __future__ import annotations

import copy

import pytest

from ednas_nni.errors import StudyError
from ednas_nni.nn.blocks.base import operation
from ednas_nni.nn.blocks.bottleneck import FusedBottleneck, InvertedBottleneck
from ednas_nni.nn.spec import FusionSpec, parse
from search_spaces import presets

GOOD = {
    "description": "test",
    "activation": "hswish",
    "stem": 16,
    "ops": ["ibn_k3_e3", "fused_k3_e6_se"],
    "stages": [{"channels": [24, 16], "depth": [1, 3]}, {"channels": 32, "depth": [2, 2], "ops": ["ibn_k7_e1"]}],
    "fusion": {"kinds": ["fpn", "aspp"], "channels": [32, 48]},
    "heads": {"kinds": ["conv"], "channels": 32},
    "sharing": ["shared", "own_stage2"],
}


def test_good_preset():
    spec = parse(GOOD, "x.yml")
    assert spec.stem == (16,) and spec.stages[0].depth == (1, 3) and spec.activation == "hswish"
    assert spec.stages[0].ops == ("ibn_k3_e3", "fused_k3_e6_se") and spec.stages[1].ops == ("ibn_k7_e1",)
    assert spec.stages[0].channels == (24, 16) and spec.stages[1].channels == (32,)
    assert spec.fusion.kinds == ("fpn", "aspp") and spec.fusion.channels == (32, 48) and spec.heads.kinds == ("conv",)
    assert spec.sharing == ("shared", "own_stage2")


def test_sharing_and_activation_have_defaults():
    spec = parse({k: v for k, v in GOOD.items() if k not in ("sharing", "activation")}, "x.yml")
    assert spec.sharing == ("shared",) and spec.activation == "relu6"


def test_shipped_presets_are_valid():
    assert set(presets.names()) == {
        "nano",
        "compound",
        "mobile",
        "edge_tpu",
        "single_task",
        "pretrained",
        "efficientnet_lite",
    }
    for name in presets.names():
        spec = presets.load(name)
        assert bool(spec.stages) != bool(spec.encoders) and spec.description


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("stem",), 12, "stem = 12 must be a multiple of 8"),
        (("stem",), True, "stem = True"),
        (("fusion",), "32", "fusion must be a mapping"),
        (("fusion", "channels"), "32", "fusion.channels = '32'"),
        (("fusion", "channels"), [32, 32], r"fusion.channels = \[32, 32\].* different"),
        (("fusion", "channels"), [], r"fusion.channels = \[\]"),
        (("fusion", "kinds"), ["fpm"], r"fusion.kinds: unknown name 'fpm'\. Did you mean 'fpn'"),
        (("fusion", "kinds"), "fpn", "fusion.kinds = 'fpn' must be a list"),
        (("fusion", "size"), 3, "fusion: unknown field 'size'"),
        (("heads", "channels"), 0, "heads.channels = 0"),
        (("heads", "kinds"), [], r"heads.kinds = \[\]"),
        (("head",), 32, r"unknown field 'head'\. Did you mean 'heads'"),
        (("sharing",), ["shared", "own_stage3"], r"sharing: unknown name 'own_stage3'\. Did you mean 'own_stage"),
        (("sharing",), ["shared", "shared"], "list of different names"),
        (("activation",), "relu7", r"activation: unknown name 'relu7'\. Did you mean 'relu"),
        (("activation",), ["relu", "relu6"], r"activation = \['relu', 'relu6'\] must be one of relu"),
        (("fusion", "kinds"), [["fpn", "aspp"]], r"fusion.kinds = .* must be one of .*\['fpn', 'aspp'\] is not one"),
        (("fusion", "levels"), [[2], 2], "list of different numbers of features"),
        (("ops",), [], "list of different operations"),
        (("ops",), "ibn_k3_e3", "list of different operations"),
        (("ops",), ["ibn_k3_e3", "ibn_k3_e3"], "list of different operations"),
        (("ops",), ["ibn_k4_e3"], "ops: Unknown operation 'ibn_k4_e3'"),
        (("stages",), {}, "2 to 5 stages"),
        (("stages",), [GOOD["stages"][0]], "2 to 5 stages"),
        (("stages", 0), 24, r"stages\[1\] must be a mapping"),
        (("stages", 1, "depth"), [0, 2], r"stages\[2\].depth = \[0, 2\]"),
        (("stages", 1, "depth"), 0, r"stages\[2\].depth = 0"),
        (("stages", 0, "channels"), [24, 20], r"stages\[1\].channels = \[24, 20\] must be .*; 20 is not one\."),
        (("stages", 1, "width"), 3, r"stages\[2\]: unknown field 'width'"),
        (("stages", 1, "ops"), ["x"], r"stages\[2\].ops: Unknown operation 'x'"),
    ],
)
def test_mistakes_are_named(path, value, words):
    data = copy.deepcopy(GOOD)
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(StudyError, match=words) as caught:
        parse(data, "x.yml")
    assert str(caught.value).startswith("x.yml")


def test_missing_fields_and_several_mistakes():
    data = {k: v for k, v in GOOD.items() if k not in ("stem", "heads")}
    with pytest.raises(StudyError, match=r"x\.yml lacks stem, heads"):
        parse(data, "x.yml")
    with pytest.raises(StudyError, match=r"x\.yml must be a mapping with the fields description, max_tasks, stem"):
        parse(None, "x.yml")
    with pytest.raises(StudyError) as caught:
        parse({**GOOD, "stem": 12, "fusion": {"kinds": ["fpn"]}, "stage": 1}, "x.yml")
    first, second, third = str(caught.value).splitlines()
    assert first.startswith("x.yml: stem = 12 must be") and second == "x.yml: fusion lacks channels."
    assert third.startswith("x.yml: unknown field 'stage'. Did you mean 'stages'")
    bare = {**GOOD, "stages": [{"channels": 24, "depth": [1, 3]}] * 2}
    with pytest.raises(StudyError, match=r"x\.yml: stages have no operations: give `ops`"):
        parse({k: v for k, v in bare.items() if k != "ops"}, "x.yml")


PUBLISHED = {"encoders": ["resnet18"], **{k: GOOD[k] for k in ("fusion", "heads")}}


def test_published_encoders_take_the_place_of_stages():
    spec = parse(PUBLISHED, "x.yml")
    assert spec.encoders == ("resnet18",) and spec.stages == () and spec.max_tasks is None
    wrong = [
        ({"encoders": ["resnet81"]}, r"encoders: unknown name 'resnet81'\. Did you mean 'resnet18'"),
        ({"stem": 16, "ops": []}, "encoders take the place of stem, ops; give either"),
        ({"sharing": ["own_stage4"]}, r"sharing: unknown name 'own_stage4'.*Allowed: own_fusion, shared"),
        ({"max_tasks": 0}, "max_tasks: Input should be greater than or equal to 1"),
        ({"max_tasks": True}, "max_tasks: Input should be a valid integer"),
    ]
    for change, words in wrong:
        with pytest.raises(StudyError, match=words):
            parse({**PUBLISHED, **change}, "x.yml")


def test_options_of_a_space_replace_fields_as_a_whole():
    spec = presets.load("nano", {"fusion": {"kinds": ["aspp"], "channels": [24, 32]}})
    aspp = FusionSpec(kinds=("aspp",), channels=(24, 32))
    assert spec == presets.load("nano").model_copy(update={"fusion": aspp})
    for name in ("base", "description", "max_tasks", "width"):
        with pytest.raises(StudyError, match=f"search space nano: unknown field '{name}'"):
            presets.load("nano", {name: 1})
    with pytest.raises(StudyError, match=r"search space nano: fusion lacks kinds"):
        presets.load("nano", {"fusion": {"channels": 32}})


def test_operation_names():
    assert operation("fused_k5_e3") == FusedBottleneck(5, 3)
    assert operation("ibn_k3_e6_se") == InvertedBottleneck(3, 6, squeeze=True)
    for name in ("ibn", "ibn_k3_e0", "ibn_k3_e6_x", "ibn_k3_e6_se_se", "tucker_k3_e3", 3, None):
        with pytest.raises(StudyError, match="for example ibn_k3_e"):
            operation(name)
