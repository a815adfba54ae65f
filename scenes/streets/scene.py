"""Composes a whole street from one seed: road, roadsides, traffic, camera, weather."""

from __future__ import annotations

import numpy as np

from ednas_nni.data.class_names import CITYSCAPES19
from scenes.render.builder import Builder, Frame
from scenes.render.camera import Camera
from scenes.render.light import Lighting, Sun
from scenes.render.materials import Material, gray, plain
from scenes.render.primitives import Primitives
from scenes.render.scene import Scene
from scenes.streets import buildings, plants, roadside, traffic
from scenes.streets.covers import asphalt
from scenes.streets.ground import SKY_M, GroundAndSky
from scenes.streets.road import LEFT, RIGHT, make_road

_MOST_CASTERS = 150
_CASTERS_END_M = 75.0
_SMALLEST_CASTER_M = 0.16


def make_scene(rng: np.random.Generator) -> Scene:
    """Build a street.

    Args:
        rng: Source of all randomness; equal state, equal scene.

    Returns:
        The scene.
    """
    road = make_road(rng)
    builder = Builder(CITYSCAPES19)
    sky, lighting = _weather(rng)
    tar = float(rng.uniform(0.14, 0.30))
    builder.shell("sky", sky)
    builder.shell("road", asphalt(tar))
    builder.shell("road", Material(gray(0.72), gray(0.5), "asphalt", 1.0))
    builder.shell("road", asphalt(tar * float(rng.uniform(0.65, 1.4))))
    builder.shell("road", plain(gray(0.3)))
    characters = roadside.sidewalks(builder, road, rng)
    for side in (RIGHT, LEFT):
        roadside.row(builder, road, side, characters[side], rng)
        roadside.kerb_side(builder, road, side, rng)
    if rng.random() < 0.6:
        buildings.skyline(builder, rng, roadside.ENDS_M + 18, road.half_width)
    else:
        plants.wood(Frame(builder, roadside.ENDS_M + 25, 0, np.pi / 2), rng, 150)
    footprints = traffic.parked(builder, road, rng) + traffic.moving(builder, road, rng)
    traffic.walkers(builder, road, footprints, rng)
    camera = Camera(
        position=(0.0, road.own_lane + float(rng.uniform(-0.3, 0.3)), float(rng.uniform(1.2, 1.6))),
        yaw=float(rng.uniform(-0.05, 0.05)),
        pitch=float(rng.uniform(-0.07, 0.0)),
        field_of_view=float(rng.uniform(56, 66)),
    )
    solids = builder.primitives()
    return Scene(
        shell=GroundAndSky(road, np.array(footprints, np.float32).reshape(-1, 4), camera.position),
        solids=solids,
        looks=builder.surfaces(),
        camera=camera,
        lighting=lighting,
        casting=_casters(solids),
    )


def _casters(solids: Primitives) -> np.ndarray:
    """Choose the solids whose shadows are worth their time: the largest that are not far away."""
    extent = np.sort(solids.half, axis=1)
    near = (solids.centre[:, 0] - solids.half[:, :2].max(1) < _CASTERS_END_M) & (solids.centre[:, 2] > 0.1)
    # Thin plates lie on what is behind them, except for awnings, balconies and signs, which stand off.
    worth = np.nonzero(near & (extent[:, 1] > _SMALLEST_CASTER_M) & (extent[:, 0] > 0.02))[0]
    order = np.argsort(-extent[worth, 1] * extent[worth, 2] / (10 + np.abs(solids.centre[worth, 0])), kind="stable")
    return worth[order[:_MOST_CASTERS]]


def _weather(rng: np.random.Generator) -> tuple[Material, Lighting]:
    """Draw sky and light: sunny, cloudy or dull, with more or less haze."""
    sunny = rng.random() < 0.65
    azimuth, elevation = rng.uniform(0, 2 * np.pi), rng.uniform(0.42, 1.05)
    flat = np.cos(elevation)
    sun = (float(np.cos(azimuth) * flat), float(np.sin(azimuth) * flat), float(np.sin(elevation)))
    if sunny:
        clear = rng.uniform(0.75, 1.0)
        zenith = (0.20 * clear, 0.42 * clear, 0.82 * clear)
        white = (0.88, 0.91, 0.95)
        strength, ambient, tint = rng.uniform(0.9, 1.2), rng.uniform(0.34, 0.46), (1.0, 0.95, 0.85)
        around = (0.88, 0.97, 1.12)
    else:
        value = rng.uniform(0.55, 0.75)
        zenith = (value * 0.93, value * 0.98, value * 1.04)
        white = (value * 1.25, value * 1.27, value * 1.29)
        strength, ambient, tint = rng.uniform(0.05, 0.25), rng.uniform(0.58, 0.75), (1.0, 0.98, 0.95)
        around = (0.97, 1.0, 1.04)
    sky = Material(zenith, white, "clouds", 1 / SKY_M, 1.0, (float(rng.uniform(0, 60)), 0.0))
    red, green, blue = (0.3 * z + 0.62 * w for z, w in zip(zenith, white, strict=True))
    lighting = Lighting(
        source=Sun(sun, float(strength)),
        tint=tint,
        ambient=float(ambient),
        hemisphere=0.4,
        ambient_tint=around,
        haze=(red, green, blue),
        haze_depth=float(rng.uniform(180, 700)),
    )
    return sky, lighting
