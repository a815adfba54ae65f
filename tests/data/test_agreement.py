"""Labels against the camera and each other: what no camera could have seen is found, all else is accepted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_sets.manifest import Manifest
from ednas_nni.data import agreement
from ednas_nni.data.agreement import GeometrySums
from ednas_nni.data.info import LabelFacts
from ednas_nni.data.kinds import label_kind
from ednas_nni.data.survey import faults, survey, suspicions
from ednas_nni.errors import DataError
from scenes.streets import Streets

SIZE = (48, 64)
Scene = tuple[np.ndarray, np.ndarray, np.ndarray]


def room(seed: int, tilt: float = -12, view: float = 64, low: float = 1.4) -> Scene:
    """Depth along the axis, distance along the ray, and normals of an empty room: a camera tilted up by degrees."""
    rng, (height, width) = np.random.default_rng(seed), SIZE
    focal, angle = width / 2 / np.tan(np.radians(view / 2)), np.radians(tilt)
    down, right = np.mgrid[:height, :width]
    ray = np.stack([right - (width - 1) / 2, (height - 1) / 2 - down, np.full(SIZE, -focal)], -1) / focal
    world = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    depth, normals = np.full(SIZE, np.inf), np.zeros((*SIZE, 3))
    walls = {(1, 0, 0): rng.uniform(1.2, 2.5), (-1, 0, 0): rng.uniform(1.2, 2.5), (0, 0, 1): rng.uniform(3, 6)}
    for normal, distance in {(0, 1, 0): low, (0, -1, 0): rng.uniform(1, 1.4), **walls}.items():
        with np.errstate(divide="ignore"):
            reached = -distance / (ray @ world.T @ np.array(normal))
        nearer = (reached > 0) & (reached < depth)
        depth[nearer], normals[nearer] = reached[nearer], normal
    normals = normals @ world
    assert ((normals * ray).sum(-1) < 0).all(), "every normal faces the camera"
    return depth, depth * np.linalg.norm(ray, axis=-1), normals


ROOMS = [room(seed) for seed in range(6)]
WIDE = [room(seed, 10, 95, 0.4) for seed in range(6)]
LEVEL = [room(seed, 0) for seed in range(6)]


def said(scenes: list[Scene], kind: str = "metric", ray: bool = False, change: Callable = lambda n: n) -> list[str]:
    sums = GeometrySums(LabelFacts(depth_kind=kind))
    for depth, distance, normals in scenes:
        stored = distance if ray else depth
        sums.add((stored if kind == "metric" else 1 / stored).astype(np.float32), change(normals).astype(np.float16))
    return [*sums.contradictions(), *sums.doubts()]


def check_axes() -> None:
    for scenes in (ROOMS, WIDE, LEVEL):
        for kind in ("metric", "inverse"):
            assert said(scenes, kind) == []
    for kind in ("metric", "inverse"):
        (text,) = said(ROOMS, kind, change=lambda n: n * [-1, 1, 1])
        assert text.startswith("x of the normals contradicts the depth") and "points left" in text
        (text,) = said(ROOMS, kind, change=lambda n: n * [1, -1, 1])
        assert text.startswith("y of the normals contradicts the depth") and "points down" in text
        assert any("exchanged" in text for text in said(ROOMS, kind, change=lambda n: n[..., [1, 0, 2]]))


def test_signs_of_x_and_y_need_no_focal_length() -> None:
    check_axes()


@pytest.mark.parametrize("broken", ["upside down", "blind"])
def test_wrong_signs_are_noticed(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken variants: slopes taken upwards, and a limit that nothing reaches."""
    if broken == "blind":
        monkeypatch.setattr(agreement, "CONTRADICTED", -1)
    else:
        slopes = agreement._slopes
        monkeypatch.setattr(agreement, "_slopes", lambda *a: (slopes(*a)[0] * [[[1]], [[-1]]], slopes(*a)[1]))
    with pytest.raises(AssertionError):
        check_axes()


@pytest.mark.parametrize("scenes", [ROOMS, WIDE, LEVEL], ids=["tilted", "wide", "level"])
@pytest.mark.parametrize("kind", ["metric", "inverse"])
def test_distance_along_the_ray_is_told_from_depth(scenes: list[Scene], kind: str) -> None:
    assert any("distance along the viewing ray" in text for text in said(scenes, kind, ray=True))
    noise = np.random.default_rng(0).normal(1, 0.003, (6, *SIZE))
    assert said([(d * n, r, v) for (d, r, v), n in zip(scenes, noise, strict=True)], kind) == []


