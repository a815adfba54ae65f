"""Collects solids while a room is furnished, and hands them over as columns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ednas_nni.data.rooms import textures
from ednas_nni.data.rooms.materials import Material
from ednas_nni.data.rooms.primitives import BOX, CYLINDER, ELLIPSOID, Primitives

CLASSES: tuple[str, ...] = (
    "bed", "books", "ceiling", "chair", "floor", "furniture", "objects", "picture", "sofa", "table", "tv", "wall",
    "window",
)  # fmt: skip
"""The 13 classes of NYUv2 in the alphabetical order of Couprie et al., "Indoor semantic segmentation using depth
information", ICLR 2013."""

_LABEL = {name: index for index, name in enumerate(CLASSES)}
_PATTERN = {name: index for index, name in enumerate(textures.NAMES)}
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Surfaces:
    """What S surfaces look like, one row each; the row is the surface number.

    Attributes:
        label: uint8 (S,), class index.
        first: float32 (3, S), first colour.
        second: float32 (3, S), second colour.
        pattern: int8 (S,), index into the texture names.
        scale: float32 (S,), factor on the pattern's frequency.
        glow: float32 (S,), share of own light.
    """

    label: np.ndarray
    first: np.ndarray
    second: np.ndarray
    pattern: np.ndarray
    scale: np.ndarray
    glow: np.ndarray


class Builder:
    """Collects surfaces: first the six of the room's shell, then one per solid."""

    def __init__(self) -> None:
        """Start empty."""
        self._solids: list[tuple[int, Vector, Vector, float]] = []
        self._surfaces: list[tuple[str, Material]] = []

    def shell(self, label: str, material: Material) -> None:
        """Add one surface of the shell; called six times before any solid."""
        self._surfaces.append((label, material))

    def solid(self, kind: int, centre: Vector, half: Vector, yaw: float, label: str, material: Material) -> None:
        """Add one solid in room coordinates (metres, radians)."""
        self._solids.append((kind, centre, half, yaw))
        self._surfaces.append((label, material))

    def primitives(self) -> Primitives:
        """Return the solids as columns."""
        count = len(self._solids)
        yaw = np.array([s[3] for s in self._solids], np.float64)
        return Primitives(
            kind=np.array([s[0] for s in self._solids], np.int8),
            centre=np.array([s[1] for s in self._solids], np.float32).reshape(count, 3),
            half=np.array([s[2] for s in self._solids], np.float32).reshape(count, 3),
            cos=np.cos(yaw).astype(np.float32),
            sin=np.sin(yaw).astype(np.float32),
        )

    def surfaces(self) -> Surfaces:
        """Return the look of all surfaces as columns."""
        materials = [material for _, material in self._surfaces]
        return Surfaces(
            label=np.array([_LABEL[label] for label, _ in self._surfaces], np.uint8),
            first=np.array([m.first for m in materials], np.float32).T.copy(),
            second=np.array([m.second for m in materials], np.float32).T.copy(),
            pattern=np.array([_PATTERN[m.pattern] for m in materials], np.int8),
            scale=np.array([m.scale for m in materials], np.float32),
            glow=np.array([m.glow for m in materials], np.float32),
        )


@dataclass(frozen=True)
class Frame:
    """A place in the room with its own axes: x to the side, y to the front, z up.

    Attributes:
        builder: Where solids go.
        x: Origin in the room, metres.
        y: Origin in the room, metres.
        yaw: Turn about the vertical axis in radians.
        z: Height of the origin, metres.
    """

    builder: Builder
    x: float
    y: float
    yaw: float
    z: float = 0.0

    def at(self, x: float, y: float, z: float = 0.0, yaw: float = 0.0) -> Frame:
        """Return a frame at a place given in this frame."""
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        return Frame(self.builder, self.x + cos * x - sin * y, self.y + sin * x + cos * y, self.yaw + yaw, self.z + z)

    def _add(self, kind: int, centre: Vector, half: Vector, label: str, material: Material) -> None:
        place = self.at(*centre)
        self.builder.solid(kind, (place.x, place.y, place.z), half, self.yaw, label, material)

    def box(self, centre: Vector, half: Vector, label: str, material: Material) -> None:
        """Add a box; centre and half extents in metres in this frame."""
        self._add(BOX, centre, half, label, material)

    def ellipsoid(self, centre: Vector, half: Vector, label: str, material: Material) -> None:
        """Add an ellipsoid."""
        self._add(ELLIPSOID, centre, half, label, material)

    def cylinder(self, centre: Vector, half: Vector, label: str, material: Material) -> None:
        """Add an upright cylinder."""
        self._add(CYLINDER, centre, half, label, material)
