"""Composes a whole room from one seed: shell, furniture by kind of room, camera and light."""

from __future__ import annotations

import numpy as np

from ednas_nni.data.class_names import NYU13
from scenes.render.builder import Builder, Frame
from scenes.render.camera import Camera
from scenes.render.light import Lamp, Lighting
from scenes.render.materials import Material, color, gray, plain, shaded, wood
from scenes.render.primitives import Primitives
from scenes.render.scene import Scene
from scenes.rooms import furniture, on_walls, props
from scenes.rooms.box import RoomBox
from scenes.rooms.plan import FloorPlan

KINDS: tuple[str, ...] = ("bedroom", "living", "study", "dining")
"""Kinds of rooms, equally often."""


_SMALLEST_CASTER_M = 0.16
_MOST_CASTERS = 40


def make_scene(rng: np.random.Generator) -> Scene:
    """Furnish a room.

    Args:
        rng: Source of all randomness; equal state, equal scene.

    Returns:
        The scene.
    """
    room = (float(rng.uniform(3.3, 5.6)), float(rng.uniform(3.0, 4.8)), float(rng.uniform(2.35, 2.8)))
    builder = Builder(NYU13)
    _shell(builder, rng)
    kind = KINDS[rng.integers(len(KINDS))]
    plan, walls = FloorPlan(builder, room, rng), on_walls.Walls(builder, room, rng)
    _furnish(kind, plan, rng)
    _decorate(kind, walls, rng)
    if rng.random() < 0.35:
        middle = Frame(builder, room[0] * rng.uniform(0.45, 0.65), room[1] / 2, rng.choice((0.0, np.pi / 2)))
        on_walls.rug(middle, rng, rng.uniform(0.6, 1.1), rng.uniform(0.5, 0.9))
    camera = _camera(room, rng)
    solids = builder.primitives()
    return Scene(
        shell=RoomBox(room, np.array(plan.footprints, np.float32).reshape(-1, 4)),
        solids=solids,
        looks=builder.surfaces(),
        camera=camera,
        lighting=_lighting(room, camera.yaw, rng),
        casting=_casters(solids),
    )


def _casters(solids: Primitives) -> np.ndarray:
    """Choose the solids whose shadows are worth their time: the largest, by their second half extent."""
    extent = np.sort(solids.half, axis=1)
    # Flat things on walls and floors (windows, rugs) would only shadow what they touch.
    worth = np.nonzero((extent[:, 1] > _SMALLEST_CASTER_M) & (extent[:, 0] > 0.02))[0]
    order = np.argsort(-extent[worth, 1] * extent[worth, 2], kind="stable")
    return worth[order[:_MOST_CASTERS]]


def _shell(builder: Builder, rng: np.random.Generator) -> None:
    builder.shell("floor", _flooring(rng))
    builder.shell("ceiling", plain(gray(rng.uniform(0.85, 1.0))))
    cover = _wall_cover(rng)
    accent = _wall_cover(rng) if rng.random() < 0.3 else cover
    for wall in range(4):
        builder.shell("wall", accent if wall == 1 else cover)


def _furnish(kind: str, plan: FloorPlan, rng: np.random.Generator) -> None:
    def maybe(chance: float) -> bool:
        return bool(rng.random() < chance)

    if kind == "bedroom":
        furniture.bed(plan, rng)
        if maybe(0.25):
            furniture.bed(plan, rng)
    elif kind == "living":
        furniture.sofa(plan, rng)
        if maybe(0.6):
            furniture.sofa(plan, rng)
        if maybe(0.9):
            furniture.coffee_table(plan, rng)
    elif kind == "study":
        furniture.desk(plan, rng)
        if maybe(0.25):
            furniture.desk(plan, rng)
        furniture.bookshelf(plan, rng)
        if maybe(0.3):
            furniture.coffee_table(plan, rng)
        if maybe(0.3):
            furniture.bed(plan, rng)
    else:
        furniture.dining(plan, rng)
        if maybe(0.25):
            furniture.dining(plan, rng)
        if maybe(0.3):
            furniture.sofa(plan, rng)
    for _ in range(int(rng.integers(1, 3))):
        top = furniture.cabinet(plan, rng)
        if top is not None:
            _on_top(top, rng, screen=0.6 if kind == "living" else 0.3)
    if maybe(0.5):
        furniture.bookshelf(plan, rng)
    for _ in range(int(rng.integers(0, 2))):
        place = plan.anywhere(0.25, 0.25)
        if place is not None:
            furniture.chair(place, rng)
    for _ in range(int(rng.integers(1, 4))):
        place = plan.at_wall(0.25, 0.25) if maybe(0.5) else plan.anywhere(0.25, 0.25)
        if place is not None:
            props.on_floor(place, rng)


