"""docs/planning.md says what the code does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import yaml

from devices.calibrated import correction
from devices.calibrated.measurements import EXTRA, GIVEN
from ednas_nni.cost import plan

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "planning.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, flags=re.S | re.M)
    return [text for kind, text in fences if kind == language]


def test_every_command_is_understood() -> None:
    from ednas_nni.cli import parser

    lines = [line.split("  #")[0].split(" > ")[0] for text in blocks("") for line in text.splitlines()]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("ednas ")]
    assert {words[0] for words in commands} == {"plan", "calibrate"} and len(commands) == 5
    for words in commands:
        assert parser().parse_args(words).run is not None


def test_the_study_has_two_devices_and_is_valid() -> None:
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse
    from ednas_nni.study.objectives import parse_constraint

    (snippet,) = blocks("yaml")
    study = parse(yaml.safe_load(snippet))
    assembled = Assembled(study)
    table = assembled.table
    assert len(study.device) == 2 and {parse_constraint(text).name for text in study.constraints} <= set(table.names)
    assert f"`{next(name for name in table.names if name.endswith('cpu_latency_ms'))}` that of the phone" in PAGE
    found = assembled.plan(reach=lambda kept: False)
    assert 0 < found.shares["strategies"].value < 1


def test_the_csv_is_read(tmp_path: Path) -> None:
    from devices.calibrated.measurements import read_measurements
    from ednas_nni.space.domains import Dimension, Domains

    (snippet,) = blocks("csv")
    path = tmp_path / "m.csv"
    path.write_text(snippet)
    members = {"mobilenet_v2_small": {"a": 1}, "mobilenet_v2": {"a": 2}}
    found = read_measurements(path, "latency_ms", Domains([Dimension("a", (1, 2))]), members.__getitem__)
    assert found.values.tolist() == [17.9, 20.3] and found.repeats.tolist() == [50, 50]
    assert {"architecture", "sample"} == set(GIVEN) and "repeats" in EXTRA


def test_numbers_of_the_page_are_those_of_the_code() -> None:
    assert f"more than {100 * plan.LOOSE:.0f} %" in PAGE and f"less than {100 * plan.RARE:.0f} %" in PAGE
    assert f"exceeds {100 * plan.FIXED:.0f} %" in PAGE and f"above {plan.ALIKE}" in PAGE
    assert f"{100 * plan.CONFIDENCE:.0f} % interval" in PAGE
    needed = correction.NEEDED
    assert f"from {needed['scale']} networks on), a factor and an offset ({needed['scale and offset']})" in PAGE
    assert f"common one ({needed['terms']})" in " ".join(PAGE.split())
    assert f"p at most {correction.SIGNIFICANCE}" in PAGE and f"fewer than {correction.FEWEST} networks" in PAGE
