"""What docs/words.md and CONTRIBUTING.md promise of names and types, counted over the whole product."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

from ednas_nni import plugins

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = plugins.OURS
SAYS_NOTHING = {"found", "known", "told", "kept", "shown"}
MOST_ANY, MOST_ASKED = 8, 10  # `Any` for 1,000 lines; `hasattr` and getattr with a literal name, in all


def sources() -> dict[str, str]:
    """Text of every file of the product."""
    files = (path for package in PRODUCT for path in sorted((ROOT / package).rglob("*.py")))
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in files}


@cache
def parsed(text: str) -> ast.Module:
    return ast.parse(text)


def twice(texts: dict[str, str]) -> dict[str, list[str]]:
    """Public class names that stand in more than one file."""
    homes = defaultdict(list)
    for name, text in texts.items():
        for node in ast.walk(parsed(text)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(name)
    return {name: files for name, files in homes.items() if len(files) > 1}


def empty_names(texts: dict[str, str]) -> list[str]:
    """Variables, arguments, functions and fields whose name says nothing of what they hold."""
    places = []
    for name, text in texts.items():
        for node in ast.walk(parsed(text)):
            word = ""
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                word = node.id
            elif isinstance(node, ast.arg):
                word = node.arg
            elif isinstance(node, ast.FunctionDef):
                word = node.name
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                word = node.attr
            if word.lstrip("_") in SAYS_NOTHING:
                places.append(f"{name}:{node.lineno} {word}")
    return places


def any_share(texts: dict[str, str]) -> float:
    """Uses of `Any` for each 1,000 lines."""
    uses = sum(
        isinstance(node, ast.Name) and node.id == "Any" for text in texts.values() for node in ast.walk(parsed(text))
    )
    return 1000 * uses / sum(text.count("\n") for text in texts.values())


def asked(texts: dict[str, str]) -> list[str]:
    """Places that ask an object for an attribute by a literal name instead of by its type."""
    places = []
    for name, text in texts.items():
        for node in ast.walk(parsed(text)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            literal = len(node.args) > 1 and isinstance(node.args[1], ast.Constant)
            if node.func.id in ("hasattr", "getattr") and literal:
                places.append(f"{name}:{node.lineno}")
    return places


def without_reason(places: list[str], texts: dict[str, str]) -> list[str]:
    """Of such places, those without a comment on their line or in the three above."""
    bare = []
    for place in places:
        name, _, line = place.rpartition(":")
        near = texts[name].splitlines()[max(0, int(line) - 4) : int(line)]
        if not any("#" in text for text in near):
            bare.append(place)
    return bare


def test_no_public_class_name_stands_twice() -> None:
    assert twice(sources()) == {}
    assert twice({"a.py": "class Record: ...", "b.py": "class Record: ..."}) == {"Record": ["a.py", "b.py"]}


def test_names_say_what_they_hold() -> None:
    assert empty_names(sources()) == []
    broken = {"a.py": "def told(known):\n    found = 1\n    self._kept = 2\n"}
    assert [place.split()[-1] for place in empty_names(broken)] == ["told", "known", "found", "_kept"]


def test_types_say_something() -> None:
    assert any_share(sources()) <= MOST_ANY
    assert any_share({"a.py": "x: Any = 1\n" * 10}) == 1000


def test_objects_are_told_apart_by_type() -> None:
    texts = sources()
    places = asked(texts)
    assert len(places) <= MOST_ASKED, places
    assert without_reason(places, texts) == []
    broken = {"a.py": "x = 1\n\n\n\nif hasattr(x, 'check'):\n    getattr(x, 'check')()\n"}
    assert len(asked(broken)) == 2 and without_reason(asked(broken), broken) == ["a.py:5", "a.py:6"]


def test_every_word_has_one_row() -> None:
    """docs/words.md and CONTRIBUTING.md explain each word once, below the ten first ones."""
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("docs/words.md", "CONTRIBUTING.md")]
    parts = texts[0].partition("\n## ")[2], texts[1].partition("\n## Words")[2]
    words = [
        word
        for row in re.findall(r"^\* (.*?): ", "\n".join(parts), re.MULTILINE)
        for word in re.findall(r"\*\*(.+?)\*\*", row)
    ]
    assert len(words) > 35 and len(set(words)) == len(words)
