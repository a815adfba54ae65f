"""Which class a stored value is: one value a class, several values one class, some values or all others no class.

`classes.txt` holds one name a line, or `VALUES: NAME` on every line:

    1: wall
    2: floor
    5 36: furniture        two values, one class; a second line `36: furniture` says the same
    0: ignore              no class
    *: ignore              nor is any value that no line names; `*: other` would make them a class

A value may be a colour, `#804080: road`, or the label of shapes that were drawn, `"car": vehicle`; `"": background` is
where no shape is. The classes have the labels 0, 1, ... in the order in which their names stand first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ednas_nni.data.class_names import CLASSES_FILE
from ednas_nni.data.info import IGNORE_INDEX, Array
from ednas_nni.errors import DataError, did_you_mean, quoted

MOST_CLASSES = 255
IGNORED, REST = "ignore", "*"
NEVER_CLASSES = (255, -1)
"""Stored values that are no class unless they are named."""

COLOUR = 1 << 32
"""Added to 0xRRGGBB: the value that stands for a colour, beyond all values that a line may name."""

_VALUE = r'-?[0-9]{1,9}|#[0-9a-fA-F]{6}|"(?:[^"\\]|\\.)*"'
_LINE = re.compile(rf"(\*|(?:{_VALUE})(?:[\s,]+(?:{_VALUE}))*)\s*:(.*)")


@dataclass(frozen=True)
class ClassTable:
    """The classes of stored values.

    Attributes:
        named: Name of the class, or `ignore`, by stored value or label of shapes, in the order of the lines.
        rest: Name of the class, or `ignore`, of all other values; None = they are an error.
    """

    named: Mapping[int | str, str]
    rest: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The classes' names by label."""
        return tuple(dict.fromkeys(name for name in (*self.named.values(), self.rest) if name not in (None, IGNORED)))

    @property
    def coloured(self) -> bool:
        """Whether values are colours."""
        return any(isinstance(value, int) and value >= COLOUR for value in self.named)

    def label(self, name: str) -> int:
        """Return the label of a class; 255 for `ignore`."""
        return IGNORE_INDEX if name == IGNORED else self.names.index(name)

    def drawn(self, label: str | None, where: Path) -> int:
        """Return the label of a shape that was drawn; where names stand alone, one of them.

        "" is where no shape is, which is no class unless a line says so; None is no class.
        """
        if label is None or (label == "" and label not in self.named):
            return IGNORE_INDEX
        name = self.named.get(label, label if label in self.names else self.rest)
        if name is None:
            raise DataError(
                f"{where}: a shape has the label {quoted(label)}, which {CLASSES_FILE} does not name. Add a line "
                f"`{written(label)}: NAME` there, or `{written(label)}: {IGNORED}`"
            )
        return self.label(name)

    def labels(self, stored: Array, ignored: Sequence[int], where: Path) -> NDArray[np.uint8]:
        """Turn stored values (H, W), whole numbers of any type, into labels: uint8 (H, W), 255 = no class.

        NaN is no class, nor are the `ignored` values; `where` is the file, for messages.
        """
        values, places = np.unique(stored, return_inverse=True, equal_nan=True)
        if fault := not_whole(values):
            raise DataError(f"{where}: {fault}")
        table = np.full(len(values), IGNORE_INDEX, np.uint8)
        unknown = []
        for place, value in enumerate(values.tolist()):
            if value != value or value in ignored:  # NaN, or as the manifest says
                continue
            never = value in NEVER_CLASSES
            name = self.named.get(value, None if never else self.rest)
            if name is not None:
                table[place] = self.label(name)
            elif not never:
                unknown.append(value)
        if unknown:
            listed = ("values " if len(unknown) > 1 else "value ") + ", ".join(map(written, unknown[:8]))
            classes = [
                written(v) for v in sorted(v for v in self.named if isinstance(v, int) and self.named[v] != IGNORED)
            ]
            allowed = ", ".join([*classes[:12], *(["..."] if len(classes) > 12 else [])])
            raise DataError(
                f"{where}: holds the {listed}{', ...' if len(unknown) > 8 else ''}, but the classes are "
                f"{allowed}. Name it in {CLASSES_FILE} (`{written(unknown[0])}: ignore` makes it no class, "
                "`*: ignore` all that no line names), or in the manifest's column `ignore`"
            )
        return table[places].reshape(stored.shape)


