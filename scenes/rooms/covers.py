"""What covers the walls and floors of rooms."""

from __future__ import annotations

import numpy as np

from scenes.render.materials import Material, color, shaded, wood


def wall_cover(rng: np.random.Generator) -> Material:
    """Draw a wall paper or coat of paint."""
    base = color(rng, 0.62, 0.95, 0.22)
    pattern = ("plain", "plain", "plain", "plain", "stripes", "bricks")[rng.integers(6)]
    return Material(base, shaded(base, rng.uniform(0.82, 0.95)), pattern, rng.uniform(0.7, 1.3))


def flooring(rng: np.random.Generator) -> Material:
    """Draw planks, tiles or carpet."""
    kind = rng.integers(4)
    if kind < 2:
        return wood(rng, "planks")
    base = color(rng, 0.25, 0.75, 0.35)
    if kind == 2:
        return Material(base, shaded(base, rng.uniform(0.5, 0.75)), "tiles", rng.uniform(0.7, 1.2))
    return Material(base, shaded(base, rng.uniform(0.6, 0.85)), "carpet")