def test_rendered_data_raise_no_alarm(rooms, tmp_path: Path) -> None:
    streets = Streets(size=(48, 96), train=6, search=1, select=1, test=1, cache=tmp_path)
    for source in (rooms, streets):
        text = suspicions(source.info, [survey(source.split("train"))])
        assert not [line for line in text if "normals" in line or "ray" in line], text


def test_normals_that_some_lens_sees_are_accepted() -> None:
    kind, facts = label_kind("normals"), LabelFacts()
    for _, _, normals in WIDE:
        assert (normals[..., 2] < -0.1).mean() > 0.1
        kind.fit(normals, normals, 1.0, facts, "here")
    sums = kind.survey(facts)
    for _, _, normals in WIDE:
        sums.add(normals)
    (text,) = kind.suspicions(sums, facts)
    degrees = int(text.partition("view of ")[2].partition(" ")[0])
    assert "points away" in text and 50 < degrees <= 95
    into = ROOMS[0][2] * [1, 1, -1]
    with pytest.raises(DataError, match=r"point away from the camera, whatever its lens.*trust_labels: true"):
        kind.fit(into, into, 1.0, facts, "here")
    kind.fit(into, into, 1.0, LabelFacts(trusted=True), "here")


def folder(root: Path, ray: bool = False, flip: int = 1, columns: str = "") -> Path:
    heading, _, cells = columns.partition("|")
    lines = [f"image,depth,normals,split{heading}"]
    for number, split in enumerate(("train", "train", "train", "search", "select", "test")):
        depth, distance, normals = ROOMS[number]
        for name in ("image", "depth", "normals"):
            (root / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((*SIZE, 3), 40 * number, np.uint8)).save(root / f"image/{number}.png")
        np.save(root / f"depth/{number}.npy", distance if ray else depth)
        np.save(root / f"normals/{number}.npy", normals * [flip, 1, 1])
        lines.append(f"image/{number}.png,depth/{number}.npy,normals/{number}.npy,{split}{cells}")
    (root / "manifest.csv").write_text("\n".join(lines))
    return root


FOCAL = 32 / np.tan(np.radians(32))


@pytest.mark.parametrize("where", ["options", "columns"])
def test_distance_becomes_depth(where: str, tmp_path: Path) -> None:
    columns = f",depth_along,depth_focal|,ray,{FOCAL}" if where == "columns" else ""
    options = {"depth_along": "ray", "depth_focal": FOCAL} if where == "options" else {}
    source = Manifest(folder(tmp_path, True, columns=columns), SIZE, cache=tmp_path / "c", **options)
    train = source.split("train")
    np.testing.assert_allclose(train.depth, [ROOMS[n][0] for n in range(3)], rtol=1e-5)
    one = survey(train)
    assert not faults(source.info, [one]) and not any("ray" in text for text in suspicions(source.info, [one]))


def test_contradictions_are_faults_unless_they_are_accepted(tmp_path: Path) -> None:
    root = folder(tmp_path, flip=-1)
    wrong = Manifest(root, SIZE, cache=tmp_path / "c")
    assert any("points left" in text for text in faults(wrong.info, [survey(wrong.split("train"))]))
    for options in ({"trust_labels": True}, {"normal_axes": ["-x", "y", "z"]}):
        source = Manifest(root, SIZE, cache=tmp_path / "c", **options)
        one = survey(source.split("train"))
        assert not faults(source.info, [one])
        assert any("points left" in text for text in suspicions(source.info, [one])) is ("trust_labels" in options)
    assert Manifest(root, SIZE, cache=tmp_path / "c", trust_labels=True).info.identity == wrong.info.identity


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"depth_along": "ray"}, "depth_focal is missing"),
        ({"depth_along": "road"}, "depth_along = 'road': unknown"),
        ({"depth_focal": 0}, "must be a number above 0, the focal length in pixels"),
    ],
)
def test_wrong_options(options: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words):
        source = Manifest(folder(tmp_path), SIZE, cache=tmp_path / "c", **options)
        source.read(source.records["train"][0])
