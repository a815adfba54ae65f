"""Normals of a manifest that are computed from its depth, against planes whose normals are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data_sets.manifest import Manifest
from ednas_nni.errors import DataError

CAMERA = {"width": 64, "height": 48, "fx": 60.0, "fy": 55.0, "cx": 30.0, "cy": 20.0}
PLANES = [(0.05, 0.2, 0.3), (-0.1, 0.1, 0.4), (0.0, 0.0, 0.5), (0.1, 0.25, 0.35)]
"""Of inverse depth over the image position, in 1/m: a x + b y + c."""
OPTIONS: dict[str, Any] = {"normals": "from_depth", "camera": CAMERA}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plane for each split, without depth in one corner."""
    lines = ["image,depth,depth_scale,group,split"]
    for number, (split, (a, b, c)) in enumerate(zip(("train", "search", "select", "test"), PLANES, strict=True)):
        v, u = np.mgrid[:48, :64].astype(float)
        depth = 1 / (a * (u - CAMERA["cx"]) / CAMERA["fx"] + b * (v - CAMERA["cy"]) / CAMERA["fy"] + c)
        stored = np.rint(depth * 5000).astype(np.uint16)
        stored[:4, :4] = 0
        Image.fromarray(np.full((48, 64, 3), 90, np.uint8)).save(tmp_path / f"{number}.png")
        Image.fromarray(stored).save(tmp_path / f"d{number}.png")
        lines.append(f"{number}.png,d{number}.png,0.0002,g{number},{split}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def source(folder: Path, **options: Any) -> Manifest:
    return Manifest(folder, (48, 64), cache=folder / "cache", **options)


def degrees(normals: np.ndarray, plane: tuple[float, float, float]) -> np.ndarray:
    """Angles of the inner, valid normals to the plane's."""
    a, b, c = plane
    wanted = np.array([-a, b, c]) / np.linalg.norm([a, b, c])
    inner = normals[8:-8, 8:-8].astype(np.float64)
    assert inner.any(-1).all()
    return np.degrees(np.arccos((inner @ wanted).clip(-1, 1)))


def test_planes(folder: Path) -> None:
    """A wrong focal length is noticed."""
    data, wrong = source(folder, **OPTIONS), source(folder, normals="from_depth", camera={**CAMERA, "fy": 110.0})
    assert data.info.targets == ("depth", "normals")
    for name, plane in zip(("train", "search", "select", "test"), PLANES, strict=True):
        normals = np.asarray(data.split(name, opened_by="a test").normals[0], np.float32)
        assert degrees(normals, plane).mean() < 1
        assert not normals[:3, :3].any(), "no depth, no normal"
    assert degrees(np.asarray(wrong.split("train").normals[0], np.float32), PLANES[0]).mean() > 5


def test_a_camera_of_another_size_is_that_of_the_same_view(folder: Path) -> None:
    twice = {"width": 128, "height": 96, "fx": 120.0, "fy": 110.0, "cx": 60.5, "cy": 40.5}
    (folder / "camera.json").write_text(json.dumps(twice))
    one, other = source(folder, **OPTIONS), source(folder, normals="from_depth", camera="camera.json")
    assert np.array_equal(one.split("train").normals[0], other.split("train").normals[0])
    assert one.info.fingerprint != other.info.fingerprint != source(folder).info.fingerprint


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"normals": "from_depths", "camera": CAMERA}, "must be stored or from_depth"),
        ({"normals": "from_depth"}, "needs the option `camera`"),
        ({"camera": CAMERA}, "needs the option `camera`, and no other normals do"),
        ({"normals": "from_depth", "camera": {**CAMERA, "fx": 0}}, "fx is 0"),
        ({"normals": "from_depth", "camera": {"fx": 1.0}}, "width is None"),
        ({"normals": "from_depth", "camera": "gone.json"}, "gone.json cannot be read"),
    ],
)
def test_messages(folder: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        _ = source(folder, **options).info
    inverse = (folder / "manifest.csv").read_text().replace("depth_scale", "depth_kind").replace("0.0002", "inverse")
    (folder / "manifest.csv").write_text(inverse)
    with pytest.raises(DataError, match="needs a column depth, of the kind metric"):
        _ = source(folder, **OPTIONS).info


def test_a_turned_picture_has_another_camera(folder: Path) -> None:
    """Where its middle lies, nobody knows: stretched to it, the camera would turn every normal."""
    for kind in ("", "d"):
        path = folder / f"{kind}0.png"
        Image.fromarray(np.rot90(np.array(Image.open(path)))).save(path)
    with pytest.raises(DataError, match=r"d0.png: is 64 x 48, the camera is for 48 x 64"):
        source(folder, **OPTIONS, fit="letterbox").prepare()
