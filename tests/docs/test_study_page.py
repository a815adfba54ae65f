"""docs/study.md is what the code says now, and its examples are real."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import study_page
import yaml

from ednas_nni import plugins
from ednas_nni.bridge.manager import experiment_file as experiment
from ednas_nni.errors import EdnasError
from ednas_nni.search.assembled import Assembled, device
from ednas_nni.study import Study, parse

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "study.md").read_text(encoding="utf-8")
REFUSED = re.findall(r"^\| `([a-z_]+:.*?)` \| (.+) \|$", PAGE, flags=re.M)


def snippet(page: str) -> dict[str, Any]:
    (found,) = re.findall(r"```yaml\n(.*?)```", page, flags=re.S)
    return yaml.safe_load(found)


def accepted(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """The experiment as NNI will have it, after both halves have been checked."""
    from nni.experiment.config import ExperimentConfig

    path = folder / "mine.yml"
    path.write_text(yaml.safe_dump(config))
    found = experiment.read(path)
    faults = experiment.faults(path, found.config)
    assert [line for line in faults if not line.startswith("trialCommand")] == []  # which Python comes first varies
    built(found.study)
    config = ExperimentConfig(**found.resolved())
    config.validate()
    return config.canonical_copy().json()


def built(study: Study) -> None:
    """What refuses wrong options."""
    _ = Assembled(study).checked_evaluator
    _ = Assembled(study).strategy


def test_the_page_is_what_the_code_says() -> None:
    assert f"<!-- study:begin -->\n{study_page.text().strip()}\n<!-- study:end -->" in PAGE, (
        "run python benchmarks/study_page.py"
    )


def test_every_field_and_plugin_has_a_line() -> None:
    assert set(Study.model_fields) <= set(re.findall(r"^\* `(\w+)", PAGE, flags=re.M))
    shipped = {p.name for group in study_page.GROUPS for p in plugins.listing(group) if p.distribution == "ednas-nni"}
    bold = re.findall(r"^\*\*(`.+`)\*\*(?:: \w| takes?:)", PAGE, flags=re.M)
    for group, text in study_page.ELSEWHERE.items():
        pages = [text, *((DOCS / name).read_text(encoding="utf-8") for name in re.findall(r"\]\((\w+\.md)", text))]
        assert set(plugins.names(group)) & shipped <= set(re.findall(r"`(\w+)`", "\n".join(pages)))
        shipped -= set(plugins.names(group))
    assert shipped <= set(re.findall(r"`(\w+)`", " ".join(bold)))
    of_no_study = {"exporters", "commands", "label_kinds", "services"}
    assert set(study_page.GROUPS) == set(plugins.GROUPS) - of_no_study


def test_every_option_says_what_it_is() -> None:
    lines = re.findall(r"^\* `.*", PAGE.partition("<!-- study:begin -->")[2], flags=re.M)
    assert len(lines) > 120
    assert [line for line in lines if not re.search(r"[`)]: \S", line)] == []


class Undescribed(Study):
    """A study.

    Attributes:
        space: A field that stays.
    """


class Changed(Study):
    retries: int = 2


def undescribed(tasks: tuple[str, ...], steps: int = 3, rate: float = 0.1) -> None:
    """A plugin.

    Args:
        tasks: Given.
        rate: Described.
    """


def wordless(steps: complex) -> None:
    """A plugin.

    Args:
        steps: Of a kind that no study can hold.
    """


@pytest.mark.parametrize(
    ("render", "named"),
    [
        (lambda: study_page.fields(Undescribed), "Undescribed: 'tasks' is not described"),
        (lambda: study_page.options("here", undescribed, ("tasks",)), "here: 'steps' is not described"),
        (lambda: study_page.options("here", wordless, ()), "'steps' is annotated as <class 'complex'>"),
    ],
)
def test_what_cannot_be_told_is_refused(render: Callable[[], Any], named: str) -> None:
    with pytest.raises(SystemExit, match=re.escape(named)):
        render()


def test_a_changed_default_is_noticed() -> None:
    here, there = study_page.fields(Changed), study_page.fields(Study)
    (row,) = [a for a, b in zip(here, there, strict=True) if a != b]
    assert row.startswith("* `retries: 2`: ")
    assert "\n".join(here) not in PAGE
    assert "\n".join(there) in PAGE


def test_an_option_of_several_plugins_stands_once() -> None:
    same, own = "* `size: 1`: Of all.", "* `own: 2`: Of one."
    assert study_page.together({"a": [same, own], "b": [same], "c": [same]}) == {("a", "b", "c"): [same]}
    assert study_page.together({"a": [same], "b": [same]}) == {}  # a heading would save nothing
    assert study_page.together({"a": [same], "b": [own]}) == {}


def test_the_example_is_an_experiment(tmp_path: Path) -> None:
    assert accepted(tmp_path, snippet(PAGE))["maxExperimentDuration"] == "3h"


@pytest.mark.parametrize("example", [example for _, example, _ in study_page.GROUPS.values()])
def test_the_example_of_each_group_is_a_study(example: str) -> None:
    study = parse(yaml.safe_load(example.strip("`")))
    built(study)
    _ = Assembled(study).space
    assert [device(entry) for entry in study.device]


@pytest.mark.parametrize(("written", "told"), REFUSED)
def test_the_faults_of_the_page_are_told_so(written: str, told: str) -> None:
    with pytest.raises(EdnasError) as caught:
        study = parse(yaml.safe_load(written), "mine.yml")
        built(study)
        _ = Assembled(study).problem
    assert str(caught.value).removeprefix("mine.yml: ").startswith(told)


def test_there_are_faults_on_the_page() -> None:
    assert len(REFUSED) == 3


def test_nni_accepts_the_lines_for_gpus(tmp_path: Path) -> None:
    page = (DOCS / "trials.md").read_text(encoding="utf-8").partition("## GPUs")[2]
    config, lines = snippet(PAGE), snippet(page)
    config["tuner"]["classArgs"] |= lines.pop("tuner")["classArgs"]
    service = accepted(tmp_path, config | lines)["trainingService"]
    assert (service["trialGpuNumber"], service["useActiveGpu"], service["gpuIndices"]) == (1, False, [0, 1])