def written(value: float | str) -> str:
    """Return a value as a line of `classes.txt` begins with it."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return f"#{int(value) - COLOUR:06x}" if value >= COLOUR else f"{value:.9g}"


def _stored(value: str) -> int | str:
    """The reverse of `written`."""
    return json.loads(value) if value[0] == '"' else COLOUR + int(value[1:], 16) if value[0] == "#" else int(value)


def not_whole(values: Array) -> str:
    """Say what is wrong with values of which one is no whole number; NaN stands for no class. "" where nothing is."""
    if values.dtype.kind != "f":
        return ""
    odd = values[~np.isnan(values) & (values != np.rint(values)) | np.isinf(values)]
    if not len(odd):
        return ""
    return (
        f"holds {odd[0]:g}, which is no whole number, where classes should stand: was it resized with interpolation, "
        "or is it no class map?"
    )


def read_classes(path: Path) -> ClassTable:
    """Read `classes.txt`; the two forms must not be mixed, and no value or plain name stands twice."""
    from ednas_nni.data.reading import read_lines  # PIL, which a table in memory does not need

    lines = read_lines(path)
    parted = [_LINE.fullmatch(line) for line in lines]
    valued = any(parted)
    if valued and not all(parted):
        odd = next(line for line, parts in zip(lines, parted, strict=True) if not parts)
        raise DataError(
            f"{path}: the line {quoted(odd)} has no value, others have one. Write `VALUE: NAME` on every line."
        )
    named: dict[int | str, str] = {}
    rest = None
    for number, (line, parts) in enumerate(zip(lines, parted, strict=True)):
        name = parts[2].strip() if parts else line
        values = [REST] if parts and parts[1] == REST else re.findall(_VALUE, parts[1]) if parts else [str(number)]
        keys = [REST] if values == [REST] else [_stored(value) for value in values]
        plain_twice = not valued and name in named.values()
        if not name or plain_twice or (keys == [REST] and rest) or any(key in named for key in keys):
            raise DataError(f"{path}: the line {quoted(line)} repeats a value or a name, or names nothing; change it.")
        if values == [REST]:
            rest = name
        else:
            named |= dict.fromkeys(keys, name)
    table = ClassTable(named, rest)
    if not 2 <= len(table.names) <= MOST_CLASSES:
        raise DataError(f"{path}: names {len(table.names)} classes; there must be 2 to {MOST_CLASSES}.")
    return table


def merged(classes: Sequence[str], groups: object) -> tuple[tuple[str, ...], NDArray[np.uint8]]:
    """Make few classes of many, as the option `class_map` says.

    `groups` is {new name: names of the classes that become it}; what is not named becomes no class. Returns the new
    names, and the new label by old label: uint8 (256,), 255 = no class.
    """
    example = "{furniture: [chair, table], floor: [floor]}"
    if not isinstance(groups, Mapping) or not 2 <= len(groups) <= MOST_CLASSES:
        raise DataError(
            f"class_map is {groups!r}; it must name 2 or more classes with those they consist of: {example}"
        )
    table = np.arange(256, dtype=np.uint8)
    table[: len(classes)] = IGNORE_INDEX
    used: set[str] = set()
    for label, (new, olds) in enumerate(groups.items()):
        for old in olds if isinstance(olds, list | tuple) else [olds]:
            if old not in classes:
                raise DataError(f"class_map: {new!r} has the class {old!r}.{did_you_mean(str(old), classes)}")
            if old in used:
                raise DataError(f"class_map: names the class {old!r} twice; it can become one class only")
            used.add(old)
            table[classes.index(old)] = label
    return tuple(map(str, groups)), table
