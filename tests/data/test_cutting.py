"""Splits cut by group: whole groups, nothing lost, nothing shared, near the wished sizes, whatever the order."""

from __future__ import annotations

import itertools
import random
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ednas_nni.data.layouts.cutting import block, check_separate, cut, natural
from ednas_nni.data.layouts.record import ImageRecord
from ednas_nni.errors import DataError


def records(sizes: list[int]) -> list[ImageRecord]:
    return [ImageRecord(f"{g}/{i}", f"group {g}") for g, size in enumerate(sizes) for i in range(size)]


def check(cutter, found: list[ImageRecord], search: float, select: float, seed: int) -> dict[str, list[ImageRecord]]:
    """What must hold of any cut."""
    splits = cutter(found, search, select, seed, "data")
    assert sorted(r.key for part in splits.values() for r in part) == sorted(r.key for r in found), "lost or doubled"
    assert all(splits.values()), "an empty split"
    groups = [{r.group for r in part} for part in splits.values()]
    assert not any(one & other for one, other in itertools.combinations(groups, 2)), "a group in two splits"
    shuffled = random.Random(1).sample(found, len(found))
    again = cutter(shuffled, search, select, seed, "data")
    assert {n: {r.key for r in p} for n, p in again.items()} == {n: {r.key for r in p} for n, p in splits.items()}, (
        "order"
    )
    return splits


def test_a_cut_of_many_groups_needs_little_memory() -> None:
    tracemalloc.start()
    splits = cut(records([1] * 30_000), {"search": 0.1, "select": 0.1}, 0, "data")
    assert [len(part) for part in splits.values()] == [24_000, 3_000, 3_000]
    assert tracemalloc.get_traced_memory()[1] < 64e6  # the sums of each number of groups would take 230 MB
    tracemalloc.stop()


def with_labels(groups: list[str]) -> list[ImageRecord]:
    """One image a letter: `D` has depth, `s` classes alone; a word is a group."""
    files = {
        "s": {"image": Path(), "segmentation": Path()},
        "D": {"image": Path(), "segmentation": Path(), "depth": Path()},
    }
    return [
        ImageRecord(f"{g}/{i}", f"group {g}", files[letter])
        for g, word in enumerate(groups)
        for i, letter in enumerate(word)
    ]


def lacking(splits: dict[str, list[ImageRecord]]) -> list[str]:
    return [split for split, part in splits.items() if not any("depth" in record.files for record in part)]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(["s", "ss", "D", "sD", "sss", "DDD"]), min_size=4, max_size=20), st.integers(0, 20))
def test_each_split_gets_every_label(groups: list[str], seed: int) -> None:
    """Where the groups allow; the cut that looks at no label is the broken variant."""
    found = with_labels(groups)
    splits = check(ours, found, 0.2, 0.2, seed)
    enough = min(3, sum("D" in word for word in groups))
    assert len(lacking(splits)) == 3 - enough


def test_a_cut_without_labels_leaves_a_split_without_depth() -> None:
    found = with_labels(["DD"] * 3 + ["ss"] * 7)
    bare = {r.key: ImageRecord(r.key, r.group) for r in found}
    depth = {r.key: r for r in found}
    blind = [
        {split: [depth[r.key] for r in part] for split, part in ours([*bare.values()], 0.2, 0.2, seed, "data").items()}
        for seed in range(9)
    ]
    assert any(lacking(splits) for splits in blind)
    assert not any(lacking(ours(found, 0.2, 0.2, seed, "data")) for seed in range(9))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 9), min_size=3, max_size=25), st.integers(0, 99), st.floats(0.05, 0.4))
def test_a_cut_keeps_its_promises(sizes: list[int], seed: int, share: float) -> None:
    check(ours, records(sizes), share, share, seed)


def ours(found, search, select, seed, where):
    return cut(found, {"search": search, "select": select}, seed, where)


def by_position(found, search, select, seed, where):
    a, b = len(found) // 10 + 1, len(found) // 5 + 2
    return {"search": found[:a], "select": found[a:b], "train": found[b:]}


