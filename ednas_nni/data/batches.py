"""Batches for training and evaluation: whole batches are cut from the mapped arrays at once.

The order of images and the choice of mirrored ones are drawn by the batch sampler from (seed, epoch), so that equal
arguments give equal batches, whatever else draws random numbers in the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from ednas_nni.data.split import Split
from ednas_nni.errors import DataError

Flip = Callable[[torch.Tensor], torch.Tensor]
Batch = dict[str, torch.Tensor]


class Pick(NamedTuple):
    """One image of a batch.

    Attributes:
        index: Number of the image in its split.
        mirrored: Whether it is mirrored left-right.
    """

    index: int
    mirrored: bool


def as_tensor(name: str, rows: np.ndarray) -> torch.Tensor:
    """Turn rows of a split's array into what networks and losses take.

    Args:
        name: ``image``, ``segmentation``, ``depth`` or ``normals``.
        rows: (N, H, W) or (N, H, W, 3); see :class:`ednas_nni.data.split.Split`.

    Returns:
        ``image`` float32 (N, 3, H, W) in [0, 1]; ``segmentation`` int64 (N, H, W); ``depth`` float32 (N, 1, H, W),
        0 = invalid; ``normals`` float32 (N, 3, H, W), zero vector = invalid.
    """
    if name == "segmentation":
        return torch.from_numpy(rows.astype(np.int64))
    if name == "depth":
        return torch.from_numpy(rows.astype(np.float32))[:, None]
    planes = torch.from_numpy(np.ascontiguousarray(rows.transpose(0, 3, 1, 2), dtype=np.float32))
    return planes.div_(255) if name == "image" else planes


class BatchDataset(Dataset):
    """A split seen as batches.

    ``dataset[i]`` is a batch of one; a loader asks for a whole list at once through ``__getitems__``, which cuts each
    array a single time instead of stacking single images.
    """

    def __init__(self, split: Split, targets: Sequence[str], flips: Mapping[str, Flip] | None = None) -> None:
        """Bind a split.

        Args:
            split: The opened split.
            targets: Names of the targets each batch carries, beside ``image``.
            flips: For each target the function that mirrors it left-right; the image mirrors by itself.

        Raises:
            DataError: The split lacks a target, or a flip function is missing.
        """
        self.split = split
        self.targets = tuple(targets)
        self.flips = dict(flips) if flips is not None else None
        self._arrays = {name: np.asarray(split.target(name)) for name in ("image", *self.targets)}
        lacking = [name for name in self.targets if self.flips is not None and name not in self.flips]
        if lacking:
            raise DataError(
                f"flips has no function for {', '.join(lacking)}; an image mirrored without its target would teach "
                "nonsense, so give one for each target, or flips=None"
            )

    def __len__(self) -> int:
        """Number of images."""
        return len(self.split)

    def __getitem__(self, index: int | Pick) -> Batch:
        """Return a batch of one image."""
        return self.__getitems__([index])

    def __getitems__(self, picks: Sequence[int | Pick]) -> Batch:
        """Return one batch.

        Args:
            picks: Image numbers, or picks that tell which images are mirrored.

        Returns:
            ``image`` and the targets, see :func:`as_tensor`.
        """
        rows = np.array([pick[0] if isinstance(pick, tuple) else pick for pick in picks])
        batch = {name: as_tensor(name, array[rows]) for name, array in self._arrays.items()}
        mirrored = [n for n, pick in enumerate(picks) if isinstance(pick, tuple) and pick[1]]
        if mirrored and self.flips is not None:
            for name, tensor in batch.items():
                flip = flip_image if name == "image" else self.flips[name]
                tensor[mirrored] = flip(tensor[mirrored])
        return batch


def flip_image(image: torch.Tensor) -> torch.Tensor:
    """Mirror images left-right; float (N, 3, H, W) -> same shape."""
    return image.flip(-1)


class SeededBatches(Sampler[list[Pick]]):
    """Draws the batches of an epoch from (seed, epoch number); each iteration is the next epoch."""

    def __init__(self, length: int, batch_size: int, shuffle: bool, seed: int, mirror: bool, drop_last: bool) -> None:
        """Set the rules; see :func:`loader`."""
        self.length, self.batch_size, self.shuffle = length, batch_size, shuffle
        self.seed, self.mirror, self.drop_last = seed, mirror, drop_last
        self.epoch = 0

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return self.length // self.batch_size if self.drop_last else -(-self.length // self.batch_size)

    def __iter__(self) -> Iterator[list[Pick]]:
        """Yield the batches of the next epoch."""
        rng = np.random.default_rng([self.seed, self.epoch])
        self.epoch += 1
        order = rng.permutation(self.length) if self.shuffle else np.arange(self.length)
        mirrored = rng.random(self.length) < 0.5 if self.mirror else np.zeros(self.length, bool)
        picks = [Pick(index, flag) for index, flag in zip(order.tolist(), mirrored.tolist(), strict=True)]
        for number in range(len(self)):
            yield picks[number * self.batch_size : (number + 1) * self.batch_size]


def _whole(batch: Batch) -> Batch:
    """Pass a batch on: the dataset has put it together already."""
    return batch


def loader(
    split: Split,
    targets: Sequence[str],
    batch_size: int = 8,
    shuffle: bool = False,
    seed: int = 0,
    flips: Mapping[str, Flip] | None = None,
    drop_last: bool = False,
) -> DataLoader:
    """Return a loader whose batches depend on its arguments alone.

    Args:
        split: The opened split.
        targets: Names of the targets each batch carries, beside ``image``.
        batch_size: Images per batch.
        shuffle: A new order in every epoch.
        seed: Seed of order and mirroring, not negative.
        flips: Mirror half of the images, each target by its own function; ``None`` = never mirror.
        drop_last: Leave out a last batch that is not full.

    Returns:
        A loader without worker processes: cutting a batch from mapped arrays takes less than handing it over.

    Raises:
        DataError: An argument lies outside its range, or a target or flip is missing.
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
    dataset = BatchDataset(split, targets, flips)
    batches = SeededBatches(len(split), batch_size, shuffle, seed, flips is not None, drop_last)
    return DataLoader(dataset, batch_sampler=batches, collate_fn=_whole, num_workers=0)
