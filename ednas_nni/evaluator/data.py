"""Everything a trial reads: data set, tasks, batches, the quality's reference. Opened on first use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ednas_nni import plugins
from ednas_nni.errors import DataError, StudyError
from ednas_nni.evaluator.recipe import Recipe
from ednas_nni.options import check_options
from ednas_nni.tasks.quality import Reference, reference_for

if TYPE_CHECKING:
    from ednas_nni.data import DataSource
    from ednas_nni.tasks.base import Task

Batch = dict[str, Tensor]


class Batches:
    """Exactly `count` batches, starting over with a freshly shuffled data set as often as needed.

    A trial is measured in steps, not epochs: to a trainer this is one epoch of `count` steps.

    Args:
        loader: Iterable of batches; every iteration may come in another order.
        count: Number of batches.
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
    """The data side of a recipe.

    Args:
        recipe: The trial's recipe. Building this object reads nothing.
    """

    def __init__(self, recipe: Recipe):
        self.recipe = recipe

    @cached_property
    def source(self) -> DataSource:
        """The data set, not yet opened.

        Raises:
            StudyError: An option is unknown, or the data set's size is not the recipe's.
        """
        source = open_source(self.recipe.data, self.recipe.train_size)
        lacking = [name for name in self.recipe.tasks if name not in source.info.targets]
        if lacking:
            raise StudyError(
                f"tasks names {', '.join(lacking)}, but data set {source.info.name!r} has only "
                f"{', '.join(source.info.targets)}."
            )
        return source

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks, bound to the data set."""
        bound = []
        for name in self.recipe.tasks:
            factory = plugins.load("tasks", name).for_data
            options = self.recipe.task_options.get(name, {})
            check_options(factory, options, f"evaluator.task_options.{name}", ("info",))
            bound.append(factory(self.source.info, **options))
        return tuple(bound)

    @cached_property
    def reference(self) -> Reference:
        """Position prior and head biases, kept beside the data cache; see `tasks.quality`."""
        from ednas_nni.data.cache import cache_root

        folder = cache_root(self.recipe.data.get("cache")) / "priors"
        return reference_for(self.source, self.tasks, folder, self.recipe.scored_on)

    def train_batches(self) -> Batches:
        """Shuffled, half of the images mirrored; as many batches as the recipe has steps."""
        from ednas_nni.data.batches import loader

        recipe, split = self.recipe, self.source.split("train")
        batches = loader(
            split,
            recipe.tasks,
            recipe.batch_size,
            shuffle=True,
            seed=recipe.seed,
            flips={task.name: task.flip for task in self.tasks},
            drop_last=len(split) >= recipe.batch_size,  # batch normalisation suffers from a last batch of one
        )
        return Batches(batches, recipe.steps)

    def scored_batches(self, batch_size: int = 25) -> Batches:
        """The scored split once, in order."""
        from ednas_nni.data.batches import loader

        batches = loader(self.source.split(self.recipe.scored_on), self.recipe.tasks, batch_size)
        return Batches(batches, len(batches))


def open_source(data: Any, size: tuple[int, int]) -> DataSource:
    """Build a data set from plain data.

    Args:
        data: {"name": a registered data set, ...its options}.
        size: (height, width) in pixels that batches must have; passed on as the option `size`.

    Returns:
        The data set, prepared on first use.

    Raises:
        PluginError: The name is unknown.
        StudyError: An option is unknown or contradicts `size`.
    """
    name = data["name"]
    options = {key: value for key, value in data.items() if key != "name"}
    if "size" in options and tuple(options["size"]) != tuple(size):
        raise StudyError(
            f"data.size is {tuple(options['size'])}, but train_size is {tuple(size)}. Drop data.size."
        )
    options["size"] = tuple(size)
    factory = plugins.load("datasets", name)
    check_options(factory, options, "data")
    source = factory(**options)
    if tuple(source.info.size) != tuple(size):
        raise StudyError(
            f"train_size is {tuple(size)}, but data set {name!r} has images of {tuple(source.info.size)}."
        )
    return source
