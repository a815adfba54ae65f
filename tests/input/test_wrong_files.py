"""Files that are no study: through `ednas check`, each is one clear line, exit code 1, and nothing is written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ednas_nni.cli import main
from ednas_nni.errors import StudyError
from ednas_nni.study import plain_data, read_experiment

GOOD = """\
searchSpace: {}
trialCommand: python3 -m ednas_nni.bridge.trial
trialConcurrency: 1
tuner:
  className: ednas_nni.bridge.advisor.Advisor
  codeDirectory: .
  classArgs: %s
trainingService: {platform: local}
"""


def study(text: str) -> bytes:
    return (GOOD % text).encode()


def bomb(levels: int) -> str:
    """Each line names the one before it ten times: 10^levels entries when written out."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "{" + ", ".join(lines) + "}"


def merge_bomb(levels: int) -> str:
    lines = ["a0: &a0 {x: 1}"] + [f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}" for i in range(1, levels)]
    return "{" + ", ".join(lines) + "}"


WRONG = [
    ("not UTF-8", "Größe: 1".encode("latin-1"), ("is not a text file in UTF-8",)),
    ("UTF-16", "a: 1".encode("utf-16"), ("is not a text file in UTF-8",)),
    ("a picture", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", ("is not a text file in UTF-8",)),
    ("NUL", b"a: \x00", ("not YAML", "special characters are not allowed")),
    ("NUL in quotes", study('{space: "na\\0no"}'), ("tuner.classArgs.space", "control character \\x00", "remove it")),
    ("escape", study('{space: "\\e[2Jnano"}'), ("tuner.classArgs.space", "control character \\x1b", "remove it")),
    ("escape in a key", study('{"\\e]0;x\\a": 1}'), ("tuner.classArgs", "control character")),
    ("empty", b"", ("an experiment is a mapping", "ednas init")),
    ("a comment", b"# nothing\n", ("an experiment is a mapping",)),
    ("a word", b"nano", ("an experiment is a mapping",)),
    ("two documents", b"a: 1\n---\nb: 2\n", ("line 2", "not YAML", "another document")),
    ("nested flow", b"a: " + b"[" * 5000, ("line 1", "nested more than 32 levels")),
    ("nested mappings", b"{a: " * 5000, ("line 1", "nested more than 32 levels")),
    ("nested lines", b"- " * 5000, ("line 1", "nested more than 32 levels")),
    ("alias bomb", study(bomb(10)), ("line 7", "more than 20000 entries")),
    ("merge bomb", study(merge_bomb(30)), ("line 7", "not YAML")),
    ("alias chain", study("{" + ", ".join(f"a{i}: &a{i} [{f'*a{i - 1}' if i else 1}]" for i in range(99)) + "}"),
     ("line 7", "nested more than 32 levels")),
    ("alias to itself", b"a: &a [*a]", ("line 1", "alias stands inside of what it names")),
    ("merge of itself", b"a: &a {<<: *a}", ("line 1", "alias stands inside of what it names")),
    ("unknown alias", b"a: *b", ("line 1", "undefined alias")),
    ("python object", b"a: !!python/object/apply:os.system ['true']", ("line 1", "not YAML", "constructor")),
    ("python name", b"a: !!python/name:os.system", ("line 1", "not YAML", "constructor")),
    ("no such day", study("{seed: 2024-13-45}"), ("not YAML", "a value cannot be read")),
    ("a date", study("{space: 2024-01-01}"), ("tuner.classArgs.space", "date", "quotes")),
    ("bad hex", study("{seed: 0x_}"), ("not YAML", "a value cannot be read")),
    ("bad tag", study("{seed: !!int many}"), ("not YAML", "a value cannot be read")),
    ("bytes", study("{space: !!binary bmFubw==}"), ("tuner.classArgs.space", "bytes", "text")),
    ("a set", study("{tasks: !!set {depth}}"), ("tuner.classArgs.tasks", "set", "lists and mappings")),
    ("huge number", study("{seed: " + "9" * 5000 + "}"), ("not YAML", "a value cannot be read")),
    ("large number", study("{seed: " + "9" * 300 + "}"), ("tuner.classArgs.seed", "below 2^63")),
    ("nan", study("{hardware_aware: {target: .nan}}"), ("tuner.classArgs.hardware_aware.target", "finite number")),
    ("infinity", study("{hardware_aware: {target: 1.e+999}}"), ("hardware_aware.target", "finite number")),
    ("long text", study("{space: " + "x" * 5000 + "}"), ("tuner.classArgs.space", "5000 characters", "4096")),
    ("key of two", study("{[a, b]: 1}"), ("not YAML", "unhashable")),
    ("number as key", study("{1: 1}"), ("tuner.classArgs.1", "must be text")),
    ("yes as key", study("{on: 1}"), ("tuner.classArgs.True", "must be text")),
    ("key twice", study("{seed: 1, seed: 2}"), ("line 7", "'seed' is given twice")),
    ("no tuner's mapping", b"tuner: EDNAS", ("`tuner` is missing", "className")),
    ("tuner's name a list", b"tuner: {className: [a]}", ("tuner ['a'] is not EDNAS", "className")),
    ("arguments a list", study("[nano]"), ("classArgs must be a mapping", "list")),
    ("arguments a word", study("nano"), ("classArgs must be a mapping", "str")),
    ("too large", b"#" * (plain_data.LARGEST_FILE + 1), (f"at most {plain_data.LARGEST_FILE}",)),
]  # fmt: skip


@pytest.mark.parametrize(("content", "words"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_a_wrong_file(
    content: bytes, words: tuple[str, ...], tmp_path: Path, raised: Any, capsys: pytest.CaptureFixture[str], clear: Any
) -> None:
    path = tmp_path / "study.yml"
    path.write_bytes(content)
    raised(lambda: read_experiment(path), StudyError, (str(path), *words))
    assert main(["check", str(path)]) == 1
    error = capsys.readouterr().err
    clear(error, (str(path), *words))
    assert error.startswith("ednas: error: ") and list(tmp_path.iterdir()) == [path]


def test_the_file_that_the_others_are_made_from_is_right(tmp_path: Path) -> None:
    path = tmp_path / "study.yml"
    path.write_bytes(
        b"\xef\xbb\xbf" + study("{seed: 3, start: &s [mobilenet_v2], tasks: &t [depth], objectives: [quality]}")
    )
    assert read_experiment(path)[1].seed == 3, "a byte order mark and unused anchors do no harm"


PLACES: list[tuple[str, Callable[[Path], Any], str]] = [
    ("missing", lambda p: None, "there is no such file"),
    ("folder", lambda p: p.mkdir(), "is a folder"),
    ("loop of links", lambda p: p.symlink_to(p), "cannot be read"),
    ("link to nothing", lambda p: p.symlink_to(p.parent / "gone"), "there is no such file"),
    ("pipe", lambda p: os.mkfifo(p), "is not a regular file"),
    ("device", lambda p: p.symlink_to("/dev/zero"), "is not a regular file"),
    ("unreadable", lambda p: (p.write_text("a: 1"), p.chmod(0)), "cannot be read"),
    ("inside a file", lambda p: None, "cannot be read"),
    ("long name", lambda p: None, "cannot be read"),
]


@pytest.mark.parametrize("command", [["check"], ["search"], ["plan"], ["describe"], ["data", "check"], ["reference"]])
@pytest.mark.parametrize(("name", "make", "words"), PLACES, ids=[place[0] for place in PLACES])
def test_a_place_where_no_file_is(
    name: str,
    make: Callable[[Path], Any],
    words: str,
    command: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    clear: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    if name == "unreadable" and os.geteuid() == 0:
        pytest.skip("root may read everything")
    path = tmp_path / {"long name": "a" * 300 + ".yml"}.get(name, "study.yml")
    if name == "inside a file":
        path.write_text("a: 1")
        path = path / "study.yml"
    make(path)
    before = sorted(tmp_path.iterdir())
    assert main([*command, str(path)]) == 1
    clear(capsys.readouterr().err, (path.name[:40], words))
    assert sorted(tmp_path.iterdir()) == before
