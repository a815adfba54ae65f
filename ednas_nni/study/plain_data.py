"""Plain data from files and messages that may be hostile or broken: read without surprises, rejected in one sentence.

YAML can name a thing and repeat it (a few lines that unfold to gigabytes), nest without end, hold dates, and a key
twice. What is read here is a tree of JSON's types, of a limited size, with nothing in its texts that a terminal or a
file name would trip over.
"""

from __future__ import annotations

import math
import stat
from collections.abc import Hashable
from datetime import date, time
from pathlib import Path
from typing import Any

import yaml

from ednas_nni.errors import EdnasError, hidden, quoted

LARGEST_FILE = 1 << 20  # bytes
DEEPEST = 32  # levels of lists and mappings
MOST = 20_000  # entries in all, repetitions unfolded
LONGEST_TEXT = 4096  # characters: the longest path of Linux
LARGEST_NUMBER = 2**63  # exclusive, in size


def fault(data: object) -> str:
    r"""What keeps data from being a small tree of plain values; "" where nothing does.

    Returns:
        Where it is and what is wrong, such as "data.folder: holds the control character \x00".
    """
    budget = MOST
    waiting: list[tuple[object, tuple[str, ...]]] = [(data, ())]
    while waiting:
        value, path = waiting.pop()
        budget -= 1
        wrong = _wrong(value)
        if not budget:
            wrong = f"has more than {MOST} entries, repetitions by YAML aliases counted"
            path = path[:1]
        elif len(path) > DEEPEST:
            wrong, path = f"is nested more than {DEEPEST} levels deep", path[:1]
        if wrong:
            return f"{'.'.join(path)}: {wrong}" if path else wrong
        if isinstance(value, dict):
            for key, below in reversed(value.items()):
                if not isinstance(key, str):
                    return f"{'.'.join((*path, quoted(key, 40)))}: a field's name must be text, not {quoted(key)}"
                if hidden(key) or len(key) > LONGEST_TEXT:
                    return f"{'.'.join((*path, quoted(key, 40)))}: this name {_text(key)}"
                waiting.append((below, (*path, key)))
        elif isinstance(value, list | tuple):
            waiting += [(below, (*path, str(i))) for i, below in reversed(list(enumerate(value)))]
    return ""


def _wrong(value: object) -> str:
    """What is wrong with one value, apart from what is in it."""
    if value is None or isinstance(value, bool | dict | list | tuple):
        return ""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return "" if abs(value) < LARGEST_NUMBER else f"is {quoted(value)}; numbers must be below 2^63"
    if isinstance(value, float):
        return "" if math.isfinite(value) else f"is {value}; it must be a finite number"
    hint = ". Put it into quotes if it is text" if isinstance(value, date | time) else ""
    return f"{quoted(value)} is a {type(value).__name__}; text, numbers, lists and mappings are allowed{hint}"


def _text(value: str) -> str:
    if len(value) > LONGEST_TEXT:
        return f"is {len(value)} characters long; at most {LONGEST_TEXT} are read"
    character = hidden(value)
    if character == "\\ufeff":
        return "begins with a byte order mark (\\ufeff); save the file as UTF-8 without it"
    return f"holds the control character {character}; remove it" if character else ""


