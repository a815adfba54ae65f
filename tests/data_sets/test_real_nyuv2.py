"""Four real NYUv2 frames in AdaShare's layout, where the machine has them; and normals computed from depth.

The frames are not part of the repository: set ``EDNAS_ADASHARE_SAMPLES`` to a folder with img, seg, normal_mask, depth.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_sets.adashare import AdaShare
from data_sets.geometry import NYUV2, Intrinsics, normals_from_depth
from ednas_nni.data.agreement import GeometrySums

SAMPLES = Path(
    os.environ.get("EDNAS_ADASHARE_SAMPLES")
    or Path(__file__).resolve().parents[4] / "shared" / "data" / "nyuv2_adashare_samples"
)
NAMES = ("0061", "0295", "0774", "1314")


def degrees(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    valid = length > 0
    return np.degrees(np.arccos(np.clip((one * other).sum(-1)[valid] / length[valid], -1, 1)))


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> AdaShare:
    if not (SAMPLES / "img").is_dir():
        pytest.skip("the real frames are not on this machine")
    root = tmp_path_factory.mktemp("frames")
    for name in ("img", "seg", "normal_mask", "depth"):
        (root / name).symlink_to(SAMPLES / name)
    entries = [[f"img/{n}.png", f"seg/{n}.png", f"normal_mask/{n}.png", f"depth/{n}.npy"] for n in NAMES]
    (root / "nyu_v2_3task.json").write_text(json.dumps({"train": entries[:3], "test": entries[3:]}))
    return AdaShare(root, (480, 640), cache=root / "cache")


def test_real_frames(frames: AdaShare) -> None:
    assert frames.info.num_classes == 40
    for name in ("train", "search", "select", "test"):
        split = frames.split(name, opened_by="a test")
        depth, normals, labels = split.depth[0], np.asarray(split.normals[0], np.float32), split.segmentation[0]
        assert 0.5 < depth[depth > 0].min() < depth.max() < 10
        assert 0.1 < (labels == 255).mean() < 0.22
        assert 0.2 < (~normals.any(-1)).mean() < 0.4
        assert np.linalg.norm(normals[normals.any(-1)], axis=-1).mean() == pytest.approx(0.99, abs=0.01)
        # The bytes can be had back, so AdaShare's own protocol sees what its program sees.
        stored = np.asarray(Image.open(frames.records[name][0].files["normals"]))
        again = np.rint((np.stack([normals[..., 0], -normals[..., 2], normals[..., 1]], -1) + 1) * 127.5)
        valid = (stored != 255).any(-1)
        assert (normals.any(-1) == valid).all()
        assert (again[valid] == stored[valid]).all()


def test_stored_normals_agree_with_the_depth(frames: AdaShare) -> None:
    medians, mirrored = [], []
    for records in frames.records.values():
        raw = frames.decode(records[0])
        depth, normals = raw.labels["depth"], raw.labels["normals"]
        computed = normals_from_depth(depth, NYUV2)
        medians.append(np.median(degrees(computed, normals)))
        # The reading that takes green and blue in the order of the file must be far off.
        wrong = np.stack([normals[..., 0], -normals[..., 2], normals[..., 1]], -1)
        mirrored.append(np.median(degrees(computed, wrong)))
    assert max(medians) < 3, medians
    assert min(mirrored) > 20, mirrored


@pytest.mark.parametrize("normal", [(0.0, 0.0, 1.0), (0.3, -0.5, 0.8), (-0.4, 0.6, 0.7), (0.0, 0.95, 0.3)])
def test_normals_of_a_plane_are_exact(normal: tuple[float, float, float]) -> None:
    wanted = np.array(normal) / np.linalg.norm(normal)
    camera = Intrinsics(fx=90.0, fy=80.0, cx=30.0, cy=22.0)
    v, u = np.mgrid[:48, :64]
    # A ray per unit of depth: x right, y up, z towards the camera.
    rays = np.stack([(u - camera.cx) / camera.fx, -(v - camera.cy) / camera.fy, -np.ones(u.shape)], -1)
    facing = rays @ wanted
    depth = np.where(facing < -0.05, -2.0 * wanted[2] / np.where(facing < -0.05, facing, -1), 0)
    got = normals_from_depth(depth, camera, radius=2, step=1, edge=0.5)
    valid = got.any(-1)
    assert valid.mean() > 0.3
    assert degrees(got[valid], np.broadcast_to(wanted, got[valid].shape)).max() < 0.2
    assert not got[depth == 0].any()


def test_planes_are_not_mixed_across_an_edge() -> None:
    depth = np.full((32, 40), 2.0)
    depth[:, 20:] = 4.0
    depth[10, 10] = 0
    got = normals_from_depth(depth, Intrinsics(50, 50, 20, 16), radius=2, step=1)
    valid = got.any(-1)
    assert valid[:, 18:22].mean() > 0.8
    assert np.allclose(got[valid], [0, 0, 1], atol=1e-4)
    assert not valid[10, 10]


def test_depth_and_normals_of_real_frames_agree(frames: AdaShare) -> None:
    """A real sensor's noise raises no alarm, and hides no axis that points the wrong way."""

    def said(change: list[int]) -> list[str]:
        sums = GeometrySums(frames.facts)
        for name in ("train", "search", "select", "test"):
            split = frames.split(name, opened_by="a test")
            sums.add(split.depth[0], np.asarray(split.normals[0], np.float32) * change)
        return [*sums.contradictions(), *sums.doubts()]

    assert said([1, 1, 1]) == []
    assert "points left" in said([-1, 1, 1])[0] and "points down" in said([1, -1, 1])[0]
