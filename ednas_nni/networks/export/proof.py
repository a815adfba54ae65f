"""Does a file answer as the network does? Every output over the whole image, on real images and on odd ones.

The reference is the network itself, not the graph that was written: folding, cutting and decoding are judged too. What
the file leaves to the host (enlarging, decoding) is done here as the file's metadata says, so these are judged as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ednas_nni.errors import NetworkError
from ednas_nni.networks.export.base import FileRuntime, Floats, Images, Tolerance
from ednas_nni.networks.export.facts import OutputFacts
from ednas_nni.nn.heads import answering_classes
from ednas_nni.tasks.decoding import Decoding, picking, resized

LEAST = 16
"""Real images that a proof needs."""
_TILES = 4


@dataclass(frozen=True)
class OutputMatch:
    """How close a task's output is to torch's, all compared images together.

    Attributes:
        maximum: Largest difference of any element; `mean` is the mean one.
        tile: Largest mean difference of a tile, of 4 x 4 that an image is cut into.
        cosine: Of the angle between the two outputs.
        rms: Root mean square of torch's output, which differences are judged by.
        labels: Share of pixels whose class differs; None for outputs that are no classes.
    """

    task: str
    images: int
    maximum: float
    mean: float
    tile: float
    cosine: float
    rms: float
    labels: float | None = None

    def fault(self, tolerance: Tolerance) -> str:
        """Why the output is not close enough; "" where it is."""
        limits = [
            ("mean difference", self.mean / self.rms, tolerance.mean),
            ("mean difference of the worst of 4 x 4 tiles", self.tile / self.rms, _TILES * tolerance.mean),
            ("share of pixels of another class", self.labels or 0.0, tolerance.labels),
        ]
        if tolerance.maximum is not None:
            limits.append(("largest difference", self.maximum / self.rms, tolerance.maximum))
        for what, value, most in limits:
            if not value <= most:  # also where it is not a number
                unit = "" if what.startswith("share") else " of the output's root mean square"
                return f"{self.task}: {what} is {value:.3g}{unit}, allowed is {most:.3g}"
        if not self.cosine >= tolerance.cosine:
            return f"{self.task}: cosine to torch's output is {self.cosine:.5f}, at least {tolerance.cosine} is needed"
        return ""


def odd(images: Images) -> Images:
    """Real images, and such that a network meets rarely: mirrored, upside down, dark, bleached, inverted, grey, noise.

    Args:
        images: uint8 (n, H, W, 3), n at least `LEAST`; some of these are what the odd ones are made of.
    """
    if len(images) < LEAST:
        few = f"{len(images)} images are too few to prove an export with; {LEAST} are needed."
        raise NetworkError(f"{few} Name a folder with as many pictures: --images FOLDER.")
    a, b, c, d, e = images[:5]
    grey = np.repeat(images[5].mean(-1, keepdims=True).astype(np.uint8), 3, -1)
    noise = np.random.default_rng(0).integers(0, 256, a.shape, np.uint8)
    bleached = np.clip(d.astype(np.int16) * 2, 0, 255).astype(np.uint8)
    made = [a[:, ::-1], b[::-1], c // 8, bleached, 255 - e, grey, noise, np.zeros_like(a), np.full_like(a, 255)]
    return np.concatenate([images, np.stack(made)])


def agreements(
    network: nn.Module, decodings: Mapping[str, Decoding], runtime: FileRuntime, images: Images
) -> list[OutputMatch]:
    """Compare an open file with the network in evaluation mode, on images uint8 (n, H, W, 3) of the file's size."""
    _check_strides(runtime, _floats(images[:2]))
    sums = {result.task: _Sums() for result in runtime.facts.results}
    for wanted, got in _pairs(network, decodings, runtime, images):
        for result in runtime.facts.results:
            raw, decode = wanted[result.task], decodings[result.task]
            here = enlarged(torch.from_numpy(np.ascontiguousarray(got[result.task])), result, runtime.predicted_size)
            expected = decode(raw) if runtime.outputs == "labels" else raw
            if not raw.is_floating_point():
                expected = raw[:, 0]  # the network was asked for classes
            if here.shape != expected.shape:
                raise NetworkError(f"The file's output has the shape {tuple(here.shape)}, not {tuple(expected.shape)}.")
            if not expected.is_floating_point():
                sums[result.task].add_classes(here, expected)
                continue
            sums[result.task].add(here, expected)
            if runtime.outputs == "raw" and not (classes := decode(here)).is_floating_point():
                sums[result.task].add_classes(classes, decode(raw))
    return [total.agreement(task, len(images)) for task, total in sums.items()]


