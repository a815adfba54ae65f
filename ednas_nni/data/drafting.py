"""Drafts a manifest for a folder of images and labels, and recognises the layouts that have readers of their own.

What a file is comes from its name (`names`), as far as its head does not speak against it, else from its values. What
cannot be known stays open: the cell is `?`, and the manifest is not read before the user has answered.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ednas_nni.data.draft_groups import group, splits_of
from ednas_nni.data.kinds import OPEN, Drafted, LabelKind, all_kinds, columns
from ednas_nni.data.layouts.base import FolderSource
from ednas_nni.data.layouts.cutting import natural
from ednas_nni.data.names import IMAGE, OTHER, Named, named, split_of
from ednas_nni.data.reading import is_npy, read_map, read_npy, read_picture, stored_as
from ednas_nni.data.source import DATASETS
from ednas_nni.errors import DataError, did_you_mean, hidden, quoted
from ednas_nni.record.whole_file import write_whole

FILES = ("manifest.csv", "manifest.jsonl")
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".npy")
_SHADES = "shades"
"""Role of grey files of 8 bits that are no class maps: depth where the folder has their picture, else pictures."""

_MOST_FILES = 1_000_000
_NO_DATA = frozenset(
    {"", ".txt", ".md", ".csv", ".tsv", ".jsonl", ".json", ".yml", ".yaml", ".xml", ".py", ".pdf", ".html"}
)
_FEW = 0.1

Key = tuple[str, tuple[str, ...]]
"""Split and key of a path, see `Named`."""

Left = dict[str, list[Path]]
"""Files that are not taken, by reason."""


def recognise(folder: Path) -> dict[str, object] | None:
    """Return what a study says of the data set that a folder is, None if no registered layout knows it."""
    layouts = DATASETS.classes(FolderSource)  # type: ignore[type-abstract]  # none is made
    names = [name for name, layout in layouts.items() if layout.recognises(folder)]
    # A manifest may lie in a folder of any other layout.
    names.sort(key=lambda name: name == "manifest")
    return {"name": names[0], "folder": str(folder), **layouts[names[0]].needs(folder)} if names else None


@dataclass(frozen=True)
class Draft:
    """A drafted manifest, one dict of cells per image; nothing is written yet.

    Attributes:
        folder: What it was drafted for; paths count from it.
        texts: Further files to write, by name; `notes` say what the user is to do with them.
        guesses: What was assumed, each with the reason.
        asks: What cannot be known, with what each answer would mean; cells that are `?`.
        left_out: Files that are not in the manifest: number by reason.
    """

    folder: Path
    rows: tuple[dict[str, str], ...]
    texts: Mapping[str, str]
    guesses: tuple[str, ...]
    asks: tuple[str, ...]
    notes: tuple[str, ...]
    left_out: Mapping[str, int]


def draft(folder: Path, tick: Callable[[], object] = lambda: None) -> Draft:
    """Draft a manifest for a folder, with its sub-folders and links to folders; hidden ones are left out.

    `tick` is called for each label that is read whole. DataError: there is no image, two files cannot be told apart, or
    no image has a label.
    """
    files, others = _files(folder)
    left: Left = defaultdict(list)
    by_role = _by_role(files, folder, left)
    images = by_role.pop(IMAGE, {})
    rows, splits = _rows(images, by_role, left)
    for kind in all_kinds():
        drawn = kind.annotated(folder, [row[IMAGE] for row in rows], others, left)
        for n, row in enumerate(rows):
            if (label := drawn.get(row[IMAGE])) and row.setdefault(kind.column, label.as_posix()) == label.as_posix():
                splits[n] = splits[n] or split_of(label)
    guesses = _masks_of_depth(folder, rows) or [
        f"files such as {masks[0]} say where {kind.column} is valid, because their names say so"
        for kind in all_kinds()
        if (masks := [row[kind.mask] for row in rows if kind.mask in row])
    ]
    drafted = [_labels(kind, folder, rows, left, tick) for kind in all_kinds()]
    labelled = [n for n, row in enumerate(rows) if any(kind.column in row for kind in all_kinds())]
    unread = [path for path in others if path.suffix.lower() not in _NO_DATA]
    if unread:
        types = ", ".join(f"{n} {suffix}" for suffix, n in Counter(p.suffix.lower() for p in unread).most_common(6))
        left[f"files of types that are not read ({types}): turn them into .npy or pictures"] = unread
    counts = {f"{what}, such as {paths[0]}": len(paths) for what, paths in left.items()}
    if not labelled:
        names = ", ".join(kind.column for kind in all_kinds())
        reasons = "".join(f"\nleft out: {number} {what}" for what, number in counts.items())
        if not images:
            raise DataError(f"{folder}: holds no images ({', '.join(SUFFIXES)}) that can be used{reasons}")
        raise DataError(
            f"{folder}: holds {len(images)} images, but no file that belongs to one of them as {names}. A label must "
            "have the name of its image apart from words such as rgb, seg, depth or normals, for example "
            f"rgb/kitchen_01.jpg and depth/kitchen_01.png{reasons}"
        )
    bare = [row[IMAGE] for n, row in enumerate(rows) if n not in set(labelled)]
    if bare:
        counts[f"images without any label, such as {bare[0]}"] = len(bare)
    rows, splits = [rows[n] for n in labelled], [splits[n] for n in labelled]
    guesses += [line for one in drafted for line in one.guess.splitlines()]
    guesses += [*splits_of(folder, rows, splits, others), group(rows)]
    return Draft(
        folder=folder,
        rows=tuple(rows),
        texts={name: text for one in drafted for name, text in one.texts.items()},
        guesses=tuple(filter(None, guesses)),
        asks=tuple(line for one in drafted for line in one.asks.splitlines()),
        notes=tuple(line for one in drafted for line in one.note.splitlines()),
        left_out=counts,
    )


def _files(folder: Path) -> tuple[list[Path], list[Path]]:
    """Files that may be images or labels, and all others, below a folder, each folder of the disk once."""
    files: list[Path] = []
    others: list[Path] = []
    seen = {os.path.realpath(folder)}
    for top, folders, names in os.walk(folder, followlinks=True):
        here = Path(top)
        going = []
        # What lies here goes before links to it.
        for name in sorted(folders, key=lambda name: ((here / name).is_symlink(), natural(name))):
            real = os.path.realpath(here / name)
            if not name.startswith(".") and real not in seen:
                seen.add(real)
                going.append(name)
        folders[:] = going
        for name in names:
            path = (here / name).relative_to(folder)
            if name.startswith("."):
                continue
            (files if path.suffix.lower() in SUFFIXES else others).append(path)
            if len(files) > _MOST_FILES:
                raise DataError(f"{folder}: holds more than {_MOST_FILES} files; name a folder below it")
    odd = [path for path in files if hidden(path.as_posix())]
    if odd:
        raise DataError(
            f"{folder}: {len(odd)} names hold bytes that are no UTF-8, or control characters, such as {odd[0]}. Rename "
            "them, for example with `convmv -r -f latin1 -t utf8 --notest FOLDER`"
        )
    return sorted(files, key=lambda p: natural(p.as_posix())), others


# ---- What files are


def _by_role(files: Sequence[Path], folder: Path, left: Left) -> dict[str, dict[Key, Path]]:
    """Files by column and key.

    Heads and content are looked at once per series of files named alike, not for every file: `a_001.png` and
    `a_002.png` are both `a_#.png`.
    """
    by_role: dict[str, dict[Key, Path]] = defaultdict(dict)
    looked: dict[tuple[str, ...], tuple[str, str]] = {}
    shades: list[Named] = []

    def add(role: str, name: Named) -> None:
        key = (name.split, name.key)
        first = by_role[role].setdefault(key, name.path)
        if first != name.path:
            raise DataError(
                f"{folder / first} and {folder / name.path} both look like the {role} {' '.join(name.key)!r}. Give "
                "them names that differ by more than words such as rgb, capitals and punctuation, or move one away"
            )

    for path in files:
        name = named(path)
        series = tuple(re.sub(r"\d+", "#", part) for part in path.parts)
        if series not in looked:
            looked[series] = _role(folder / path, name)
        role, reason = looked[series]
        if reason:
            left[reason].append(path)
        elif role == _SHADES:
            shades.append(name)
        else:
            add(role, name)
    pictured = any((name.split, name.key) in by_role[IMAGE] for name in shades)
    for name in shades:
        add("depth" if pictured else IMAGE, name)
    return by_role


def _role(path: Path, name: Named) -> tuple[str, str]:
    """Return the column of a file, or why it has none."""
    stored = stored_as(path)
    candidates = [name.mask] if name.mask else list(name.roles)
    if candidates[:1] == [OTHER]:
        return "", "files that no column takes"
    if stored is None:
        return (candidates[0], "") if candidates else ("", "files that cannot be read")
    for role in candidates:
        if _may_be(role, path, *stored):
            return role, ""
    if candidates:
        per = "one value" if stored[1] == 1 else f"{stored[1]} values"
        fits = "turn its colours into numbers" if stored[1] > 1 else "another type is needed"
        return "", f"files named as {candidates[0]}, but of {per} per pixel ({stored[0]}): {fits}"
    seen = by_content(path)
    columns = ", ".join(kind.column for kind in all_kinds())
    return (seen, "") if seen else ("", f"files that look like none of image, {columns}")


def _may_be(role: str, path: Path, dtype: np.dtype, values: int) -> bool:
    """Whether a file with such a head may belong to a column."""
    if role == IMAGE:
        return values in (3, 4) or (dtype == np.uint8 and not is_npy(path))
    kind = next((kind for kind in all_kinds() if role in (kind.column, kind.mask)), None)
    return kind is not None and kind.may_read(path, values)


def by_content(path: Path) -> str | None:
    """Return the column of the label kind that a file looks like, `image` for other pictures; None if it is neither."""
    try:
        values = read_npy(path) if is_npy(path) else read_picture(path)
    except DataError:
        return None
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[-1]):
        values = values[0] if values.shape[0] == 1 else values[..., 0]
    for kind in all_kinds():
        if kind.looks_like(values):
            return kind.column
    if values.ndim == 2 and values.dtype == np.uint8:
        return _SHADES
    return IMAGE if values.ndim == 3 and values.shape[-1] in (3, 4) else None


# ---- Rows


def _rows(
    images: Mapping[Key, Path], by_role: Mapping[str, Mapping[Key, Path]], left: Left
) -> tuple[list[dict[str, str]], list[str]]:
    """One row per image with its labels, and the split that their folders tell.

    A label whose folder tells a split belongs to the only image of its name, where that one's folder tells none.
    """
    rows = {key: {IMAGE: path.as_posix()} for key, path in images.items()}
    splits = {key: key[0] for key in images}
    alike: dict[tuple[str, ...], list[Key]] = defaultdict(list)
    for key in images:
        alike[key[1]].append(key)
    for role, labels in by_role.items():
        for own, path in sorted(labels.items(), key=lambda item: item[0] not in rows):
            key, near = own, alike.get(own[1], [])
            if own not in rows and len(near) == 1 and "" in (own[0], near[0][0]):
                key = near[0]
                splits[key] = splits[key] or own[0]
            if key not in rows:
                left[f"{role} without an image"].append(path)
            elif role in rows[key]:
                both = f"{rows[key][role]} and {path}"
                raise DataError(f"{both} both look like the {role} of {rows[key][IMAGE]}; move one of them away")
            else:
                rows[key][role] = path.as_posix()
    for kind in all_kinds():
        for row in rows.values():
            if kind.mask in row and kind.column not in row:
                left[f"{kind.mask} without {kind.column}"].append(Path(row.pop(kind.mask)))
    return list(rows.values()), list(splits.values())


def _labels(
    kind: LabelKind, folder: Path, rows: Sequence[dict[str, str]], left: Left, tick: Callable[[], object]
) -> Drafted:
    """Look at the files of one kind and add further cells to their rows."""
    drafted, having = Drafted(), [row for row in rows if kind.column in row]
    while having and (drafted := kind.draft([folder / row[kind.column] for row in having], tick)).refused:
        why = f"files named as {kind.column}: {next(iter(drafted.refused.values()))}"
        for row in having:
            if folder / row[kind.column] in drafted.refused:
                left[why].append(Path(row.pop(kind.column)))
                row.pop(kind.mask, None)
        having = [row for row in having if kind.column in row]
    if not having:
        return Drafted()
    types: dict[str, list[str]] = defaultdict(list)
    for row in having:
        stored = stored_as(folder / row[kind.column])
        types["unreadable" if stored is None else str(stored[0])].append(row[kind.column])
    if len(types) > 1 and not drafted.each:
        listed = "; ".join(f"{len(paths)} of {dtype}, such as {paths[0]}" for dtype, paths in types.items())
        drafted = replace(
            drafted, guess=f"{drafted.guess}\n{kind.column} lies in files of several types: {listed}".strip()
        )
    for number, row in enumerate(having):
        row.update({**drafted.cells, **(drafted.each[number] if drafted.each else {})})
    return drafted


def _masks_of_depth(folder: Path, rows: Sequence[dict[str, str]]) -> list[str]:
    """Take masks of two values that follow the holes of depth for what they are: where depth is valid."""
    having = [row for row in rows if "seg" in row]
    both = [row for row in having if "depth" in row and "depth_valid" not in row]
    if not both or len(both) < len(having):
        return []
    inside = outside = wrong_inside = wrong_outside = 0
    for row in both[:: max(1, len(both) // 8)][:8]:
        try:
            mask, depth = read_map(folder / row["seg"]), read_map(folder / row["depth"])
        except DataError:  # colours, annotations: no masks of two values
            return []
        if mask.shape != depth.shape or not set(np.unique(mask).tolist()) <= {0, 1, 255}:
            return []
        there = depth[(mask > 0) & np.isfinite(depth) & (depth > 0)]
        low, high = np.percentile(there, (0.5, 99.5)) if len(there) else (0, 0)
        wrong = ~((depth >= low / 1.5) & (depth <= high * 1.5) & (depth > 0))
        inside, outside = inside + int((mask > 0).sum()), outside + int((mask == 0).sum())
        wrong_inside += int((wrong & (mask > 0)).sum())
        wrong_outside += int((wrong & (mask == 0)).sum())
    if not inside or not outside or wrong_outside < 0.5 * outside or wrong_inside > _FEW * inside:
        return []
    for row in both:
        row["depth_valid"] = row.pop("seg")
    return [
        f"masks such as {both[0]['depth_valid']} say where depth is valid, because depth is empty or odd in "
        f"{wrong_outside / outside:.0%} of the pixels where they are 0"
    ]


def write(drafted: Draft, folder: Path, force: bool = False, first: Sequence[str] = ()) -> list[Path]:
    """Write `manifest.csv` and, with class maps, `classes.txt`; return the files.

    Paths are absolute where `folder` is not that of the draft; the `first` columns stand first. Files that exist are
    an error unless `force` is set.
    """
    rows = drafted.rows
    if folder != drafted.folder:
        paths = {IMAGE, *(name for kind in all_kinds() for name in (kind.column, kind.mask))}
        rows = tuple({k: str(drafted.folder / cell) if k in paths else cell for k, cell in row.items()} for row in rows)
    texts = {folder / FILES[0]: as_csv(rows, first), **{folder / name: text for name, text in drafted.texts.items()}}
    there = [path for path in texts if path.exists()]
    if there and not force:
        raise DataError(f"{there[0]}: exists already. Check it with `ednas data check`, or replace it with --force")
    try:
        for path, text in texts.items():
            write_whole(path, text)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}). Name another folder with --out") from None
    except UnicodeEncodeError:
        raise DataError(
            f"{folder}: its name is no text in UTF-8; rename it, or name another folder with --out"
        ) from None
    return list(texts)


def as_csv(rows: Sequence[Mapping[str, str]], first: Sequence[str] = ()) -> str:
    """Return cells by column as a manifest: the `first` columns, then all others that have a cell."""
    text = io.StringIO()
    used = [*first, *(name for name in columns() if name not in first and any(name in row for row in rows))]
    writer = csv.DictWriter(text, used, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def fill(drafted: Draft, given: Sequence[str]) -> bool:
    """Put `COLUMN=CELL` texts into the rows of a draft; return whether no cell is open any more."""
    kinds = {name: kind for kind in all_kinds() for name in kind.details}
    for text in given:
        name, equals, cell = text.partition("=")
        if not equals or name not in kinds:
            raise DataError(f"--fill {quoted(text)}: write COLUMN=CELL.{did_you_mean(name, kinds)}")
        try:
            kinds[name].details[name](cell)
        except ValueError as fault:
            raise DataError(f"--fill {fault}") from None
        rows = [row for row in drafted.rows if row.get(kinds[name].column)]
        rows = [row for row in rows if row.get(name) == OPEN] or rows
        types = {str(stored_as(drafted.folder / row[kinds[name].column])) for row in rows}
        if len(types) > 1 and rows[0].get(name) == OPEN:
            raise DataError(f"--fill {name}: {len(rows)} files are of several types; write the cell of each by hand")
        for row in rows:
            row[name] = cell
    return not any(OPEN in row.values() for row in drafted.rows)


def fill_in(folder: Path, given: Sequence[str]) -> list[Path]:
    """Put `COLUMN=CELL` texts in the place of the cells `?` of a folder's `manifest.csv`; whatever else it says stays.

    Its path is returned. DataError: it cannot be read or written, or a column has no such cell.
    """
    path = folder / FILES[0]
    try:
        heading, *lines = csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig")))
        names = [name.strip() for name in heading]
        rows = tuple(dict(zip(names, map(str.strip, line), strict=True)) for line in lines if line)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: is no CSV that could be filled in ({error}). Write the cells by hand") from None
    for name in (text.partition("=")[0] for text in given):
        if name in names and all(row[name] != OPEN for row in rows):
            raise DataError(f"{path}: no cell of {name} is `?`. Change it by hand, or draft it all anew with --force")
    fill(drafted := Draft(folder, rows, {}, (), (), (), {}), given)
    return write(drafted, folder, force=True, first=names)
