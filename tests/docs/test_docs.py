"""What the pages under docs/ say is true of the code."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def unmapped(text: str, rooms: set[str]) -> set[str]:
    """Rooms and loose modules of the framework that the map in ARCHITECTURE.md does not name."""
    return rooms - {word.rstrip("/").rpartition("/")[2] for word in re.findall(r"[\w/]+\.py|[\w/]+/", text)}


def test_the_map_names_every_room() -> None:
    package = ROOT / "ednas_nni"
    rooms = {path.name for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    rooms -= {"__init__.py"}
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert len(rooms) > 15 and unmapped(text, rooms) == set()
    assert unmapped(text, {*rooms, "forgotten.py", "lost"}) == {"forgotten.py", "lost"}
    assert unmapped(text.replace("version.py", "").replace("graphs/  ", ""), rooms) == {"version.py", "graphs"}


def absent(text: str) -> list[str]:
    """Paths of the framework that a text names and that are not there."""
    return [path for path in re.findall(r"\bednas_nni/[\w./]+", text) if not (ROOT / path).exists()]


def test_the_makefile_writes_where_the_code_reads() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "ednas_nni/" in text and absent(text) == []
    assert absent("LAMBDAS := ednas_nni/tasks/lambdas.json") == ["ednas_nni/tasks/lambdas.json"]


def test_every_loss_and_weighting_is_on_its_page() -> None:
    from ednas_nni import plugins
    from tasks.depth.loss import LOSSES as DEPTH
    from tasks.normals.loss import LOSSES as NORMALS

    named = set(re.findall(r"`(\w+)`", page("losses.md")))
    assert {*DEPTH, *NORMALS, *plugins.names("weightings")} <= named


def test_the_data_page_names_every_data_set_and_column() -> None:
    from ednas_nni import plugins
    from ednas_nni.data.kinds import columns

    named = set(re.findall(r"^\| `(\w+)`", page("data.md"), flags=re.M))
    assert {*plugins.names("datasets"), *columns()} <= named


def test_the_manifest_of_the_data_page_is_one(tmp_path: Path) -> None:
    from data_sets.manifest_table import read_table

    (snippet,) = re.findall(r"```csv\n(.*?)```", page("data.md"), flags=re.S)
    for name in re.findall(r"\w+/\w+\.\w+", snippet):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "manifest.csv").write_text(snippet)
    rows = read_table(tmp_path / "manifest.csv").rows
    assert [
        (sorted(row.files.keys() - {"image"}), row.group, row.split, row.details.get("ignore")) for row in rows
    ] == [
        (["depth", "segmentation"], "attic", "", (0,)),
        (["depth"], "attic", "", (0,)),
        (["normals", "segmentation"], "cellar", "test", (0,)),
    ]


def test_the_commands_of_the_data_page_exist() -> None:
    from ednas_nni.cli import parser

    for command in re.findall(r"^\$ ednas (.*?)(?:\s+#.*)?$", page("data.md"), flags=re.M):
        parser().parse_args(command.split())


def test_the_studies_of_the_data_page_are_studies() -> None:
    from ednas_nni.study import parse

    for snippet in re.findall(r"```yaml\n(.*?)```", page("data.md"), flags=re.S):
        parse(yaml.safe_load(snippet))