class _Loader(yaml.SafeLoader):
    """Refuses keys that stand twice (plain YAML would silently take the last one), depth and unfolding without end."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self._depth > DEEPEST:
            raise _marked(f"is nested more than {DEEPEST} levels deep", self.peek_event())  # type: ignore[no-untyped-call]
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None:
            _unfold(node, {})
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else None
            if name is not None and name in seen:
                raise _marked(f"{quoted(key.value)} is given twice", key)
            seen.add(name)
        return super().construct_mapping(node, deep)


def _marked(problem: str, place: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)


def _unfold(node: yaml.Node, sizes: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """Entries and depth of a node with every alias written out. What an alias names stands before it: no deep calls."""
    if isinstance(node, yaml.ScalarNode):
        return 1, 1
    if id(node) in sizes:
        size = sizes[id(node)]
        if size is None:
            raise _marked("an alias stands inside of what it names", node)
        return size
    sizes[id(node)] = None
    parts = [part for entry in node.value for part in (entry if isinstance(entry, tuple) else (entry,))]
    below = [_unfold(part, sizes) for part in parts]
    entries, depth = 1 + sum(count for count, _ in below), 1 + max((deep for _, deep in below), default=0)
    if entries > 2 * MOST:
        raise _marked(f"has more than {MOST} entries when its aliases are written out", node)
    if depth > DEEPEST + 2:
        raise _marked(f"is nested more than {DEEPEST} levels deep when its aliases are written out", node)
    sizes[id(node)] = entries, depth
    return entries, depth


def yaml_value(text: str) -> object:
    """One YAML document; nothing in it can run code.

    Raises:
        ValueError: It is not YAML, or not of plain values; the message says where.
    """
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{where}not YAML: {error.problem}. Check indentation and colons there") from None
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())}") from None
    except Exception as error:  # such as a date of the 45th, or `!!bool maybe`: PyYAML's own constructors
        raise ValueError(f"not YAML: a value cannot be read ({type(error).__name__}: {error})") from None


def read_text(path: Path, kind: type[EdnasError], missing: str = "") -> str:
    """The text of a file that a user named.

    Raises:
        EdnasError: Of `kind`: it is missing (the message ends with `missing`), no regular file, too large, or no UTF-8.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise kind(f"{path}: is a folder; name the file in it.")
        if not stat.S_ISREG(status.st_mode):
            raise kind(f"{path}: is not a regular file; name one that lies on a disk.")
        if status.st_size > LARGEST_FILE:
            raise kind(f"{path}: has {status.st_size} bytes; files of this kind have at most {LARGEST_FILE}.")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise kind(f"{path}: there is no such file. {missing}".rstrip()) from None
    except UnicodeDecodeError:
        raise kind(f"{path}: is not a text file in UTF-8.") from None
    except OSError as error:
        raise kind(f"{path}: cannot be read ({error.strerror}).") from None
    except ValueError as error:  # a NUL in the name
        raise kind(f"{quoted(str(path))}: cannot be read ({error}).") from None


def read_yaml(path: Path, kind: type[EdnasError], missing: str = "") -> object:
    """The one document of a YAML file that a user named.

    Raises:
        EdnasError: Of `kind`: as `read_text`, or it is not YAML; line and column are named.
    """
    text = read_text(path, kind, missing)
    try:
        return yaml_value(text)
    except ValueError as error:
        where, colon, rest = str(error).partition(": ")
        place = f"{path}, {where}{colon}{rest}" if where.startswith("line ") else f"{path}: {error}"
        raise kind(f"{place}.") from None


def resolved(text: object, kind: type[EdnasError], where: str) -> Path:
    """The absolute path of a folder or file that a user named under the field or option `where`; it need not exist.

    Raises:
        EdnasError: Of `kind`: it is not a path, runs in circles, or begins with the home of nobody.
    """
    try:
        return user_path(str(text)).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).removeprefix(f"{quoted(text)}").lstrip(": ")
        raise kind(f"{where} = {quoted(str(text))}: {reason}.") from None


def absolute(text: str, kind: type[EdnasError], where: str) -> Path:
    """The path that a study or an environment variable names, `where`: searches and trials start in other folders.

    Raises:
        EdnasError: Of `kind`: it is relative, or no path.
    """
    try:
        path = user_path(text)
    except ValueError as error:
        raise kind(f"{where} = {error}.") from None
    if not path.is_absolute():
        raise kind(
            f"{where} = {quoted(text)}: write an absolute path (or one that begins with ~), because searches and "
            f"trials are started in different folders. From here it would be {path.absolute()}."
        )
    return path


def user_path(text: str) -> Path:
    """A path as people write it, `~` included.

    Raises:
        ValueError: It names the home of somebody who does not exist, or cannot be a path.
    """
    if "\x00" in text:
        raise ValueError(f"{quoted(text)} is not a path: it holds a NUL")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"{quoted(text)}: there is no home folder of that name; write the whole path") from None
