"""Batches for training and evaluation: whole batches are cut from the mapped arrays at once.

The order of images and what is done to each are drawn by the batch sampler from (seed, epoch), so that equal arguments
give equal batches, whatever else draws random numbers in the process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from ednas_nni.compat.vision import functional as F
from ednas_nni.data.augment import Augmentation, Box
from ednas_nni.data.source import Split
from ednas_nni.data.targets import image_batch
from ednas_nni.errors import DataError

Batch = dict[str, torch.Tensor]


class BatchTarget(Protocol):
    """What a batch carries beside the image; tasks are targets."""

    @property
    def requires(self) -> Sequence[str]:
        """Arrays of the split it is made of."""

    def target(self, rows: Mapping[str, np.ndarray]) -> torch.Tensor:
        """A typed batch from some images' rows of those arrays."""


class BatchItem(NamedTuple):
    """Number of an image in its split, whether it is mirrored left-right, and the part that is enlarged (None: all)."""

    number: int
    mirrored: bool = False
    box: Box | None = None


class BatchDataset(Dataset):
    """A split seen as batches that carry `targets`, by name, beside the image.

    `dataset[i]` is a batch of one; a loader asks for a whole list at once through `__getitems__`, which cuts each array
    a single time instead of stacking single images.
    """

    def __init__(self, split: Split, targets: Mapping[str, BatchTarget]) -> None:
        self.split = split
        self.targets = dict(targets)
        names = dict.fromkeys(["image", *(name for t in self.targets.values() for name in t.requires)])
        self._arrays = {name: np.asarray(split.target(name)) for name in names}

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int | BatchItem) -> Batch:
        return self.__getitems__([index])

    def __getitems__(self, items: Sequence[int | BatchItem]) -> Batch:
        """Return `image` float32 (N, 3, H, W) in [0, 1] and every target, as plain tensors."""
        drawn = [item if isinstance(item, BatchItem) else BatchItem(item) for item in items]
        rows = np.array([item.number for item in drawn])
        cut = {name: array[rows] for name, array in self._arrays.items()}
        batch: Batch = {"image": image_batch(cut["image"])}
        batch |= {name: target.target(cut) for name, target in self.targets.items()}
        mirrored = [n for n, item in enumerate(drawn) if item.mirrored]
        for tensor in batch.values():
            for n, item in enumerate(drawn):
                if item.box is not None:
                    part, size = tensor[n : n + 1].as_subclass(type(tensor)), list(self.split.info.size)
                    tensor[n : n + 1] = F.resized_crop(part, *item.box, size=size, antialias=True)
            if mirrored:
                tensor[mirrored] = F.horizontal_flip(tensor[mirrored].as_subclass(type(tensor)))
        # Plain tensors: every operation on torchvision's types pays for their bookkeeping.
        return {name: tensor.as_subclass(torch.Tensor) for name, tensor in batch.items()}


@dataclass(eq=False)
class SeededBatches(Sampler[list[BatchItem]]):
    """Draws the batches of an epoch from (seed, epoch number); each iteration is the next epoch. See `loader`."""

    length: int
    size: tuple[int, int]
    batch_size: int
    shuffle: bool
    seed: int
    augmentation: Augmentation
    drop_last: bool
    epoch: int = 0
    first: int = 0  # batch with which the next epoch begins

    def __len__(self) -> int:
        return self.length // self.batch_size if self.drop_last else -(-self.length // self.batch_size)

    def __iter__(self) -> Iterator[list[BatchItem]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        self.epoch += 1
        order = rng.permutation(self.length) if self.shuffle else np.arange(self.length)
        mirrored, boxes = self.augmentation.draw(self.length, self.size, rng)
        items = [BatchItem(*drawn) for drawn in zip(order.tolist(), mirrored, boxes, strict=True)]
        first, self.first = self.first, 0
        for number in range(first, len(self)):
            yield items[number * self.batch_size : (number + 1) * self.batch_size]


def _whole(batch: Any) -> Batch:  # torch takes it for a list of samples
    """Pass a batch on: the dataset has put it together already."""
    return batch


NO_AUGMENTATION = Augmentation(flip=0.0)


def loader(
    split: Split,
    targets: Mapping[str, BatchTarget],
    batch_size: int = 8,
    shuffle: bool = False,
    seed: int = 0,
    augmentation: Augmentation = NO_AUGMENTATION,
    drop_last: bool = False,
    pinned: bool = False,
) -> DataLoader:
    """Return a loader whose batches depend on its arguments alone.

    It has no worker processes: cutting a batch from mapped arrays takes less than handing it over. `targets` is what
    each batch carries beside `image`, by name; the seed, not negative, is that of order and augmentation. With
    `drop_last` a last batch that is not full is left out; `pinned` batches lie in page-locked memory, from which a GPU
    copies while the processor goes on.
    """
    if not isinstance(batch_size, int) or batch_size < 1:
        raise DataError(f"batch_size is {batch_size!r}; it must be a whole number, at least 1")
    if not isinstance(seed, int) or seed < 0:
        raise DataError(f"seed is {seed!r}; it must be a whole number, at least 0")
    if drop_last and len(split) < batch_size:
        raise DataError(
            f"split {split.name!r} holds {len(split)} images, fewer than batch_size={batch_size}, and drop_last leaves "
            "out batches that are not full: nothing remains; use a smaller batch_size or more images"
        )
    dataset = BatchDataset(split, targets)
    batches = SeededBatches(len(split), split.info.size, batch_size, shuffle, seed, augmentation, drop_last)
    # A generator of its own: torch's loader draws a seed for workers from it, and must not from the global one.
    own = torch.Generator()
    return DataLoader(dataset, batch_sampler=batches, collate_fn=_whole, pin_memory=pinned, generator=own)
