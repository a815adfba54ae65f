"""Cuts training images into train, search and select by whole groups, and checks that no image is shared."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from ednas_nni.data.layouts.record import ImageRecord
from ednas_nni.errors import DataError


def natural(name: str) -> list[tuple[str, int]]:
    """Return a sort key that orders names as people do: `train/9` before `train/10`."""
    return [(word, int(number or -1)) for word, number in re.findall(r"([^0-9]*)([0-9]*)", name)]


def block(position: int, count: int) -> str:
    """Group of an image by its place in a sorted list that tells no scenes: neighbours often show the same place.

    A block holds a fiftieth of the list, at least 1 and at most 20 images.
    """
    return f"block {position // min(20, max(1, count // 50))}"


def cut(
    records: Sequence[ImageRecord], wished: Mapping[str, float], seed: int, where: str
) -> dict[str, list[ImageRecord]]:
    """Cut splits out of records by whole groups, as near to the wished sizes as the groups allow.

    The groups are put into an order that depends on their names and `seed` alone, so the order in which a folder lists
    its files does not matter. One of the largest groups always stays in `train`; records keep their order in a split.
    Wished are a share (0 < share < 1) or number of images by split, without `train`, which is in the result, too.

    Raises:
        DataError: A size is out of range or there are fewer groups than splits; names the data set, `where`.
    """
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise DataError(f"seed is {seed!r}; it must be a whole number")
    total = len(records)
    numbers = {split: _number(split, size, total) for split, size in wished.items()}
    if sum(numbers.values()) >= total:
        shares = " and ".join(f"{split} ({size})" for split, size in wished.items())
        raise DataError(f"{shares} together take all {total} training images of {where}; leave some for train")
    sizes: dict[str, int] = defaultdict(int)
    for record in records:
        sizes[record.group] += 1
    if len(sizes) <= len(wished):
        raise DataError(
            f"{where}: the {total} training images form only {len(sizes)} group(s) ({', '.join(sorted(sizes))}); "
            f"{', '.join(['train', *wished])} need at least one whole group each, so {len(wished) + 1} or more"
        )
    order = sorted(sizes, key=lambda group: hashlib.sha256(f"{seed}\0{group}".encode()).digest())
    owner = _with_every_label(records, order, sizes, wished)
    if not owner:
        owner = {max(order, key=lambda group: sizes[group]): "train"}
    for later, split in zip(range(len(wished) - 1, -1, -1), wished, strict=True):
        left = [group for group in order if group not in owner]
        here = sum(sizes[group] for group, of in owner.items() if of == split)
        # Later splits must find a group too, so as many of the smallest are out of reach.
        empty = sum(name not in owner.values() for name in list(wished)[len(wished) - later :])
        reserved = sorted(left, key=lambda group: sizes[group])[:empty]
        free = [group for group in left if group not in reserved]
        chosen = _nearest(free, sizes, max(1, numbers[split] - here)) if free else []
        more = sum(sizes[group] for group in chosen)
        if not here or abs(here + more - numbers[split]) < abs(here - numbers[split]):
            owner |= dict.fromkeys(chosen, split)
    owner = {group: owner.get(group, "train") for group in order}
    return {split: [r for r in records if owner[r.group] == split] for split in ("train", *wished)}


def _with_every_label(
    records: Sequence[ImageRecord], order: Sequence[str], sizes: Mapping[str, int], wished: Mapping[str, float]
) -> dict[str, str]:
    """Give each split a group with each label, where some groups lack one; empty where none does.

    The rarest label goes first, and of the groups with it the one with most labels that the split still lacks; train
    takes a large one, the others a small one. Labels of too few groups are missing somewhere: `ednas check` says so.

    Example: of groups A (seg, depth), B (seg), C (seg, depth) and D (seg), A and C go to two splits for their depth.
    """
    labels: dict[str, set[str]] = {group: set() for group in order}
    for record in records:
        labels[record.group] |= record.files.keys() - {"image"}
    wanted = set().union(*labels.values())
    if all(has == wanted for has in labels.values()):
        return {}
    owner: dict[str, str] = {}
    lacking = {split: set(wanted) for split in ("train", *wished)}
    for label in sorted(wanted, key=lambda label: (sum(label in has for has in labels.values()), label)):
        for split, lacks in lacking.items():
            fits = [group for group in order if group not in owner and label in labels[group]]
            spare = len(order) - len(owner) - sum(name not in owner.values() for name in lacking)
            if label not in lacks or not fits or (split in owner.values() and spare <= 0):
                continue
            sign = 1 if split == "train" else -1
            best = max(fits, key=lambda group: (len(labels[group] & lacks), sign * sizes[group]))
            owner[best] = split
            lacks -= labels[best]
    return owner


def _number(name: str, value: float, total: int) -> int:
    """Return the number of images that a share or a number means."""
    if isinstance(value, float) and 0 < value < 1:
        return max(1, round(value * total))
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 1 and value == int(value):
        return int(value)
    raise DataError(f"{name} is {value!r}; it must be a share between 0 and 1 or a whole number of images from 1")


def _nearest(groups: Sequence[str], sizes: Mapping[str, int], wished: int) -> list[str]:
    """Choose groups, at least one, whose sizes add up to what is nearest to `wished`; early ones are preferred."""
    # Subset sum: bit s of `reachable` is set when some of the groups so far add up to s, so a group of n images is a
    # shift by n. Groups of 3, 4 and 5 images reach 0, 3, 4, 5, 7, 8, 9 and 12; of 7 wished images, 3 + 4 are exactly 7.
    # The group that reached a sum first is part of it, and what is left was reached before: one name a sum is enough to
    # walk back. No sum beyond twice the wish is needed unless a single group exceeds it.
    bound = (1 << (2 * wished + max(sizes[group] for group in groups) + 1)) - 1
    reachable, first = 1, dict[int, str]()
    for group in groups:
        new = (reachable << sizes[group]) & bound & ~reachable
        reachable |= new
        while new:
            total = (new & -new).bit_length() - 1
            first[total] = group
            new &= new - 1
        if wished in first:
            break
    rest = min(first, key=lambda s: (abs(s - wished), s))
    chosen = []
    while rest:
        chosen.append(first[rest])
        rest -= sizes[first[rest]]
    return chosen


def check_separate(records: Mapping[str, Sequence[ImageRecord]], where: str) -> None:
    """Make sure that no image, image file or group belongs to two splits; messages name both, and `where`."""
    owner: dict[tuple[str, str], str] = {}
    groups: dict[str, str] = {}
    for split, members in records.items():
        for record in members:
            names = [("image", record.key)]
            if "image" in record.files:
                names.append(
                    ("image file", f"{record.files['image']}" + (f"[{record.index}]" if record.index >= 0 else ""))
                )
            for name in names:
                if name in owner:
                    raise DataError(
                        f"{where}: {name[0]} {name[1]!r} is listed twice, in {owner[name]!r} and {split!r}; splits "
                        "must not share images"
                    )
                owner[name] = split
            if groups.setdefault(record.group, split) != split:
                raise DataError(
                    f"{where}: group {record.group!r} has images in {groups[record.group]!r} and {split!r}; images of "
                    "one group must not be spread over splits"
                )
