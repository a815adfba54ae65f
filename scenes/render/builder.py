"""Collects solids while a scene is made, and hands them over as columns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scenes.render import textures
from scenes.render.materials import Material
from scenes.render.primitives import BOX, CYLINDER, ELLIPSOID, TAPERED, WHEEL, Primitives

_PATTERN = {name: index for index, name in enumerate(textures.NAMES)}
_UPRIGHT = (0.0, 0.0)
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
        shift: float32 (2, S), where the pattern begins, in its scaled coordinates.
        glow: float32 (S,), share of own light.
    """

    label: np.ndarray
    first: np.ndarray
    second: np.ndarray
    pattern: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    glow: np.ndarray


class Builder:
    """Collects surfaces: first those of the shell, then one per solid."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        """Start empty.

        Args:
            classes: Names that surfaces may carry; the index is the label.
        """
        self._label = {name: index for index, name in enumerate(classes)}
        # Flat lists: numpy turns ten thousand floats into one array faster than a thousand tuples.
        self._solids: list[float] = []
        self._looks: list[float] = []
        self._shifts: list[tuple[int, tuple[float, float]]] = []
        self._count = 0

    def shell(self, label: str, material: Material) -> None:
        """Add one surface of the shell; called for each of them before any solid."""
        self._surface(label, material)

    def _surface(self, label: str, material: Material) -> None:
        first, second, pattern, scale, glow, shift = material
        self._looks += (self._label[label], *first, *second, _PATTERN[pattern], scale, glow)
        if shift is not None:
            self._shifts.append((self._count, shift))
        self._count += 1

    def solid(
        self,
        kind: int,
        centre: Vector,
        half: Vector,
        yaw: float,
        label: str,
        material: Material,
        taper: tuple[float, float] = _UPRIGHT,
    ) -> None:
        """Add one solid in scene coordinates (metres, radians)."""
        self._solids += (kind, *centre, *half, yaw, *taper)
        self._surface(label, material)

    def primitives(self) -> Primitives:
        """Return the solids as columns."""
        rows = np.array(self._solids, np.float64).reshape(-1, 10)
        single = rows.astype(np.float32)
        return Primitives(
            kind=rows[:, 0].astype(np.int8),
            centre=single[:, 1:4].copy(),
            half=single[:, 4:7].copy(),
            cos=np.cos(rows[:, 7]).astype(np.float32),
            sin=np.sin(rows[:, 7]).astype(np.float32),
            taper=single[:, 8:].copy(),
        )

    def surfaces(self) -> Surfaces:
        """Return the look of all surfaces as columns."""
        rows = np.array(self._looks, np.float64).reshape(-1, 10)
        columns = rows.T.astype(np.float32)
        # A shift per surface keeps two pieces of the same wood from being twins.
        number = np.arange(self._count, dtype=np.float32)
        shifts = np.stack([number * np.float32(7.31), number * np.float32(3.17)])
        for index, chosen in self._shifts:
            shifts[:, index] = chosen
        return Surfaces(
            label=rows[:, 0].astype(np.uint8),
            first=columns[1:4],
            second=columns[4:7],
            pattern=rows[:, 7].astype(np.int8),
            scale=columns[8],
            shift=shifts,
            glow=columns[9],
        )


class Frame:
    """A place in the scene with its own axes: x to the side, y to the front, z up.

    Attributes:
        builder: Where solids go.
        x: Origin in the scene, metres.
        y: Origin in the scene, metres.
        yaw: Turn about the vertical axis in radians.
        z: Height of the origin, metres.
    """

    __slots__ = ("_cos", "_sin", "builder", "x", "y", "yaw", "z")

    def __init__(self, builder: Builder, x: float, y: float, yaw: float, z: float = 0.0) -> None:
        """Place the frame."""
        self.builder, self.x, self.y, self.yaw, self.z = builder, x, y, yaw, z
        self._cos, self._sin = math.cos(yaw), math.sin(yaw)

    def at(self, x: float, y: float, z: float = 0.0, yaw: float = 0.0) -> Frame:
        """Return a frame at a place given in this frame."""
        cos, sin = self._cos, self._sin
        return Frame(self.builder, self.x + cos * x - sin * y, self.y + sin * x + cos * y, self.yaw + yaw, self.z + z)

    def _add(
        self, kind: int, centre: Vector, half: Vector, label: str, material: Material, taper: tuple[float, float]
    ) -> None:
        x, y, z = centre
        cos, sin = self._cos, self._sin
        place = (self.x + cos * x - sin * y, self.y + sin * x + cos * y, self.z + z)
        self.builder.solid(kind, place, half, self.yaw, label, material, taper)

    def box(self, centre: Vector, half: Vector, label: str, material: Material) -> None:
        """Add a box; centre and half extents in metres in this frame."""
        self._add(BOX, centre, half, label, material, _UPRIGHT)

    def ellipsoid(self, centre: Vector, half: Vector, label: str, material: Material) -> None:
        """Add an ellipsoid."""
        self._add(ELLIPSOID, centre, half, label, material, _UPRIGHT)

    def cylinder(self, centre: Vector, half: Vector, label: str, material: Material) -> None:
        """Add an upright cylinder."""
        self._add(CYLINDER, centre, half, label, material, _UPRIGHT)

    def wheel(self, centre: Vector, half: Vector, label: str, material: Material) -> None:
        """Add a cylinder that lies along this frame's y axis."""
        self._add(WHEEL, centre, half, label, material, _UPRIGHT)

    def tapered(self, centre: Vector, half: Vector, taper: tuple[float, float], label: str, material: Material) -> None:
        """Add a box whose top is narrower than its bottom by the shares `taper` of x and y.

        0 = upright, 1 = a ridge; negative shares make the bottom narrower instead.
        """
        self._add(TAPERED, centre, half, label, material, taper)
