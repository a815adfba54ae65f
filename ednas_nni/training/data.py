"""Everything a trial reads: data set, tasks, batches, the position prior. Opened on first use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ednas_nni.data.source import open_source
from ednas_nni.errors import DataError
from ednas_nni.tasks.binding import bind_task
from ednas_nni.tasks.quality import Prior, prior_for
from ednas_nni.training.recipe import Recipe

if TYPE_CHECKING:
    from ednas_nni.data import DataSource
    from ednas_nni.tasks.base import Task

Batch = dict[str, Tensor]


class Batches:
    """Exactly `count` batches, starting over with a freshly shuffled data set as often as needed.

    A trial is measured in steps, not epochs: to a trainer this is one epoch of `count` steps.
    """

    def __init__(self, loader: Iterable[Batch], count: int):
        self.loader = loader
        self.count = count

    def __len__(self) -> int:
        """Number of batches."""
        return self.count

    def __iter__(self) -> Iterator[Batch]:
        left = self.count
        while left:
            before = left
            for batch in self.loader:
                yield batch
                left -= 1
                if not left:
                    return
            if left == before:
                raise DataError("The data set gives no batch: its split is empty.")


class TrialData:
    """The data side of a recipe. Building this object reads nothing."""

    def __init__(self, recipe: Recipe):
        self.recipe = recipe

    @cached_property
    def source(self) -> DataSource:
        """The data set, not yet opened."""
        return open_source(self.recipe.data, self.recipe.train_size)

    @cached_property
    def unmeasured(self) -> tuple[Task, ...]:
        """The tasks, bound to the data set, before anything of it was read."""
        recipe = self.recipe
        return tuple(bind_task(n, self.source, recipe.protocol, recipe.task_options.get(n, {})) for n in recipe.tasks)

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks with what they need to know about the data, such as the scale of depth."""
        priors = self.prior.tasks
        return tuple(task.with_constants(priors[task.name].constants) for task in self.unmeasured)

    @property
    def by_name(self) -> dict[str, Task]:
        """The tasks as targets of batches."""
        return {task.name: task for task in self.tasks}

    @cached_property
    def prior(self) -> Prior:
        """Position prior, head biases and constants, kept beside the data cache; see `tasks.quality`."""
        from ednas_nni.data.cache import cache_root

        folder = cache_root(self.recipe.data.get("cache")) / "priors"
        return prior_for(self.source, self.unmeasured, folder, self.recipe.scored_on)

    @property
    def _pinned(self) -> bool:
        """Whether the trainer will use a CUDA device."""
        return self.recipe.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()

    def train_batches(self, first: int = 0) -> Batches:
        """Shuffled and augmented; as many batches as the recipe has steps, those before number `first` left out."""
        from ednas_nni.data.augment import Augmentation
        from ednas_nni.data.batches import SeededBatches, loader

        recipe, split = self.recipe, self.source.split("train")
        batches = loader(
            split,
            self.by_name,
            recipe.batch_size,
            shuffle=True,
            seed=recipe.seed,
            augmentation=Augmentation.parse(recipe.augmentation),
            drop_last=len(split) >= recipe.batch_size,  # batch normalisation suffers from a last batch of one
            pinned=self._pinned,
        )
        sampler = batches.batch_sampler
        assert isinstance(sampler, SeededBatches), "of `loader`"
        sampler.epoch, sampler.first = divmod(first, len(sampler))
        return Batches(batches, recipe.steps - first)

    def scored_batches(self, batch_size: int = 25) -> Batches:
        """The scored split once, in order."""
        from ednas_nni.data.batches import loader

        batches = loader(self.source.split(self.recipe.scored_on), self.by_name, batch_size, pinned=self._pinned)
        return Batches(batches, len(batches))