def forgetful(found, search, select, seed, where):
    splits = ours(found, search, select, seed, where)
    return {**splits, "train": splits["train"][1:]}


def greedy_in_listing_order(found, search, select, seed, where):
    groups = list(dict.fromkeys(r.group for r in found))
    owner = {groups[0]: "search", groups[1]: "select"}
    return {s: [r for r in found if owner.get(r.group, "train") == s] for s in ("train", "search", "select")}


@pytest.mark.parametrize("broken", [by_position, forgetful, greedy_in_listing_order])
def test_broken_cuts_are_rejected(broken) -> None:
    with pytest.raises(AssertionError, match=r"lost or doubled|a group in two splits|order"):
        check(broken, records([4, 5, 3, 6, 2, 5, 4]), 0.2, 0.2, 0)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 7), min_size=4, max_size=8), st.integers(0, 9), st.integers(1, 6))
def test_search_is_as_near_as_groups_allow(sizes: list[int], seed: int, wished: int) -> None:
    """Against all subsets of the groups that search may choose from: all but a largest and a smallest."""
    if wished + 1 >= sum(sizes):
        return
    free = sorted(sizes)[1:-1]
    sums = {sum(c) for n in range(1, len(free) + 1) for c in itertools.combinations(free, n)}
    got = len(cut(records(sizes), {"search": wished, "select": 1}, seed, "data")["search"])
    assert abs(got - wished) == min(abs(s - wished) for s in sums)


def test_sizes_and_seeds() -> None:
    found = records([1] * 500)
    splits = check(ours, found, 0.1, 30, 0)
    assert {name: len(part) for name, part in splits.items()} == {"train": 420, "search": 50, "select": 30}
    other = cut(found, {"search": 0.1, "select": 30}, 1, "data")
    assert {r.key for r in other["search"]} != {r.key for r in splits["search"]}
    # By chance a tenth of the first fifty would be expected.
    assert sum(int(r.key.split("/")[0]) < 50 for r in splits["search"]) < 20


@pytest.mark.parametrize(
    ("sizes", "search", "select", "message"),
    [
        ([5, 5], 0.1, 0.1, r"form only 2 group\(s\) \(group 0, group 1\)"),
        ([5, 5, 5], 0, 0.1, "search is 0; it must be a share between 0 and 1 or a whole number"),
        ([5, 5, 5], 0.1, 1.5, "select is 1.5"),
        ([5, 5, 5], 8, 7, r"search \(8\) and select \(7\) together take all 15 training images of data"),
    ],
)
def test_impossible_cuts(sizes: list[int], search: float, select: float, message: str) -> None:
    with pytest.raises(DataError, match=message):
        cut(records(sizes), {"search": search, "select": select}, 0, "data")


def test_shared_images_are_found() -> None:
    one, two = ImageRecord("a", "g", {"image": Path("x.png")}), ImageRecord("b", "h", {"image": Path("x.png")})
    with pytest.raises(DataError, match=r"image file 'x.png' is listed twice, in 'train' and 'test'"):
        check_separate({"train": [one], "test": [two]}, "data")
    with pytest.raises(DataError, match="image 'a' is listed twice"):
        check_separate({"train": [one, ImageRecord("a", "g")]}, "data")
    with pytest.raises(DataError, match="group 'g' has images in 'train' and 'test'"):
        check_separate({"train": [one], "test": [ImageRecord("c", "g")]}, "data")
    many = {"image": Path("all.mat")}
    check_separate({"train": [ImageRecord("0", "g", many, 0)], "test": [ImageRecord("1", "h", many, 1)]}, "data")


def test_names_are_ordered_as_people_do() -> None:
    assert sorted(["a/10", "a/9", "b/1", "a/0100", "a"], key=natural) == ["a", "a/9", "a/10", "a/0100", "b/1"]
    assert [block(i, 8) for i in (0, 1)] == ["block 0", "block 1"]
    assert block(19, 2975) == "block 0"
    assert block(20, 2975) == "block 1"
