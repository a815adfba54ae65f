"""Keeps Lightning's advice off the terminal of a trial that trains for less than a minute."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGERS = ("pytorch_lightning", "lightning.pytorch", "lightning_fabric", "lightning.fabric")
_ADVICE = (
    r".*does not have many workers.*",  # batches are slices of a memory map: workers only add copies
    r".*number of training batches .* is smaller than the logging interval.*",
    r".*`tensorboardX` has been removed.*",
    r".*GPU available but not used.*",
    r".*isinstance\(treespec, LeafSpec\).*",  # Lightning with torch >= 2.10
    r".*exists and is not empty.*",
)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Lightning's information and advice inside the block; errors still appear."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for message in _ADVICE:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
