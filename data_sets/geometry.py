"""Surface normals computed from metric depth, where a data set has none of its own."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ednas_nni.errors import DataError


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera: focal lengths `fx`, `fy` and the principal point's column `cx` and row `cy`, in pixels."""

    fx: float
    fy: float
    cx: float
    cy: float

    def resized(self, old: tuple[int, int], new: tuple[int, int]) -> Intrinsics:
        """Return the camera of the same view at another resolution, `(height, width)` each."""
        down, across = new[0] / old[0], new[1] / old[1]
        # Pixel centres lie at whole numbers, the picture's corner at -0.5.
        return Intrinsics(
            self.fx * across, self.fy * down, (self.cx + 0.5) * across - 0.5, (self.cy + 0.5) * down - 0.5
        )  # fmt: skip


NYUV2 = Intrinsics(fx=518.86, fy=519.47, cx=325.58, cy=253.74)
"""The colour camera of NYUv2 at 480 x 640 (Silberman et al., ECCV 2012, toolbox), to which its depth is aligned."""


def reach(height: int) -> tuple[int, int]:
    """Radius and step of the fit: the same part of the view, about 9 pixels of 480, at any resolution."""
    return (3, max(1, round(height / 160))) if height >= 240 else (1, 1)


def read_camera(value: object, folder: Path) -> tuple[Intrinsics, tuple[int, int]]:
    """The camera of a data set and the (height, width) that its numbers are for.

    Args:
        value: A mapping of `width`, `height`, `fx`, `fy`, `cx`, `cy` in pixels, or the name of a JSON file with one.
        folder: What a name counts from.

    Raises:
        DataError: It is neither, or a number is missing or not above 0 (`cx` and `cy`: finite).
    """
    what = "camera"
    if isinstance(value, str):
        what = str(folder / value)
        try:
            value = json.loads((folder / value).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"camera: {what} cannot be read ({error}). Write width, height, fx, fy, cx, cy.") from None
    numbers: dict[str, float] = {}
    for name in ("width", "height", "fx", "fy", "cx", "cy"):
        number = value.get(name) if isinstance(value, dict) else None
        usable = isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
        if not isinstance(number, int | float) or not usable or (name not in ("cx", "cy") and number <= 0):
            raise DataError(
                f"{what}: {name} is {number!r}. Give width and height of the depth files, focal lengths fx and fy and "
                "the principal point cx and cy, all in pixels."
            )
        numbers[name] = float(number)
    height, width = int(numbers.pop("height")), int(numbers.pop("width"))
    return Intrinsics(**numbers), (height, width)


def normals_from_depth(
    depth: np.ndarray, camera: Intrinsics, radius: int = 3, step: int = 3, edge: float = 0.05, least: float = 0.4
) -> np.ndarray:
    """Fit a plane around each pixel.

    On a plane, inverse depth is a linear function of the image position, 1/Z = a x + b y + c with x = (u - cx) / fx and
    y = (v - cy) / fy, and (a, b, c) is the direction of its normal (a fact of perspective projection). The three
    numbers are fitted by least squares to the pixels around each one whose depth is near its own, so that planes on
    both sides of an edge are not mixed.

    Args:
        depth: (H, W) in metres, 0 = invalid.
        camera: The camera of the depth map.
        radius: Samples in each direction; `2 * radius + 1` squared pixels are used.
        step: Distance in pixels between samples; the noise of NYUv2's depth at 480 x 640 needs a reach of about 9.
        edge: Largest difference of depth, relative to the pixel's own, of samples that count.
        least: Smallest share of samples that must count; others give an invalid normal.

    Returns:
        float32 (H, W, 3): x right, y up, z towards the camera, unit length; zero vector = invalid.
    """
    height, width = depth.shape
    depth = depth.astype(np.float32)
    valid = np.isfinite(depth) & (depth > 0)
    inverse = np.where(valid, 1 / np.where(valid, depth, 1), 0).astype(np.float32)
    reach = radius * step
    padded = np.pad(inverse, reach)
    # Moments of (dx, dy, 1) and of the inverse depth, relative to each pixel: dx and dy in units of the focal length.
    moments = np.zeros((3, 3, height, width), np.float32)
    right = np.zeros((3, height, width), np.float32)
    for i in range(-radius, radius + 1):
        for j in range(-radius, radius + 1):
            row, column = reach + i * step, reach + j * step
            sample = padded[row : row + height, column : column + width]
            # |Z' - Z| <= edge Z, written with inverses; an invalid sample (0) never fulfils it.
            counts = (np.abs(inverse - sample) <= edge * sample) & (sample > 0)
            base = (np.float32(j), np.float32(i), np.float32(1))
            seen = np.where(counts, sample, np.float32(0))
            for a in range(3):
                right[a] += base[a] * seen
                for b in range(a, 3):
                    moments[a, b] += (base[a] * base[b]) * counts
    number = moments[2, 2]
    for a in range(3):
        for b in range(a):
            moments[a, b] = moments[b, a]
    matrices = np.moveaxis(moments, (0, 1), (-2, -1)).astype(np.float64)
    # Samples in one line leave the plane open.
    good = valid & (number >= least * (2 * radius + 1) ** 2) & (np.linalg.det(matrices) > 1e-6 * number.clip(1) ** 3)
    matrices[~good] = np.eye(3)
    a, b, c = np.moveaxis(np.linalg.solve(matrices, np.moveaxis(right, 0, -1)[..., None])[..., 0], -1, 0)
    slope_x, slope_y = a * camera.fx / step, b * camera.fy / step
    x = (np.arange(width) - camera.cx) / camera.fx
    y = ((np.arange(height) - camera.cy) / camera.fy)[:, None]
    # Value at the principal axis; (slope_x, slope_y, offset) points away from the camera, with y down.
    offset = c - slope_x * x - slope_y * y
    normals = np.stack([-slope_x, slope_y, offset], -1)
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    keep = good[..., None] & (length > 0)
    return np.where(keep, normals / np.where(length > 0, length, 1), 0).astype(np.float32)
