"""What this machine can do of a study: images, threads, precision, memory and places, each looked at before a search.

A trial would be the first to miss them, after minutes, or the kernel would end it. What depends on the machine is asked
only where trials run on this one.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

from ednas_nni.cost.training_memory import training_memory
from ednas_nni.data.cache import cache_root
from ednas_nni.data.kinds import label_kind

if TYPE_CHECKING:
    from ednas_nni.bridge.manager.experiment_file import ExperimentFile
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.training.recipe import Recipe

CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
POPULATIONS = ("population_size", "initial", "startup", "samples_per_update")
"""Options of strategies: so many trials come before the first that learns from others."""
DEEP = 4
"""Threads, and trials at a time, for each core: beyond they only wait for each other."""


def of_study(file: ExperimentFile, assembled: Assembled) -> Iterator[str]:
    """Faults that no machine could mend: a line each."""
    study, recipe = assembled.study, assembled.evaluator.recipe
    if recipe is None:
        return
    if recipe.freeze:
        from ednas_nni.training.module import frozen_parts  # torch

        frozen_parts(assembled.space, recipe.freeze)
        if recipe.freeze_steps is None and not assembled.weights and not assembled.evaluator.inherits:
            yield (
                f"evaluator.freeze = {list(recipe.freeze)}: these parts start at random, and would stay so. Name "
                "weights: `init_from`, the space `efficientnet_lite`, or `encoder_weights` of `pretrained`."
            )
    images = assembled.source.info.counts.get("train", 0)
    if recipe.batch_size > images:
        yield (
            f"evaluator.batch_size = {recipe.batch_size}: there are {images} images to train on, and a batch holds "
            f"each at most once. Write at most {images}, or take more images."
        )
    given = study.evaluator.options.get("reports", 0)
    if given > recipe.steps > 0:
        yield f"evaluator.reports = {given}: must be at most `steps`, here {recipe.steps}."


def of_machine(file: ExperimentFile, assembled: Assembled) -> Iterator[str]:
    """Faults on this machine, where trials run on it: a line each."""
    cores = os.cpu_count() or 1
    most = max(16, DEEP * cores)
    if file.concurrency > most:
        yield f"trialConcurrency = {file.concurrency}: this machine has {cores} cores; at most {most} trials at a time."
        return
    recipe = assembled.evaluator.recipe
    if recipe is None:
        return
    assembled.evaluator.check_here()
    if recipe.threads is not None and recipe.threads > DEEP * cores:
        yield f"evaluator.threads = {recipe.threads}: this machine has {cores} cores; write at most {DEEP * cores}."
    yield from _memory(file, assembled, recipe)


def _memory(file: ExperimentFile, assembled: Assembled, recipe: Recipe) -> Iterator[str]:
    from ednas_nni.training.jared import graphics_memory  # torch

    priced = assembled.table.priced_size
    needs = training_memory(assembled.space, assembled.study.train_size, priced, cache_root(None))
    share = 0.6 if "16" in recipe.precision else 1.0  # of the outputs, about half are kept in 16 bits
    on_gpu = graphics_memory(recipe.accelerator)
    there = on_gpu or memory()
    step = needs.step(recipe.batch_size, largest=True) * share
    if step > there:
        fits = int((there / share - needs.fixed_bytes) / needs.image_bytes[True])
        images = f"Write at most {fits}" if fits >= 2 else "Take a smaller `train_size`"
        yield (
            f"evaluator.batch_size = {recipe.batch_size}: a step of the largest network takes about {_gb(step)}, and "
            f"{'the GPU' if on_gpu else 'this machine'} has {_gb(there)}. {images}, or a smaller space."
        )
        return
    together = file.concurrency * needs.step(recipe.batch_size, largest=False) * share
    if not on_gpu and together > there:
        yield (
            f"trialConcurrency = {file.concurrency}: so many trainings take about {_gb(together)} together (median "
            f"network, batch_size {recipe.batch_size}), and this machine has {_gb(there)}. Write less of either."
        )


def memory() -> float:
    """Bytes that processes of this machine, or of this container, may use."""
    limits = [float(psutil.virtual_memory().total)]
    for path in CGROUPS:
        try:
            limits.append(float(path.read_text()))
        except (OSError, ValueError):  # another version of cgroups, or "max"
            continue
    return min(limits)


def of_places(file: ExperimentFile, assembled: Assembled) -> Iterator[str]:
    """Folders of ours that a search writes to: caches of data and costs, and room for the images."""
    from ednas_nni.bridge.manager.places import existing, start_faults, try_folder

    yield from start_faults(file.experiments_folder)
    cache, info = assembled.study.data.options.get("cache"), assembled.source.info
    places = {cache_root(cache): "data.cache: name another folder, or null."}
    places |= {cache_root(None): "Name another cache: EDNAS_CACHE=/a/folder"}
    for folder, way_out in places.items():
        try:
            try_folder(folder)
        except OSError as error:
            yield f"{folder}: cannot be written ({error.strerror}). {way_out}"
            return
    kinds = [label_kind(name) for name in info.targets]
    pixel = 3 + sum(np.dtype(kind.dtype).itemsize * math.prod(kind.channels) for kind in kinds)
    needed = float(sum(info.counts.values()) * info.size[0] * info.size[1] * pixel)
    free = shutil.disk_usage(existing(next(iter(places)))).free
    if assembled.needs_network and needed > free:
        yield (
            f"data: its {sum(info.counts.values())} images take about {_gb(needed)} in the cache {next(iter(places))}, "
            f"which has {_gb(free)} left. Take fewer images or a smaller train_size, or another cache: EDNAS_CACHE."
        )


def remarks(file: ExperimentFile) -> Iterator[str]:
    """What works but is probably not meant: a line each."""
    for name in POPULATIONS:
        value = file.study.strategy.options.get(name)
        if isinstance(value, int) and file.trials is not None and value >= file.trials:
            yield (
                f"strategy.{name} = {value}: so many trials come before the strategy learns from any, and "
                f"maxTrialNumber is {file.trials}: all of them will be drawn at random."
            )


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"
