"""The worlds of the claims: two rendered ones, and real images where their folder is at hand."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

RENDERED: dict[str, dict[str, Any]] = {
    "rooms": {"data": "rooms", "train_size": [64, 128]},
    "streets": {"data": {"name": "streets", "depth": "metric"}, "train_size": [64, 128]},
}
WORLDS = (*RENDERED, "nyuv2", "cityscapes")
TASKS = ["segmentation", "depth", "normals"]


def part(world: str, folder: Path | None) -> dict[str, Any]:
    """`data`, `train_size` and `tasks` of a study on a world.

    Args:
        world: One of `WORLDS`.
        folder: Of real images: of CityScapes as it is downloaded; of NYUv2 as the data set `nyuv2` reads it, or
            frames as `manifest` says.

    Raises:
        SystemExit: Real images without a folder.
    """
    if world in RENDERED:
        return {**RENDERED[world], "tasks": TASKS}
    if folder is None or not folder.is_dir():
        raise SystemExit(f"--data {folder}: {world} needs its folder of real images (benchmarks/worlds.py)")
    if world == "cityscapes":
        data = {"name": "cityscapes", "folder": str(folder.resolve()), "depth": "metric"}
        return {"data": data, "train_size": [128, 256], "tasks": TASKS[:2]}
    if not (folder / "suggested_split.csv").exists():
        return {"data": {"name": "nyuv2", "folder": str(folder.resolve())}, "train_size": [96, 128], "tasks": TASKS}
    from ednas_nni.data.cache import cache_root

    place = cache_root() / "benchmarks" / world
    manifest(folder.resolve(), place)
    camera = str(folder.resolve() / "camera.json")
    data = {"name": "manifest", "folder": str(place), "allow_outside": True, "normals": "from_depth", "camera": camera}
    return {"data": data, "train_size": [96, 128], "tasks": TASKS}


def compound(world: str, **fields: object) -> dict[str, object]:
    """The space `compound` as a world's images allow it: three quarters of 96 x 128 do not fit its stride of 16."""
    return {"name": "compound", **({"resolution": [1, 0.5]} if world == "nyuv2" else {}), **fields}


def manifest(data: Path, folder: Path) -> None:
    """Describe a folder of NYUv2 frames for the data set `manifest`.

    It holds image/, segmentation13/ and depth/ (16-bit millimetres), classes13.txt, groups.csv and suggested_split.csv
    (name and split; splits by groups of whole scenes).
    """
    columns: dict[str, dict[str, str]] = {}
    for name in ("suggested_split", "groups"):
        with (data / f"{name}.csv").open() as file:
            columns[name] = {row[0]: row[1] for row in list(csv.reader(file))[1:]}
    lines = ["image,seg,depth,depth_kind,depth_scale,group,split"]
    for frame, split in columns["suggested_split"].items():
        image, classes, depth = (
            data / name for name in (f"image/{frame}.jpg", f"segmentation13/{frame}.png", f"depth/{frame}.png")
        )
        lines.append(f"{image},{classes},{depth},metric,0.001,{columns['groups'][frame]},{split}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    (folder / "classes.txt").write_text((data / "classes13.txt").read_text())
