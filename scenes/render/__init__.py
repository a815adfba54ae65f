"""A small ray caster that draws a picture with exact targets from a scene; shared by `rooms` and `streets`.

Read in this order: `primitives` and `builder` (what a scene is made of), `camera`, `raycast` (what each ray
meets), `surfaces` (normals and surface coordinates), `materials` and `textures`, `light` and `shade` (how it
looks) and `picture` (all of it, to the photograph). A flavour of scenes brings a shell (`shell`: what
closes the scene behind all solids), its scene-making and its classes.
"""

from __future__ import annotations
