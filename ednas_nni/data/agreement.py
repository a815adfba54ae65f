"""Whether depth and normals of the same pictures tell of the same surfaces, whatever camera took them.

On a plane inverse depth I = 1/Z is linear in the image, so its relative slopes follow from the normal n (x right, y up,
z to the camera) and the focal length f in pixels; with u to the right and v down from the middle of the picture

    dI/du / I = n_x / D    dI/dv / I = -n_y / D    where D = n_x u - n_y v - n_z f, below 0 for all that is seen.

* The signs of the slopes are those of -n_x and n_y for every f: a wall on the right (n_x < 0) comes nearer rightwards.
* Distance along the ray is longer than depth along the axis by sqrt(1 + (u^2 + v^2) / f^2), which adds
  -u / (f^2 + u^2 + v^2) to the slopes. Both are tried with many f; what explains the slopes better is what is stored.
* A normal whose z points away (n_z < 0) faces the camera only if D < 0, which bounds f: f < (n_y v - n_x u) / -n_z.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ednas_nni.data.info import LabelFacts

LEAST_PIXELS = 300
"""Pixels that must tell something before anything is said."""

CONTRADICTED, DOUBTED = 0.1, 0.7
"""Shares of agreeing signs below which nothing but a wrong axis explains them, and below which something is odd."""

SHORTEST_FOCAL = 0.2
"""Of the picture's width: wider than 136 degrees no lens sees straight lines as straight."""

_FOCALS = np.array([0.35, 0.45, 0.55, 0.65, 0.75, 0.866, 1.0, 1.2, 1.5, 2.0, 3.0])
_RAY_BETTER = 0.6
_PIXELS_PER_IMAGE = 4000


