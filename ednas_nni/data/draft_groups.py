"""Splits and groups of a drafted manifest: what folders, lists and names tell of which images belong together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ednas_nni.data.layouts.cutting import block
from ednas_nni.data.names import IMAGE, SPLITS, named, place

MANY_GROUPS = 4
"""A manifest that leaves all splits open needs as many groups as there are splits."""

_MOST = 0.9
"""Share of the names in a list that must be names of images."""


def splits_of(folder: Path, rows: Sequence[dict[str, str]], splits: Sequence[str], others: Sequence[Path]) -> list[str]:
    """Official splits that folders or lists tell; images for training stay open, to be cut."""
    why = "folders are named so"
    stems = [named(Path(row[IMAGE])).key[-1] for row in rows]
    if len(set(splits)) < 2:
        splits, why = [SPLITS.get(stem.split()[0], "") if stem else "" for stem in stems], "files are named so"
    if len(set(splits)) < 2:
        listed = _listed(folder, stems, others)
        splits, why = listed or splits, "lists such as val.txt say so"
    if len(set(splits)) < 2:
        return []
    both = {"val", "test"} <= set(splits)
    for row, split in zip(rows, splits, strict=True):
        if split in ("val", "test"):
            row["split"] = "select" if both and split == "val" else "test"
    what = (
        "validation images choose among finalists and test images give"
        if both
        else f"{'validation' if 'val' in splits else 'test'} images give"
    )
    return [f"{what} the final numbers, because {why}; the others are cut by group"]


def _listed(folder: Path, stems: Sequence[str], others: Iterable[Path]) -> list[str]:
    """Splits by `train.txt`, `val.txt`, `test.txt`, one name a line, where they name the images, each once."""
    numbers = {stem: number for number, stem in enumerate(stems)}
    splits = [""] * len(stems)
    if len(numbers) < len(stems):
        return []
    for path in others:
        if path.suffix.lower() == ".txt" and path.stem.lower() in SPLITS:
            try:
                lines = (folder / path).read_text(encoding="utf-8").split("\n")
            except (OSError, ValueError):
                continue
            names = [
                named(Path(f"{line.split()[0]}.x" if "." not in line else line.split()[0]))
                for line in lines
                if line.strip()
            ]
            there = [numbers[name.key[-1]] for name in names if name.key[-1] in numbers]
            if not names or len(there) < _MOST * len(names):
                continue
            for number in there:
                if splits[number] not in ("", SPLITS[path.stem.lower()]):
                    return []
                splits[number] = SPLITS[path.stem.lower()]
    return splits


def group(rows: Sequence[dict[str, str]]) -> str:
    """Which images belong together, and why: neighbours in two splits would flatter."""
    open_rows = [row for row in rows if "split" not in row]
    places = [place(Path(row[IMAGE])) for row in open_rows]
    common = set(places[0][:-1]).intersection(*(at[:-1] for at in places)) if places else set()
    folders = [
        " ".join(w for part in at[:-1] if part not in common for w in part.split() if w not in SPLITS) for at in places
    ]
    prefixes = [re.sub(r"[\s\d]*\d+$", "", at[-1]).strip() for at in places]
    variants = len(places) - len(set(places))
    note = (
        f"; {variants} pictures that differ only by weather, time, side or camera share the group of theirs"
        if variants
        else ""
    )
    numbered = [re.sub(r"\s*\d+$", "", at[-1]) for at in places]  # scene1 of scene1_0001
    first = "first part of the file's name"
    for names, why in ((folders, "folder"), (prefixes, first), (numbered, first)):
        counts = Counter(names)
        if len(open_rows) > len(counts) >= MANY_GROUPS and "" not in counts:
            for row, name in zip(open_rows, names, strict=True):
                row["group"] = name
            return f"images with the same {why} are one group ({len(counts)} groups), so they share a split{note}"
    order = {at: number for number, at in enumerate(dict.fromkeys(places))}
    for row, at in zip(open_rows, places, strict=True):
        row["group"] = block(order[at], len(order))
    number = len({row["group"] for row in open_rows})
    what = "every place is a group of its own" if number == len(order) else "blocks of neighbouring files are groups"
    return (
        f"names tell no scenes, so {what} ({number} groups){note}; write real scenes into the column group if "
        "neighbours show the same place, else scores flatter"
    )