def _on_top(top: Frame, rng: np.random.Generator, screen: float) -> None:
    if rng.random() < screen:
        props.screen(top, rng, rng.uniform(0.35, 0.6))
        return
    if rng.random() < 0.5:
        props.book_row(top.at(-0.12, 0), rng, 0.2, 0.3)
        props.small(top.at(0.25, 0), rng, 1.0)
    else:
        props.small(top.at(-0.18, 0), rng, 1.3)
        props.small(top.at(0.2, 0.02), rng, 1.0)


def _decorate(kind: str, walls: on_walls.Walls, rng: np.random.Generator) -> None:
    if rng.random() < 0.3:
        on_walls.door(walls, rng)
    for _ in range(int(rng.integers(1, 3))):
        on_walls.window(walls, rng)
    if kind == "dining" and rng.random() < 0.6:
        on_walls.wall_cupboard(walls, rng)
    if kind == "study" and rng.random() < 0.6:
        on_walls.wall_shelf(walls, rng)
    if rng.random() < (0.45 if kind == "living" else 0.2):
        on_walls.television(walls, rng)
    for _ in range(int(rng.integers(1, 4))):
        on_walls.picture(walls, rng)


def _camera(room: tuple[float, float, float], rng: np.random.Generator) -> Camera:
    x, y = float(rng.uniform(0.25, 0.7)), float(rng.uniform(0.25, 0.75) * room[1])
    towards = np.arctan2(room[1] / 2 - y, room[0] * 0.55)
    return Camera(
        position=(x, y, float(rng.uniform(1.25, 1.6))),
        yaw=float(towards + rng.uniform(-0.28, 0.28)),
        pitch=float(rng.uniform(-0.32, 0.05)),
        field_of_view=float(rng.uniform(70, 76)),
    )


def _lighting(room: tuple[float, float, float], heading: float, rng: np.random.Generator) -> Lighting:
    warm = rng.uniform(0.0, 1.0)
    # People photograph with the window behind them: the day lights what faces the camera.
    angle = heading + np.pi + rng.uniform(-0.5, 0.5)
    sky = np.array([np.cos(angle), np.sin(angle), 0.35])
    sky /= np.linalg.norm(sky)
    position = (float(rng.uniform(0.3, 0.75) * room[0]), float(rng.uniform(0.25, 0.75) * room[1]), room[2] - 0.15)
    return Lighting(
        source=Lamp(position, float(rng.uniform(0.6, 1.1))),
        ambient=float(rng.uniform(0.2, 0.34)),
        tint=(1.0, float(1 - 0.08 * warm), float(1 - 0.25 * warm)),
        side=(float(sky[0]), float(sky[1]), float(sky[2])),
        side_strength=float(rng.uniform(0.2, 0.4)),
    )


def _wall_cover(rng: np.random.Generator) -> Material:
    """Draw a wall paper or coat of paint."""
    base = color(rng, 0.62, 0.95, 0.22)
    pattern = ("plain", "plain", "plain", "plain", "stripes", "bricks")[rng.integers(6)]
    return Material(base, shaded(base, rng.uniform(0.82, 0.95)), pattern, rng.uniform(0.7, 1.3))


def _flooring(rng: np.random.Generator) -> Material:
    """Draw planks, tiles or carpet."""
    kind = rng.integers(4)
    if kind < 2:
        return wood(rng, "planks")
    base = color(rng, 0.25, 0.75, 0.35)
    if kind == 2:
        return Material(base, shaded(base, rng.uniform(0.5, 0.75)), "tiles", rng.uniform(0.7, 1.2))
    return Material(base, shaded(base, rng.uniform(0.6, 0.85)), "carpet")