def enlarged(output: Tensor, facts: OutputFacts, size: tuple[int, int]) -> Tensor:
    """What a host does first with a raw output (N, C, h, w), or with classes (N, h, w)."""
    height, width = output.shape[-2:]
    full = (round(height * facts.enlarge), round(width * facts.enlarge))
    return output if (height, width) == size else resized(output, full)


class _Sums:
    """Differences of one output, image by image: nothing of the whole set is held."""

    def __init__(self) -> None:
        self.maximum = self.total = self.dot = self.mine = self.theirs = 0.0
        self.count = self.pixels = self.wrong = 0
        self.tiles = torch.zeros(_TILES, _TILES, dtype=torch.float64)
        self.images = 0

    def add(self, here: Tensor, expected: Tensor) -> None:
        here, expected = here.double(), expected.double()
        apart = (here - expected).abs()
        self.maximum = max(self.maximum, float(apart.max()))
        self.total += float(apart.sum())
        self.count += apart.numel()
        self.dot += float((here * expected).sum())
        self.mine += float((here * here).sum())
        self.theirs += float((expected * expected).sum())
        self.tiles += functional.adaptive_avg_pool2d(apart.mean((0, 1))[None], _TILES)[0]
        self.images += 1

    def add_classes(self, here: Tensor, expected: Tensor) -> None:
        self.wrong += int((here.long() != expected.long()).sum())
        self.pixels += expected.numel()

    def agreement(self, task: str, images: int) -> OutputMatch:
        labels = self.wrong / self.pixels if self.pixels else None
        if not self.count:
            return OutputMatch(task, images, 0.0, 0.0, 0.0, 1.0, 1.0, labels)
        length = (self.mine * self.theirs) ** 0.5
        cosine = self.dot / length if length else 1.0
        rms = max((self.theirs / self.count) ** 0.5, 1e-12)
        tile = float(self.tiles.max()) / self.images
        return OutputMatch(task, images, self.maximum, self.total / self.count, tile, cosine, rms, labels)


def _pairs(
    network: nn.Module, decodings: Mapping[str, Decoding], runtime: FileRuntime, images: Images
) -> Iterator[tuple[dict[str, Tensor], dict[str, np.ndarray]]]:
    asked = picking(decodings) if runtime.facts.outputs == "classes" else frozenset()
    with torch.no_grad(), answering_classes(asked):
        for image in images:
            given = _floats(image[None])
            entered = {} if runtime.facts.resolution == 1 else {"shrunk": True}
            yield network(torch.from_numpy(given), **entered), runtime.run(given)


def _check_strides(runtime: FileRuntime, images: Floats) -> None:
    """Channels-last and column-major memory, and a view that runs backwards, hold the same images."""
    wanted = runtime.run(images)
    last = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    backwards = np.ascontiguousarray(images[:, ::-1, ::-1, ::-1])[:, ::-1, ::-1, ::-1]
    for view in (last, np.asfortranarray(images), backwards):
        for task, output in runtime.run(view).items():
            if not np.array_equal(output, wanted[task]):
                raise NetworkError(
                    f"{task}: the file answers differently when the same image lies otherwise in memory."
                )


def _floats(images: Images) -> Floats:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32) / np.float32(255)
