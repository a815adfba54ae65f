"""Typed targets under torchvision's transforms: against geometry worked out by hand, with broken variants."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ednas_nni.compat.vision import functional as F
from ednas_nni.compat.vision import tv_tensors, v2
from ednas_nni.data import targets as module
from ednas_nni.data.targets import ClassMap, DepthMap, MetricDepth, NormalMap
from ednas_nni.errors import DataError

H, W, FOCAL = 24, 32, 30.0
CENTRE = (W / 2 - 0.5, H / 2 - 0.5)
directions = st.tuples(st.floats(-0.6, 0.6), st.floats(-0.6, 0.6), st.floats(1, 4))


def plane(slope_x, slope_y, distance):
    """Depth and normals of the plane n . P = -n_z distance, in camera axes x right, y up, z towards the camera."""
    normal = np.array([slope_x, slope_y, 1.0]) / np.linalg.norm([slope_x, slope_y, 1.0])
    x = (np.arange(W) - CENTRE[0]) / FOCAL
    y = -(np.arange(H)[:, None] - CENTRE[1]) / FOCAL
    # A pixel sees P = depth * (x, y, -1).
    depth = normal[2] * distance / (normal[2] - normal[0] * x - normal[1] * y)
    depth = np.where((depth > 0.1) & (depth < 50), depth, 0)
    normals = np.broadcast_to(normal[:, None, None], (3, H, W)) * (depth > 0)
    return DepthMap(torch.tensor(depth)[None], kind="metric"), NormalMap(torch.tensor(normals))


def recomputed(z, focal, centre):
    """Normals of a depth map (h, w) by central differences, with focal length and principal point in pixels."""
    h, w = z.shape
    x, y = (np.arange(w) - centre[0]) / focal, -(np.arange(h)[:, None] - centre[1]) / focal
    points = np.stack([z * x, z * y, -z])
    right, down = points[:, 1:-1, 2:] - points[:, 1:-1, :-2], points[:, 2:, 1:-1] - points[:, :-2, 1:-1]
    normal = np.cross(down, right, axis=0)
    return normal / np.maximum(np.linalg.norm(normal, axis=0), 1e-12)


def agree(depth, normals, focal=FOCAL, centre=CENTRE, step=1) -> bool:
    """Whether normals are unit vectors that fit the depth they come with, wherever all neighbours are valid.

    With `step`, only every so many pixels are looked at: nearest neighbours repeat the others.
    """
    z = depth.as_subclass(torch.Tensor)[0, ::step, ::step].numpy()
    given_ = normals.as_subclass(torch.Tensor)[:, ::step, ::step].numpy()[:, 1:-1, 1:-1]
    found = recomputed(z, focal / step, (centre[0] / step, centre[1] / step))
    v = z > 0
    clear = v[1:-1, 1:-1] & v[:-2, 1:-1] & v[2:, 1:-1] & v[1:-1, :-2] & v[1:-1, 2:]
    if not clear.any():
        return True
    lengths = np.linalg.norm(given_, axis=0)[clear]
    return bool(np.allclose(lengths, 1, atol=1e-5) and (found * given_).sum(0)[clear].min() > 0.999)


@settings(max_examples=40, deadline=None)
@given(directions)
def test_normals_fit_their_depth_after_flips_and_crops(wall):
    targets = plane(*wall)
    assert agree(*targets)
    assert agree(*map(F.horizontal_flip, targets))
    assert agree(*map(F.vertical_flip, targets))
    cropped = [F.crop(x, 3, 5, 12, 20) for x in targets]
    assert agree(*cropped, centre=(CENTRE[0] - 5, CENTRE[1] - 3))


@settings(max_examples=20, deadline=None)
@given(directions)
def test_normals_fit_their_depth_after_zoom_and_resize(wall):
    """With the camera of the new picture; by a factor of two, so that nearest neighbours lie on a grid."""
    targets = plane(*wall)
    zoomed = [F.resized_crop(x, 6, 8, 12, 16, size=[H, W]) for x in targets]
    # Pixel 2 k of the zoomed picture shows pixel 8 + k of the plain one.
    assert agree(*zoomed, focal=2 * FOCAL, centre=(2 * (CENTRE[0] - 8), 2 * (CENTRE[1] - 6)), step=2)
    wide = [F.resize(x, [2 * H, 2 * W]) for x in targets]
    assert agree(*wide, focal=2 * FOCAL, centre=(2 * CENTRE[0], 2 * CENTRE[1]), step=2)


@pytest.mark.parametrize("zoom", [1.2, 1.5])
def test_labels_lie_on_the_picture_after_a_zoom(zoom):
    """Edges of both, at every column: none is off by more than half a pixel, and on average they are not off."""
    height, width = round(H / zoom), round(W / zoom)
    off = []
    for edge in range(6, width + 2):
        right = (torch.arange(W) >= edge).expand(H, W)
        picture = F.resized_crop(tv_tensors.Image(right[None].float()), 2, 4, height, width, size=[H, W])
        label = F.resized_crop(ClassMap(right.long()), 2, 4, height, width, size=[H, W])
        off.append(float(picture[0, H // 2].sum()) - float(label[H // 2].sum()))
    assert max(map(abs, off)) <= 0.5 and abs(np.mean(off)) < 0.1


def test_the_check_rejects_what_does_not_fit():
    depth, normals = plane(0.5, 0.2, 2)
    moved = NormalMap(normals.as_subclass(torch.Tensor).flip(-1))
    assert not agree(F.horizontal_flip(depth), moved), "mirrored without a change of sign"
    halves = torch.where(torch.arange(W) % 2 == 0, normals.as_subclass(torch.Tensor), 0.0)
    assert not agree(depth, NormalMap(F.gaussian_blur(halves, 3))), "blended with invalid neighbours"


@pytest.mark.parametrize("flip", [F.horizontal_flip, F.vertical_flip])
def test_flipped_twice_is_the_same(flip):
    for target in (*plane(0.3, -0.2, 2), ClassMap(torch.randint(0, 5, (H, W)))):
        assert torch.equal(flip(flip(target)), target) and type(flip(target)) is type(target)


@pytest.mark.parametrize(
    ("kind", "zoomed", "resized"), [("metric", 1 / 1.5, 1), ("inverse", 1.5, 1), ("disparity", 1.5, 2)]
)
def test_what_zoom_and_resize_do_to_each_kind(kind, zoomed, resized):
    depth = DepthMap(torch.full((2, 1, H, W), 3.0), kind=kind)
    depth[:, :, 3] = 0
    zoom = F.resized_crop(depth, 2, 4, 16, round(W / 1.5), size=[H, W])
    assert zoom.shape == depth.shape and type(zoom) is type(depth)
    assert sorted(set(zoom.flatten().tolist())) == pytest.approx([0, 3 * zoomed], rel=0.02)
    wide = F.resize(depth, [2 * H, 2 * W])
    assert sorted(set(wide.flatten().tolist())) == [0, 3 * resized]


@pytest.mark.parametrize(
    "move",
    [
        lambda x: F.pad(x, [3, 2, 1, 4]),
        lambda x: F.crop(x, -2, -3, H, W),
        lambda x: F.center_crop(x, [H + 4, W + 4]),
    ],
    ids=["pad", "crop", "center_crop"],
)
def test_what_comes_from_outside_is_invalid(move):
    depth, normals = map(move, plane(0.3, 0.1, 2))
    labels = move(ClassMap(torch.randint(0, 5, (H, W))))
    outside = labels == 255
    assert depth.shape[-2:] == normals.shape[-2:] == labels.shape[-2:] and bool(outside.any())
    assert bool((depth[0][outside] == 0).all()) and bool((normals[:, outside] == 0).all())
    assert set(labels.flatten().tolist()) == {0, 1, 2, 3, 4, 255}


def test_labels_are_never_blended():
    labels = ClassMap(torch.randint(0, 5, (H, W)) * 50)
    depth = DepthMap(torch.randint(1, 4, (1, H, W)).float(), kind="metric")
    assert set(F.resize(labels, [7, 9]).flatten().tolist()) <= set(labels.flatten().tolist())
    assert set(F.resize(depth, [50, 90]).flatten().tolist()) == {1, 2, 3}


@pytest.mark.parametrize("name", module.REJECTED)
def test_what_would_need_recomputing_is_refused(name):
    arguments = {
        "affine": {"angle": 0.0, "translate": [1, 1], "scale": 1.0, "shear": [0.0, 0.0]},
        "rotate": {"angle": 10.0},
        "perspective": {"startpoints": [[0, 0]] * 4, "endpoints": [[0, 0]] * 4},
        "elastic": {"displacement": torch.zeros(1, H, W, 2)},
    }.get(name, {"size": [4, 4]})
    for target in plane(0.3, 0.1, 2):
        with pytest.raises(DataError, match=rf"{name}\(\) cannot move"):
            getattr(F, name)(target, **arguments)


def test_mirrored_padding_is_refused():
    with pytest.raises(DataError, match="padding_mode is 'reflect'"):
        F.pad(plane(0.3, 0.1, 2)[0], [1, 1], padding_mode="reflect")


@pytest.mark.parametrize(
    "transform",
    [
        v2.RandomHorizontalFlip(1.0),
        v2.RandomVerticalFlip(1.0),
        v2.RandomCrop((16, 16)),
        v2.RandomCrop((40, 40), pad_if_needed=True),
        v2.RandomResizedCrop((16, 24)),
        v2.CenterCrop((12, 12)),
        v2.Resize((12, 16)),
        v2.Pad(2),
        v2.ScaleJitter((24, 32)),
        v2.RandomZoomOut(p=1.0),
        v2.ColorJitter(0.5),
        v2.GaussianBlur(3),
        v2.RandomShortestSize([20]),
    ],
    ids=lambda t: type(t).__name__,
)
def test_torchvisions_transforms_move_all_of_a_sample(transform):
    depth, normals = plane(0.3, 0.1, 2)
    depth, normals = depth.float().as_subclass(MetricDepth), normals.float().as_subclass(NormalMap)
    labels = ClassMap((torch.arange(W) // 8)[None].expand(H, W).contiguous())
    sample = {"image": tv_tensors.Image(torch.rand(3, H, W)), "classes": labels, "depth": depth, "normals": normals}
    torch.manual_seed(0)
    moved = transform(sample)
    assert len({tuple(x.shape[-2:]) for x in moved.values()}) == 1
    assert [type(x) for x in moved.values()] == [type(x) for x in sample.values()]
    lengths = moved["normals"].as_subclass(torch.Tensor).norm(dim=0)
    assert bool(((lengths - 1).abs() < 1e-4).logical_or(lengths == 0).all())
    assert torch.equal(lengths > 0, moved["depth"].as_subclass(torch.Tensor)[0] > 0)


def test_the_kind_survives_ordinary_operations():
    depth = DepthMap(torch.ones(2, 1, 4, 4), kind="inverse")
    for copy in (depth.clone(), depth.to(torch.float64), depth.detach()):
        assert getattr(copy, "kind", None) == "inverse"
    with pytest.raises(DataError, match="Did you mean 'inverse'"):
        DepthMap(torch.ones(1), kind="invers")
