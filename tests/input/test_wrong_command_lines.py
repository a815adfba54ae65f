"""Wrong command lines: 2 for what `--help` would have said, 1 for what a look at the files says; nothing written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ednas_nni.cli import main

NOBODY = "~nobody_of_that_name/x"
GRAMMAR = [
    ("checkk s.yml", ("invalid choice: 'checkk'", "'check'")),
    ("check", ("FILE.yml",)),
    ("check s.yml s.yml", ("unrecognized arguments: s.yml",)),
    ("search s.yml --port 0", ("--port", "'0'", "from 1 to 65535")),
    ("search s.yml --port 65536", ("--port", "'65536'", "from 1 to 65535")),
    ("search s.yml --port 99999999999", ("--port", "from 1 to 65535")),
    ("search s.yml --port http", ("--port", "'http'", "from 1 to 65535")),
    ("search s.yml --trials 1.5", ("--trials", "'1.5'", "whole number")),
    ("search s.yml --trials 1e3", ("--trials", "'1e3'", "whole number")),
    ("search s.yml --concurrency -1", ("--concurrency", "'-1'", "at least 1")),
    ("search s.yml --trials " + "9" * 5000, ("--trials", "whole number")),
    ("plan s.yml --samples 1", ("--samples", "'1'", "from 100 to 1000000")),
    ("plan s.yml --seed -1", ("--seed", "'-1'", "at least 0")),
    ("calibrate edge_tpu --propose 3 --seed -1", ("--seed", "'-1'", "at least 0")),
    ("data", ("SUBCOMMAND",)),
    ("data check", ("DATA_OR_FILE",)),
    ("data preview rooms -n 0", ("-n", "'0'", "at least 1")),
    ("data preview rooms -n many", ("-n", "'many'", "whole number")),
    ("data lambda s.yml --seeds none", ("--seeds", "'none'", "whole number")),
]
FILES = [
    ("check s.txt", ("s.txt", "no such file", "ednas init")),
    ("data check rooms --set data", ("--set 'data'", "KEY=VALUE")),
    ("data check rooms --set =3", ("--set '=3'", "KEY=VALUE")),
    ("data check rooms --set size=[", ("--set 'size=['", "not YAML")),
    ("data check rooms --set size=5", ("size = 5", "must be a list")),
    ("data check rooms --set size=[a,b]", ("size = ['a', 'b']", "must be a whole number")),
    ("data check rooms --set size=[0,0]", ("size is [0, 0]", "from 8 to 4096")),
    ("data check rooms --set size=&a[*a]", ("--set 'size=&a[*a]'", "not YAML")),
    ("data check rooms --set train=" + "9" * 40, ("--set 'train=999", "below 2^63")),
    ("data check rooms --set train=-3", ("train is -3", "at least 1")),
    ("data check rooms --set train=2024-01-01", ("--set", "date")),
    ("data check rooms --set train=!!python/name:os.system", ("--set", "not YAML")),
    (f"data check rooms --set cache={NOBODY}", ("cache", "no home folder")),
    ("data check roms", ("'roms'", "Did you mean 'rooms'?")),
    ("data check os:system", ("'os'", "module of Python itself")),
    ("data check manifest", ("'folder'", "--set OPTION=VALUE")),
    ("data check manifest --set folder=3", ("folder = 3", "must be text")),
    ("data check manifest --set folder=nowhere", ("folder", "nowhere", "no folder")),
    (f"data check manifest --set folder={NOBODY}", ("folder", NOBODY, "no home folder")),
    ("data check manifest --set folder=loop", ("folder", "loop")),
    ("data check nothing.csv", ("nothing.csv", "no such manifest", "ednas data init")),
    ("data check .", ("is a folder", "ednas data init")),
    ("data preview rooms --split tset", ("'tset'", "Did you mean 'test'?")),
    ("data init nowhere", ("nowhere", "no such folder")),
    ("data init .", ("holds no images",)),
    ("data write rooms mtann out", ("'mtann'", "Did you mean 'mtan'?")),
    ("data write rooms manifest out --with x=1", ("'x'", "unknown option")),
    ("report nowhere", ("'nowhere'", "no experiment")),
    ("verify nowhere", ("'nowhere'", "no experiment")),
    ("describe s.txt", ("s.txt", "no such file")),
    ("plugins ../x", ("'../x'", "Unknown plugin group")),
    ("plan s.txt --picture plan.jpg", ("plan.jpg", ".png")),
    ("plan s.txt --picture nowhere/plan.png", ("nowhere", "no folder")),
    ("init file", ("file", "cannot be written", "another folder")),
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Path]]:
    """A folder with a file and a loop of links; what lies in it now."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))  # nobody's experiments
    return lambda: sorted(tmp_path.rglob("*"))


@pytest.mark.parametrize(("line", "words"), GRAMMAR, ids=[line[:40] for line, _ in GRAMMAR])
def test_grammar(
    line: str, words: tuple[str, ...], here: Callable[[], list[Path]], capsys: pytest.CaptureFixture[str], clear: Any
) -> None:
    before = here()
    with pytest.raises(SystemExit) as end:
        main(line.split())
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("usage: ednas")
    clear(error.replace("9" * 5000, "9"), words)
    assert here() == before


@pytest.mark.parametrize(("line", "words"), FILES, ids=[line[:60] for line, _ in FILES])
def test_files(
    line: str, words: tuple[str, ...], here: Callable[[], list[Path]], capsys: pytest.CaptureFixture[str], clear: Any
) -> None:
    before = here()
    assert main(line.split()) == 1
    error = capsys.readouterr().err
    assert error.startswith("ednas: error: ")
    clear(error, words)
    assert here() == before, "something was written"


def test_a_place_that_cannot_be_written_is_one_line(
    here: Callable[[], list[Path]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, clear: Any
) -> None:
    """Where a command has no words of its own for it; a mistake of ours keeps its traceback."""
    from ednas_nni.cli import plugins_command

    def full(options: object) -> int:
        raise OSError(28, "No space left on device", "/somewhere/\x1b[2Jfile")

    monkeypatch.setattr(plugins_command, "run", full)
    assert main(["plugins"]) == 1
    clear(capsys.readouterr().err, ("/somewhere/\\x1b[2Jfile", "No space left on device", "EDNAS_DEBUG"))
    monkeypatch.setattr(plugins_command, "run", lambda options: {}["a mistake of ours"])
    with pytest.raises(KeyError):
        main(["plugins"])
