"""Example predictions that a trial left beside its log."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FILE = "examples.npz"
TRUTHS = ("truth", "target")
MOST_IMAGES = 4
MOST_PIXELS = 640
_JOB = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Map:
    """One task's prediction beside its truth on n images.

    Attributes:
        task: Name of the task.
        kind: "classes" (whole numbers (n, H, W)), "length" (float (n, H, W), 0 = invalid) or "directions" (float
            (n, H, W, 3), the zero vector = invalid). The arrays' type tells, not the task's name.
        truth: Ground truth.
        prediction: The network's answer, of the same shape.
    """

    task: str
    kind: str
    truth: NDArray
    prediction: NDArray

    def agreement(self, index: int, ignore: int = 255) -> tuple[float, str]:
        """How well one image was answered, over its valid pixels.

        Returns:
            Classes: share of right pixels in [0, 1]. Length: mean absolute error in the map's unit. Directions:
            mean angle in degrees. NaN without a valid pixel. Then the name of that number.
        """
        truth, prediction = self.truth[index], self.prediction[index]
        if self.kind == "classes":
            return _mean((truth == prediction)[truth != ignore]), "pixel accuracy"
        truth, prediction = truth.astype(np.float64), prediction.astype(np.float64)
        if self.kind == "length":
            return _mean(np.abs(truth - prediction)[truth > 0]), "mean absolute error"
        valid = (truth**2).sum(-1) > 0.25
        a, b = truth[valid], prediction[valid]
        norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
        cosine = (a * b).sum(-1) / np.maximum(norms, 1e-12)
        return _mean(np.degrees(np.arccos(cosine.clip(-1, 1)))), "mean angle"


@dataclass(frozen=True)
class Examples:
    """Images with the maps of all tasks.

    Attributes:
        image: uint8 (n, H, W, 3), n >= 1.
        maps: One per task.
    """

    image: NDArray[np.uint8]
    maps: tuple[Map, ...]


def find(experiment: Path, job: str | None) -> Path | None:
    """The file that a trial of a local experiment left, None where there is none."""
    if not job or not _JOB.fullmatch(job):
        return None
    return next(iter(sorted(experiment.glob(f"environments/*/trials/{job}/{FILE}"))), None)


def read(path: Path) -> Examples:
    """Read the arrays; nothing in the file is executed.

    Raises:
        ValueError: The file is damaged, or its arrays do not belong together.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from error
    image = arrays.get("image")
    if image is None or image.dtype != np.uint8 or image.ndim != 4 or image.shape[-1] != 3 or not image.size:
        raise ValueError(f"{path.name} holds no `image` of type uint8 and shape (n, H, W, 3)")
    step = -(-max(image.shape[1:3]) // MOST_PIXELS)
    maps = []
    for name in arrays:
        task, _, role = name.rpartition("_")
        truth = next((arrays[f"{task}_{word}"] for word in TRUTHS if f"{task}_{word}" in arrays), None)
        if role != "prediction" or truth is None:
            continue
        kind = _kind(truth)
        if kind is None or arrays[name].shape != truth.shape or truth.shape[:3] != image.shape[:3]:
            shapes = f"{arrays[name].shape}, truth {truth.shape}, images {image.shape}"
            raise ValueError(f"{path.name}: the shapes of {name} do not fit: {shapes}")
        maps.append(Map(task, kind, _less(truth, step), _less(arrays[name], step)))
    if not maps:
        raise ValueError(f"{path.name} holds no prediction with its truth")
    return Examples(_less(image, step), tuple(maps))


def _kind(truth: NDArray) -> str | None:
    if truth.ndim == 3 and truth.dtype.kind in "iub":
        return "classes"
    if truth.dtype.kind == "f":
        return "length" if truth.ndim == 3 else "directions" if truth.ndim == 4 and truth.shape[-1] == 3 else None
    return None


def _less(array: NDArray, step: int) -> NDArray:
    return array[:MOST_IMAGES, ::step, ::step]


def _mean(values: NDArray) -> float:
    return float(values.mean()) if values.size else float("nan")
