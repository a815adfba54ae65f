"""Ink and fonts of contact sheets."""

from __future__ import annotations

from PIL import ImageFont

PAPER, INK, FAINT = (250, 250, 248), (40, 42, 48), (120, 124, 132)
ROW = 20
"""Height in pixels of a line of a legend."""


def font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Return the font that comes with Pillow."""
    return ImageFont.load_default(size)
