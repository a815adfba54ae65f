"""The worlds of the claims: two rendered ones, and real images where their folder is at hand."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

RENDERED: dict[str, dict[str, Any]] = {
    "rooms": {"data": "rooms", "train_size": [64, 128]},
    "streets": {"data": {"name": "streets", "depth": "metric"}, "train_size": [64, 128]},
}
WORLDS = (*RENDERED, "nyuv2", "cityscapes", "camvid")
TASKS = ["segmentation", "depth", "normals"]
FULL_WEIGHT = {"depth_loss": "jared"}
"""Options of the evaluator in scripts whose committed rows were made when this loss was the default."""


def part(world: str, folder: Path | None) -> dict[str, Any]:
    """`data`, `train_size` and `tasks` of a study on a world.

    Args:
        world: One of `WORLDS`.
        folder: Of real images: of CityScapes as it is downloaded; of NYUv2 as the data set `nyuv2` reads it, or
            frames as `nyuv2_frames` says; of CamVid as `camvid_frames` says, whose tasks are classes and their borders.

    Raises:
        SystemExit: Real images without a folder.
    """
    if world in RENDERED:
        return {**RENDERED[world], "tasks": TASKS}
    if folder is None or not folder.is_dir():
        raise SystemExit(f"--data {folder}: {world} needs its folder of real images (benchmarks/worlds.py)")
    from ednas_nni.data.cache import cache_root

    if world == "cityscapes":
        city = {"name": "cityscapes", "folder": str(folder.resolve()), "depth": "metric"}
        return {"data": city, "train_size": [128, 256], "tasks": TASKS[:2]}
    place = cache_root() / "benchmarks" / world
    data: dict[str, Any] = {"name": "manifest", "folder": str(place), "allow_outside": True}
    if world == "camvid":
        described(place, camvid_frames(folder.resolve()), folder / "classes.txt")
        return {"data": data, "train_size": [96, 128], "tasks": ["segmentation", "edges"]}
    if not (folder / "suggested_split.csv").exists():
        return {"data": {"name": "nyuv2", "folder": str(folder.resolve())}, "train_size": [96, 128], "tasks": TASKS}
    described(place, nyuv2_frames(folder.resolve()), folder / "classes13.txt")
    data |= {"normals": "from_depth", "camera": str(folder.resolve() / "camera.json")}
    return {"data": data, "train_size": [96, 128], "tasks": TASKS}


def compound(world: str, **fields: object) -> dict[str, object]:
    """The space `compound` as a world's images allow it: three quarters of 96 x 128 do not fit its stride of 16."""
    return {"name": "compound", **({"resolution": [1, 0.5]} if world in ("nyuv2", "camvid") else {}), **fields}


def described(folder: Path, lines: list[str], classes: Path) -> None:
    """Write a folder of the data set `manifest`; trainings side by side do so and read it at the same time."""
    from ednas_nni.record.whole_file import write_whole

    for name, text in {"manifest.csv": "\n".join(lines) + "\n", "classes.txt": classes.read_text()}.items():
        if not (folder / name).exists() or (folder / name).read_text() != text:
            write_whole(folder / name, text)


def nyuv2_frames(data: Path) -> list[str]:
    """The manifest of a folder of NYUv2 frames.

    It holds image/, segmentation13/ and depth/ (16-bit millimetres), classes13.txt, groups.csv and suggested_split.csv
    (name and split; splits by groups of whole scenes).
    """
    splits, groups = (_column(data / f"{name}.csv") for name in ("suggested_split", "groups"))
    lines = ["image,seg,depth,depth_kind,depth_scale,group,split"]
    for frame, split in splits.items():
        files = f"{data}/image/{frame}.jpg,{data}/segmentation13/{frame}.png,{data}/depth/{frame}.png"
        lines.append(f"{files},metric,0.001,{groups[frame]},{split}")
    return lines


def camvid_frames(data: Path) -> list[str]:
    """The manifest of a folder of CamVid frames.

    It holds image/, segmentation/, classes.txt and official_split.csv (name and split). Its four sequences are too few
    for splits by whole ones: `search` and `select` are cut in blocks of neighbouring frames, and a block's neighbours
    look like it.
    """
    lines = ["image,seg,split"]
    for frame, split in _column(data / "official_split.csv").items():
        kept = "test" if split == "test" else ""
        lines.append(f"{data}/image/{frame}.jpg,{data}/segmentation/{frame}.png,{kept}")
    return lines


def _column(path: Path) -> dict[str, str]:
    with path.open() as file:
        return {row[0]: row[1] for row in list(csv.reader(file))[1:]}
