"""The ray caster against a slow search that knows only which points lie inside of a solid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenes.render.builder import Builder, Frame
from scenes.render.camera import Camera, View
from scenes.render.light import Lamp, Sun
from scenes.render.materials import plain
from scenes.render.primitives import BOX, CYLINDER, ELLIPSOID, TAPERED, WHEEL, Primitives
from scenes.render.raycast import cast
from scenes.rooms.box import RoomBox

KINDS = (BOX, ELLIPSOID, CYLINDER, WHEEL, TAPERED)
ROOM = (7.0, 6.0, 3.0)
STEP = 0.004
CAMERA = Camera((0.5, 3.0, 1.5), 0.1, -0.1, 75.0)


def scene(seed: int, count: int = 12) -> Primitives:
    rng = np.random.default_rng(seed)
    builder, grey = Builder(("thing",)), plain((0.5, 0.5, 0.5))
    for number in range(count):
        half = tuple(rng.uniform(0.1, 0.5, 3).tolist())
        x, y, z = rng.uniform((1.5, 1, 0.5), (6, 5, 2.5)).tolist()
        taper = tuple(rng.uniform(-1, 1, 2).tolist())
        place = Frame(builder, x, y, float(rng.uniform(0, 6)), z)
        place._add(KINDS[number % len(KINDS)], (0.0, 0.0, 0.0), half, "thing", grey, taper)
    return builder.primitives()


def inside(solids: Primitives, k: int, points: np.ndarray) -> np.ndarray:
    """Tell which points, float64 (..., 3), lie in solid k; by the definition of the shapes."""
    offset = points - solids.centre[k].astype(float)
    yaw = np.arctan2(solids.sin[k], solids.cos[k])
    turn = np.array([[np.cos(yaw), np.sin(yaw), 0], [-np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    x, y, z = np.moveaxis(offset @ turn.T / solids.half[k], -1, 0)
    kind = solids.kind[k]
    if kind == ELLIPSOID:
        return x * x + y * y + z * z < 1
    if kind == CYLINDER:
        return (x * x + y * y < 1) & (np.abs(z) < 1)
    if kind == WHEEL:
        return (x * x + z * z < 1) & (np.abs(y) < 1)
    rise = (z + 1) / 2
    reach = [1 - t * rise if t > 0 else 1 + t * (1 - rise) for t in (solids.taper[k] if kind == TAPERED else (0, 0))]
    return (np.abs(x) < reach[0]) & (np.abs(y) < reach[1]) & (np.abs(z) < 1)


def searched(solids: Primitives, view: View, far: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Walk along the rays of the pixel centres in small steps: depth and number of the first solid (-1 = none)."""
    depth, number = far.astype(float).copy(), np.full(far.shape, -1)
    t = np.arange(0.1, 9, STEP)
    for i, j in np.ndindex(far.shape):
        way = view.forward + view.across[0, 0, j] * view.right + view.along[0, i, 0] * view.up
        points = view.origin + t[:, None] * way
        for k in range(len(solids)):
            hits = inside(solids, k, points)
            if hits.any() and t[hits.argmax()] < depth[i, j]:
                depth[i, j], number[i, j] = t[hits.argmax()], k
    return depth, number


def disagreement(seed: int, cast_solids: Primitives, solids: Primitives) -> float:
    """Share of pixels at which caster and search name different solids, or depths more than a step apart."""
    view = CAMERA.view((10, 16))
    shell = RoomBox(ROOM, np.empty((0, 4), np.float32))
    depth, surface = cast(view, shell, cast_solids)
    walls, _ = shell.cast(view)
    wanted, number = searched(solids, view, walls[0, :10, :16])
    found = surface[0, :10, :16].astype(int) - shell.count
    wrong = np.where(found < 0, -1, found) != number
    return float((wrong | (np.abs(depth[0, :10, :16] - wanted) > 2 * STEP)).mean())


@pytest.mark.parametrize("seed", range(3))
def test_first_hits_are_found(seed: int) -> None:
    solids = scene(seed)
    # A ray that only grazes a solid may leave it between two steps of the search.
    assert disagreement(seed, solids, solids) < 0.02


@pytest.mark.parametrize("column", ["taper", "half", "sin"])
def test_the_search_notices_another_shape(column: str) -> None:
    solids = scene(0)
    assert disagreement(0, replace(solids, **{column: getattr(solids, column) * np.float32(0.5)}), solids) > 0.02


def test_how_many_solids_are_tested_together_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    from scenes.render import raycast

    shell, view, solids = RoomBox(ROOM, np.empty((0, 4), np.float32)), CAMERA.view((40, 64)), scene(4, 60)
    answers = []
    for few in (0, 300, 10**9):
        monkeypatch.setattr(raycast, "_FEW_RAYS", few)
        answers.append(cast(view, shell, solids))
    for depth, surface in answers[1:]:
        np.testing.assert_array_equal(depth, answers[0][0])
        np.testing.assert_array_equal(surface, answers[0][1])


def test_a_solid_beside_the_camera_is_seen() -> None:
    """One that crosses the image plane, where a projection alone would fail."""
    builder = Builder(("thing",))
    Frame(builder, 0.0, 0.0, 0.0).box((3.0, 2.2, 0.4), (3.0, 0.5, 0.4), "thing", plain((1.0, 1.0, 1.0)))
    solids, shell = builder.primitives(), RoomBox(ROOM, np.empty((0, 4), np.float32))
    _, surface = cast(CAMERA.view((10, 16)), shell, solids)
    _, number = searched(solids, CAMERA.view((10, 16)), shell.cast(CAMERA.view((10, 16)))[0][0, :10, :16])
    assert ((surface[0, :10, :16] == shell.count) == (number == 0)).mean() > 0.98
    assert (number == 0).sum() > 10


@pytest.mark.parametrize("light", [Lamp((3.5, 3.0, 2.9), 1.0), Sun((0.48, 0.36, 0.8), 1.0)])
def test_shadows(light: Lamp | Sun) -> None:
    """Points on the floor are dark where something stands on the way to the light."""
    solids = scene(7, 15)
    rng = np.random.default_rng(1)
    points = np.stack([rng.uniform(0.5, 6.5, 400), rng.uniform(0.5, 5.5, 400), np.zeros(400)]).astype(np.float32)
    lit = light.reaches(points, np.zeros(400, np.int16), 6, solids, np.arange(15))
    start = points.T[:, None].astype(float)
    if isinstance(light, Lamp):
        way, steps = np.array(light.position) - start, np.linspace(0.01, 0.99, 700)
    else:
        way, steps = np.array(light.direction)[None, None], np.linspace(0.01, 8, 2000)
    path = start + steps[:, None] * way
    dark = np.zeros(400, bool)
    for k in range(15):
        dark |= inside(solids, k, path).any(1)
    assert (lit == ~dark).mean() > 0.985
    assert 0.05 < dark.mean() < 0.95