def from_middle(size: tuple[int, ...]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return how far down (H, 1) and to the right (W,) pixels lie from the middle of a picture, in pixels."""
    height, width = size
    return (np.arange(height) - (height - 1) / 2)[:, None], np.arange(width) - (width - 1) / 2


def ray_lengths(size: tuple[int, ...], focal: float) -> NDArray[np.floating]:
    """Return how much longer the way along each pixel's ray is than along the optical axis: (H, W), 1 in the middle.

    `focal` is in pixels; the principal point is taken to be the middle.
    """
    v, u = from_middle(size)
    return np.sqrt(1 + (u * u + v * v) / focal**2)


def away(normals: NDArray[np.floating]) -> tuple[NDArray[np.bool_], NDArray[np.floating]]:
    """Return which normals (H, W, 3) point away by z, and the focal lengths up to which they face the camera.

    That is bool (H, W), and for each true pixel the bound as a share of the picture's width, 0 where no camera sees it.
    """
    x, y, z = np.moveaxis(normals.astype(np.float32), -1, 0)
    v, u = from_middle(normals.shape[:2])
    mask = z < -0.1
    bound = (y * v - x * u)[mask] / -z[mask] / normals.shape[1]
    return mask, np.maximum(bound, 0)


def field_of_view(focal: float) -> float:
    """Return degrees across, from a focal length as a share of the width."""
    return math.degrees(2 * math.atan(0.5 / max(focal, 1e-6)))


class GeometrySums:
    """Sums up, image by image, what depth and normals say of each other."""

    def __init__(self, facts: LabelFacts) -> None:
        self._metric = facts.depth_kind == "metric"
        self._agree = {"x": 0, "y": 0}
        self._tell = {"x": 0, "y": 0}
        self._along = {"as stored": 0.0, "exchanged": 0.0, "pixels": 0.0}
        self._errors = {"axis": np.zeros(len(_FOCALS)), "ray": np.zeros(len(_FOCALS))}

    def add(self, depth: NDArray[np.floating], normals: NDArray[np.floating]) -> None:
        """Add an image that has both: depth (H, W), 0 = invalid; normals (H, W, 3), zero vector = invalid."""
        valid = (depth > 0) & (normals != 0).any(-1)
        inverse = np.where(valid, depth, 1).astype(np.float64)
        inverse = 1 / inverse if self._metric else inverse
        slopes, smooth = _slopes(inverse, valid)
        inner = normals[1:-1, 1:-1].astype(np.float64)
        for number, (axis, sign) in enumerate({"x": -1, "y": 1}.items()):
            tells = smooth & (np.abs(inner[..., number]) > 0.2) & (np.abs(slopes[number]) > 5e-4)
            self._tell[axis] += int(tells.sum())
            self._agree[axis] += int((np.sign(inner[..., number]) == sign * np.sign(slopes[number]))[tells].sum())
        x, y, lengths = inner[..., 0], inner[..., 1], np.hypot(inner[..., 0], inner[..., 1]) * np.hypot(*slopes)
        tells = smooth & (lengths > 1e-4)
        self._along["pixels"] += int(tells.sum())
        for name, (one, other) in {"as stored": (x, y), "exchanged": (y, x)}.items():
            self._along[name] += float((np.abs(other * slopes[1] - one * slopes[0])[tells] / lengths[tells]).sum())
        self._try_focals(inner, slopes, smooth, depth.shape)

    def _try_focals(
        self,
        normals: NDArray[np.floating],
        slopes: NDArray[np.floating],
        smooth: NDArray[np.bool_],
        size: tuple[int, ...],
    ) -> None:
        some = np.flatnonzero(smooth)
        some = some[:: max(1, len(some) // _PIXELS_PER_IMAGE)]
        x, y, z = normals.reshape(-1, 3)[some].T
        v, u = (part[1:-1, 1:-1].ravel()[some] for part in np.broadcast_arrays(*from_middle(size[:2])))
        across, down = slopes.reshape(2, -1)[:, some]
        for number, focal in enumerate(_FOCALS * size[1]):
            bottom = np.minimum(x * u - y * v - z * focal, -1e-3)
            for name, extra in (("axis", 0.0), ("ray", 1 / (focal**2 + u**2 + v**2))):
                error = np.abs(across - x / bottom + extra * u) + np.abs(down + y / bottom + extra * v)
                self._errors[name][number] += np.minimum(error * size[1], 0.5).sum()

    def contradictions(self) -> Iterator[str]:
        """What nothing but a wrong axis explains."""
        for axis in ("x", "y"):
            if self._tell[axis] >= LEAST_PIXELS and self._agree[axis] < CONTRADICTED * self._tell[axis]:
                yield (
                    f"{axis} of the normals contradicts the depth of the same pictures on "
                    f"{100 * (1 - self._agree[axis] / self._tell[axis]):.0f} % of {self._tell[axis]} pixels: it points "
                    f"{'left' if axis == 'x' else 'down'}. Say so in data.normal_axes "
                    f"({'[-x, y, z]' if axis == 'x' else '[x, -y, z]'} where it was not set), or accept it with "
                    "`trust_labels: true`"
                )

    def doubts(self) -> Iterator[str]:
        """What is odd."""
        for axis in ("x", "y"):
            tell, agree = self._tell[axis], self._agree[axis]
            if tell >= LEAST_PIXELS and CONTRADICTED * tell <= agree < DOUBTED * tell:
                yield (
                    f"{axis} of the normals agrees with the depth of the same pictures on only "
                    f"{100 * agree / tell:.0f} % of {tell} pixels: do the files belong to other pictures?"
                )
        pixels = self._along["pixels"]
        if pixels >= LEAST_PIXELS and self._along["as stored"] < 0.5 * pixels < 0.8 * self._along["exchanged"]:
            yield "x and y of the normals seem to be exchanged, as the depth of the same pictures says: see normal_axes"
        axis_error, ray_error = self._errors["axis"].min(), self._errors["ray"].min()
        if min(self._tell.values()) >= LEAST_PIXELS and ray_error < _RAY_BETTER * axis_error:
            focal = _FOCALS[self._errors["ray"].argmin()]
            yield (
                "depth fits the normals as distance along the viewing ray, not as depth along the optical axis (focal "
                f"length about {focal:.2g} of the width, {field_of_view(focal):.0f} degrees across): set "
                "`depth_along: ray`, and `depth_focal` in pixels"
            )


def _slopes(inverse: NDArray[np.floating], valid: NDArray[np.bool_]) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Relative slopes to the right and down, (2, H - 2, W - 2), and where no edge or noise is in the way."""
    middle, inner = inverse[1:-1, 1:-1], valid[1:-1, 1:-1]
    good = inner.copy()
    parts = []
    for before, after in (((1, 0), (1, 2)), ((0, 1), (2, 1))):
        low, high = (inverse[i : i + middle.shape[0], j : j + middle.shape[1]] for i, j in (before, after))
        for i, j in (before, after):
            good &= valid[i : i + middle.shape[0], j : j + middle.shape[1]]
        slope, bend = (high - low) / 2, high + low - 2 * middle
        good &= np.abs(bend) <= 0.5 * np.abs(slope) + 1e-3 * middle
        parts.append(slope / middle)
    return np.stack(parts), good & (np.abs(parts[0]) < 0.2) & (np.abs(parts[1]) < 0.2)
