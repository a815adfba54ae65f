"""What a picture is rendered from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenes.render.builder import Surfaces
from scenes.render.camera import Camera
from scenes.render.light import Lighting
from scenes.render.primitives import Primitives
from scenes.render.shell import Shell


@dataclass(frozen=True)
class Scene:
    """Everything a picture is rendered from; independent of the picture's size.

    Attributes:
        shell: What lies behind the solids.
        solids: What stands in the scene.
        looks: Class and material by surface number (the shell's surfaces, then one per solid).
        camera: Where the picture is taken.
        lighting: The light.
        casting: int (J,), the solids whose shadows are worth their time.
    """

    shell: Shell
    solids: Primitives
    looks: Surfaces
    camera: Camera
    lighting: Lighting
    casting: np.ndarray
