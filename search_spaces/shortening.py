"""Presets with shorter lists: for strategies that cannot search all of one, for machines that cannot hold it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from search_spaces import presets

T = TypeVar("T")


def shorten(
    preset: str, widths: int | None = None, values: int | None = None, sharing: int | None = None
) -> dict[str, Any]:
    """Options of a space that shorten the lists of a preset; the kinds of choice stay.

    A one-shot strategy holds every candidate of every choice at once, and Proxyless searches no widths at all.
    `EdnasSpace(tasks, "mobile", **shorten("mobile", widths=1))` is what it can search.

    Args:
        preset: Name of a shipped preset.
        widths: At most so many numbers of channels in each list; 1 keeps the middle one.
        values: At most so many operations of a block, and so many different depths of a stage.
        sharing: At most so many ways to share, from `shared` on.

    Returns:
        Overrides of the preset, with those fields only that change.

    Raises:
        StudyError: There is no such preset.
    """
    spec = presets.load(preset)
    stages = []
    for stage in spec.stages:
        least, greatest = stage.depth
        if values is not None:
            greatest = min(greatest, least + values - 1)
        channels = _spread(stage.channels, widths)
        stages.append(
            {
                "channels": channels if len(channels) > 1 else channels[0],
                "depth": [least, greatest],
                "ops": _spread(stage.ops, values),
            }
        )
    found: dict[str, Any] = {"stages": stages} if stages else {}
    if spec.encoders and values is not None:
        found["encoders"] = list(spec.encoders[:values])
    fused = _spread(spec.fusion, widths)
    found["fusion"] = {"kinds": list(spec.fusions), "channels": fused if len(fused) > 1 else fused[0]}
    if sharing is not None:
        found["sharing"] = list(spec.sharing[:sharing])
    return found


def _spread(values: Sequence[T], most: int | None) -> list[T]:
    """At most so many of them: the middle one, or some spread evenly from the first to the last."""
    if most is None or len(values) <= most:
        return list(values)
    if most == 1:
        return [values[len(values) // 2]]
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]
