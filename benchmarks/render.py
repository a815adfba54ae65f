"""Images per CPU-second of rooms and streets, with and without shadows, at two sizes.

    python benchmarks/render.py [--prototype FILE.py] [--rounds 5] [--images 12] [--json FILE]

A round draws the same number of images with every renderer, one after the other, so that a busy machine slows all of
them alike; the figure is the median over rounds of process CPU time. With --prototype, a file that has functions
indoor(seed, H, W, shadow) and street(...), each case is also measured with it in the same rounds, and the
ratio is the median of the ratios within rounds.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

# This file is called like a package of what it measures: its own folder comes last.
sys.path[:] = [*sys.path[1:], sys.path[0]]

SIZES = ((64, 128), (128, 256))
Draw = Callable[[int], object]


def cases(prototype: ModuleType | None) -> dict[str, tuple[Draw, Draw | None]]:
    """Return, by name, what draws the image of a seed: ours and the prototype's."""
    from scenes.rooms.source import render as room
    from scenes.streets.source import render as street

    found: dict[str, tuple[Draw, Draw | None]] = {}
    for name, ours, theirs in (("rooms", room, "indoor"), ("streets", street, "street")):
        for height, width in SIZES:
            for shadows in (False, True):
                mine = functools.partial(ours, size=(height, width), shadows=shadows)
                other = None
                if prototype is not None:
                    other = functools.partial(getattr(prototype, theirs), H=height, W=width, shadow=shadows)
                found[f"{name}, {height} x {width}, {'shadows' if shadows else 'no shadows'}"] = (mine, other)
    return found


def per_second(draw: Draw, seeds: range) -> float:
    """Draw the images of some seeds and return how many come out of a second of this process's CPU time."""
    start = time.process_time()
    for seed in seeds:
        draw(seed)
    return len(seeds) / (time.process_time() - start)


def measure(prototype: ModuleType | None, rounds: int, images: int) -> dict[str, dict[str, float]]:
    """Return images per CPU-second (and the ratio to the prototype) of each case."""
    measured: dict[str, dict[str, float]] = {}
    for name, (ours, theirs) in cases(prototype).items():
        speeds, others = [], []
        for number in range(-1, rounds):
            seeds = range((number + 1) * images, (number + 2) * images)
            mine = per_second(ours, seeds if number >= 0 else range(2))
            other = per_second(theirs, seeds if number >= 0 else range(2)) if theirs else None
            if number >= 0:  # the round before the first warms up
                speeds.append(mine)
                others += [other] if other else []
        row = {"images_per_cpu_s": statistics.median(speeds)}
        if others:
            row["prototype_images_per_cpu_s"] = statistics.median(others)
            row["ratio"] = statistics.median(a / b for a, b in zip(speeds, others, strict=True))
        measured[name] = row
        text = f"{name:32s} {row['images_per_cpu_s']:7.1f} images per CPU-s"
        if others:
            text += f"   prototype {row['prototype_images_per_cpu_s']:6.1f}   ratio {row['ratio']:5.2f}"
        print(text, flush=True)
    return measured


def load(path: Path) -> ModuleType:
    """Import a file by its path.

    Raises:
        SystemExit: It is not there or lacks the functions.
    """
    if not path.is_file():
        raise SystemExit(f"--prototype {path}: there is no such file")
    spec = importlib.util.spec_from_file_location("prototype", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if missing := [name for name in ("indoor", "street") if not hasattr(module, name)]:
        raise SystemExit(f"--prototype {path}: it lacks {' and '.join(missing)}(seed, H, W, shadow)")
    return module


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--prototype", type=Path, help="a renderer to compare with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=12, help="per round and case")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    prototype = load(arguments.prototype) if arguments.prototype else None
    measured = measure(prototype, arguments.rounds, arguments.images)
    if arguments.json:
        facts = {"numpy": np.__version__, "python": sys.version.split()[0], "cases": measured}
        arguments.json.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
