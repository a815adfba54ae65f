"""ENAS misreads its batches with Lightning newer than 2.0.

Fault: nni 3.0, nni/nas/oneshot/pytorch/_dataloader.py packs (batch, mode) the way Lightning 2.0 iterated combined
loaders; from 2.1 on the tuple is unpacked differently, so a two-tuple batch is silently taken for (batch, mode) and
the run dies far away. Upstream: not fixed in NNI 3.0. Can go when NNI iterates plainly or ENAS is not used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class TaggedLoaders:
    """Iterates the loaders one after another and tags each batch with the loader's name."""

    def __init__(self, **loaders: Any) -> None:
        self.loaders = loaders

    def __iter__(self) -> Iterator[tuple[Any, str]]:
        for mode, loader in self.loaders.items():
            for batch in loader:
                yield batch, mode

    def __len__(self) -> int:
        return sum(len(loader) for loader in self.loaders.values())


def needed() -> bool:
    """Whether the installed Lightning is newer than the one NNI's loader was written for."""
    import pytorch_lightning

    major, minor = (int(part) for part in pytorch_lightning.__version__.split(".")[:2])
    return (major, minor) >= (2, 1)


def apply() -> None:
    """Give ENAS a loader that its training step understands."""
    # Imported first, as the one-shot package imports it halfway: the other way round NNI puts dummies, which raise when
    # they run, in the place of all one-shot strategies.
    import nni.nas.strategy  # noqa: F401
    from nni.nas.oneshot.pytorch.strategy import ENAS

    if not needed() or getattr(ENAS, "_tagged_loaders", False):
        return

    def train_dataloader(self: Any, train: Any, val: Any) -> TaggedLoaders:
        return TaggedLoaders(train=train(), val=val())

    ENAS.train_dataloader = train_dataloader
    ENAS._tagged_loaders = True
