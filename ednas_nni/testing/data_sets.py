"""The contract of a data set, for a test of its author, with a small copy of the data (docs/adding_a_data_set.md).

`check_data_set(Drone, {"folder": str(SAMPLE), "cache": str(tmp_path)}, size=(32, 64))`

All checks raise `PluginError` with what is wrong and how to correct it; each can also be called alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from ednas_nni.data import SPLITS, DataSource, Split
from ednas_nni.data.kinds import label_kind
from ednas_nni.errors import DataError, PluginError
from ednas_nni.study.options import check_options
from ednas_nni.testing.rules import plain, rule

Make = Callable[..., DataSource]
require = partial(rule, "data set")


def check_data_set(
    make: Make, options: Mapping[str, Any], size: tuple[int, int] = (32, 64), *, real: bool = True
) -> None:
    """Run the whole contract; the arrays are made and every split is read.

    Options are what a study would say, without `size`, a height and width in pixels that the data can have: a folder
    with a small copy, a cache of the test's own. `real`: the labels must look like those of real scenes, such as depth
    in metres, the far at the top.
    """
    check_options_of(make, options, size)
    source = make(size=size, **options)
    check_info(source, size)
    check_identity(make, options, size)
    splits = check_splits(source)
    for split in splits.values():
        check_arrays(split)
    if real:
        check_plausible(splits["train"])
    check_separate(splits)
    check_openings(source)


def check_options_of(make: Make, options: Mapping[str, Any], size: tuple[int, int]) -> None:
    """Options are plain data whose types the signature says."""
    require(plain(dict(options)), f"the options {options!r} are not plain data, as a study holds it.")
    check_options(make, {**options, "size": size}, "data")


def check_info(source: DataSource, size: tuple[int, int]) -> None:
    """Facts are known before anything is made."""
    require(isinstance(source, DataSource), "it lacks one of `info`, `prepare` and `split`.")
    info = source.info
    require(info.size == size, f"info.size is {info.size}, but it was asked for {size}.")
    require(set(info.counts) == set(SPLITS), f"info.counts names {sorted(info.counts)}; the splits are {SPLITS}.")
    require(min(info.counts.values()) > 0, f"a split is empty: {info.counts}.")
    require(bool(info.targets), "info.targets names no label.")
    require(
        "segmentation" not in info.targets or info.num_classes > 1, "it has segmentation, but fewer than two classes."
    )


def check_identity(make: Make, options: Mapping[str, Any], size: tuple[int, int]) -> None:
    """The fingerprint names the data: the same for the same options, another for another size."""
    first, second = (make(size=size, **options).info for _ in range(2))
    require(first == second, "made twice with equal options, it says different things of itself.")
    other = make(size=(2 * size[0], 2 * size[1]), **options).info
    require(first.fingerprint != other.fingerprint, "the fingerprint does not depend on the size of the images.")


def check_splits(source: DataSource) -> dict[str, Split]:
    """All splits open, as long as they were said to be, and the same every time; returned by name."""
    source.prepare(progress=False)
    splits = {name: source.split(name, opened_by="a contract suite") for name in SPLITS}
    for name, split in splits.items():
        require(split.name == name, f"split({name!r}) gives the split {split.name!r}.")
        require(len(split) == source.info.counts[name], f"{name} has {len(split)} images instead of the announced.")
        again = source.split(name, opened_by="a contract suite")
        same = all(np.array_equal(values, again.arrays[array]) for array, values in split.arrays.items())
        require(same, f"split({name!r}) gives other images when it is called again.")
    for name in source.info.targets:
        labels = splits["train"].target(name)
        valid = any(label_kind(name).valid(np.asarray(one), source.info).any() for one in labels)
        require(valid, f"no training image has a single valid pixel of {name}; leave it out of info.targets.")
    return splits


def check_arrays(split: Split) -> None:
    """Arrays are what their label kinds say."""
    info = split.info
    image = split.image
    good = image.dtype == np.uint8 and image.shape[3:] == (3,)
    require(good, f"{split.name}: images are {image.dtype} {image.shape}; they must be uint8 (N, H, W, 3), RGB.")
    for name in info.targets:
        kind, labels = label_kind(name), split.target(name)
        fits = labels.shape[3:] == kind.channels and np.can_cast(kind.dtype, labels.dtype, "same_kind")
        require(fits, f"{split.name}: {name} is {labels.dtype} {labels.shape}; see the label kind.")
        for number in range(len(split)):
            label = np.asarray(labels[number])
            try:
                fitted = kind.fit(label, label, 1.0, info, f"{split.name}, image {number}")
            except DataError as error:
                raise PluginError(f"data set: {error}") from error
            require(
                np.array_equal(fitted, label.astype(fitted.dtype)),
                f"{split.name}, image {number}: {name} holds values that should be invalid, such as NaN or depth "
                "beyond depth_max.",
            )


def check_plausible(train: Split) -> None:
    """The surveys of the label kinds suspect no other unit, kind or axis than the data set says."""
    for name in train.info.targets:
        kind, labels = label_kind(name), train.target(name)
        survey = kind.survey(train.info)
        for label in labels:
            survey.add(np.asarray(label))
        for text in kind.suspicions(survey, train.info):
            raise PluginError(f"data set: {name}: {text} If it is right as it is, call check_data_set with real=False.")


def check_separate(splits: Mapping[str, Split]) -> None:
    """No picture is in two splits: numbers measured on it would flatter."""
    owner: dict[bytes, str] = {}
    for name, split in splits.items():
        for image in split.image:
            digest = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
            first = owner.setdefault(digest, name)
            require(first == name, f"the same picture is in {first} and in {name}.")


def check_openings(source: DataSource) -> None:
    """Nobody opens the test split by accident, and other names are rejected."""
    for name, why in (("test", "without saying who opens it"), ("validation", "which does not exist")):
        try:
            source.split(name)
        except DataError:
            continue
        raise PluginError(f"data set: split({name!r}) opens, {why}; call ednas_nni.data.source.check_opening first.")
