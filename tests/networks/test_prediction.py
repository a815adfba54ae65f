"""Whatever picture a user has: predictions have its size, type and orientation, and no picture fails oddly."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from ednas_nni.errors import DataError, NetworkError
from ednas_nni.networks import pictures, prediction
from ednas_nni.networks.network import Network
from ednas_nni.networks.prediction import enlarged, fitted
from ednas_nni.tasks.base import TASKS

RNG = np.random.default_rng(1)


def rgb(height: int, width: int) -> np.ndarray:
    """A smooth picture with an upper left corner of its own."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return (255 * np.stack([y, x, (x < 0.3) & (y < 0.3)], -1)).astype(np.uint8)


@pytest.mark.parametrize("size", [(1, 1), (64, 128), (7, 300), (300, 7), (65, 129), (480, 640), (1, 2000)])
def test_sizes_and_types(trained: Network, size: tuple[int, int]) -> None:
    made = trained.predict(rgb(*size))
    assert {task: (array.shape, str(array.dtype)) for task, array in made.items()} == {
        "segmentation": (size, "uint8"),
        "depth": (size, "float32"),
        "normals": ((*size, 3), "float32"),
    }
    assert made["segmentation"].max() < 13 and (made["depth"] > 0).all()
    np.testing.assert_allclose(np.linalg.norm(made["normals"], axis=-1), 1, atol=1e-5)
    assert made.picture().width > 300 and made._repr_png_().startswith(b"\x89PNG")


def exif(orientation: int) -> bytes:
    """A photo whose stored pixels are turned so that it is upright again by its EXIF orientation."""
    upright = Image.fromarray(rgb(40, 60))
    turns = [None, 0, 3, 1, 5, 2, 6, 4]  # Pillow's transpositions that undo 1, 2 ... 8
    turn = turns[orientation - 1]
    stored = upright if turn is None else upright.transpose(Image.Transpose(turn))
    entries = Image.Exif()
    entries[0x0112] = orientation
    file = io.BytesIO()
    stored.save(file, "PNG", exif=entries)
    return file.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif(orientation: int, tmp_path) -> None:
    (tmp_path / "photo.png").write_bytes(exif(orientation))
    image, _ = pictures.read(tmp_path / "photo.png")
    np.testing.assert_array_equal(image, rgb(40, 60))


GREY = np.tile(np.arange(60, dtype=np.uint8), (40, 1))


@pytest.mark.parametrize(
    ("picture", "expected", "note"),
    [
        (GREY, GREY, ""),
        (GREY[..., None], GREY, ""),
        (Image.fromarray(GREY), GREY, ""),
        (GREY.astype(np.uint16) * 257, GREY, "16 bits"),
        (Image.fromarray(GREY.astype(np.uint16) * 257), GREY, "16 bits"),
        ((GREY / 255).astype(np.float32), GREY, ""),
        (GREY > 30, (GREY > 30) * 255, ""),
        (np.dstack([GREY] * 3 + [np.full_like(GREY, 255)]), GREY, ""),
        (np.dstack([GREY] * 3 + [np.zeros_like(GREY)]), np.zeros_like(GREY), "transparent"),
        (Image.fromarray(np.dstack([GREY] * 3 + [np.zeros_like(GREY)])), np.zeros_like(GREY), "transparent"),
        (Image.fromarray(GREY).convert("P"), GREY, ""),
        (Image.fromarray(GREY).convert("CMYK"), GREY, ""),
        (np.dstack([GREY] * 3)[::-1].transpose(1, 0, 2), GREY[::-1].T, ""),  # not contiguous
    ],
)
def test_modes(picture, expected, note: str) -> None:
    image, notes = pictures.read(picture)
    assert image.dtype == np.uint8 and image.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(image, np.dstack([expected] * 3))
    assert note in " ".join(notes) and bool(note) == bool(notes)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_transparent_value_of_a_file_is_black(mode: str, tmp_path) -> None:
    one = 30 if mode == "L" else (30, 30, 30)
    Image.fromarray(GREY).convert(mode).save(tmp_path / "a.png", transparency=one)
    image, notes = pictures.read(tmp_path / "a.png")
    np.testing.assert_array_equal(image, np.dstack([np.where(GREY == 30, 0, GREY)] * 3))
    assert notes == (pictures.WHITE_OUT,)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((4, 4, 2)),
        np.zeros((0, 4, 3)),
        np.full((4, 4), 2.0),
        np.full((4, 4), np.nan),
        np.full((4, 4), -1),
        np.array([["a"]]),
        "gone.jpg",
    ],
)
def test_no_picture(picture) -> None:
    with pytest.raises(DataError):
        pictures.read(picture)


def test_a_cut_file_is_named(tmp_path) -> None:
    path = tmp_path / "cut.png"
    path.write_bytes(exif(1)[:-60])
    with pytest.raises(DataError, match=r"cut\.png: cannot be read"):
        pictures.read(path)


def test_an_array_on_disk_is_known_by_its_suffix_in_whichever_case(tmp_path) -> None:
    for name in ("a.npy", "b.NPY"):
        with (tmp_path / name).open("wb") as file:
            np.save(file, rgb(5, 7))
        assert np.array_equal(pictures.read(tmp_path / name)[0], rgb(5, 7))


def test_aspect_ratio_is_kept() -> None:
    inputs, inner = fitted(rgb(100, 100), (64, 128))
    assert inputs.shape == (64, 128, 3) and inner == (64, 64)
    assert (inputs[:, 64:] == inputs[:, 63:64]).all()  # the border is repeated
    assert fitted(rgb(100, 100), (64, 128), stretched=True)[1] == (64, 128)


@pytest.mark.parametrize("strip", [1, 1 << 30])
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (16, 32), (33, 50)])
def test_strips_equal_the_whole(monkeypatch, strip: int, size: tuple[int, int]) -> None:
    """Enlarging strip by strip is torch's bilinear enlargement of everything, whatever the strips."""
    monkeypatch.setattr(prediction, "STRIP", strip)
    raw = torch.from_numpy(RNG.normal(size=(1, 3, 8, 16)).astype(np.float32))
    normals = TASKS.load("normals")()
    whole = torch.nn.functional.interpolate(raw, size, mode="bilinear", align_corners=False)
    expected = normals.predict(whole)[0].movedim(0, -1).numpy()
    np.testing.assert_allclose(enlarged(raw, size, normals, 255), expected, atol=2e-6)


class Half:
    """A runtime at half resolution, with whatever outputs."""

    size = (64, 128)

    def __init__(self, network: Network, outputs: str, change: Callable = lambda task, raw: raw) -> None:
        self.network, self.outputs, self.change = network, outputs, change

    def run(self, images):
        outputs = self.network.runtime.run(images)
        half = {task: torch.from_numpy(raw)[..., ::2, ::2] for task, raw in outputs.items()}
        if self.outputs == "labels":
            half = {task: self.network.tasks[task].predict(raw) for task, raw in half.items()}
        return {task: self.change(task, raw).numpy() for task, raw in half.items()}


def test_a_network_that_is_being_trained_on_predicts_as_it_is(trained: Network) -> None:
    network = replace(trained, module=copy.deepcopy(trained.module))
    before, state = network.predict(rgb(64, 128)), copy.deepcopy(network.module.state_dict())
    network.module.train()
    after = network.predict(rgb(64, 128))
    assert all(np.array_equal(before[task], after[task]) for task in before) and network.module.training
    assert all(torch.equal(state[name], tensor) for name, tensor in network.module.state_dict().items())


def test_runtimes_of_another_resolution_agree(trained: Network) -> None:
    picture = rgb(50, 100)
    raw, labels = (trained.predict(picture, Half(trained, outputs)) for outputs in ("raw", "labels"))
    here = trained.predict(picture)
    broken = Half(trained, "raw", lambda task, raw: 2 * raw if task == "depth" else raw)

    def apart(made: Mapping[str, np.ndarray]) -> float:
        return float(np.abs(made["depth"] - here["depth"]).mean() / here["depth"].mean())

    for made in (raw, labels):
        assert {t: (a.shape, a.dtype) for t, a in made.items()} == {t: (a.shape, a.dtype) for t, a in here.items()}
        assert apart(made) < 0.2
    assert apart(trained.predict(picture, broken)) > 0.2


def test_disparity_is_in_pixels_of_the_picture(trained: Network) -> None:
    """Learned in those of the width trained at, 128: on a picture of 1280 it is ten times as much."""

    class Ten:
        size, outputs = (128, 256), "raw"

        def run(self, inputs):
            return {"depth": np.full((1, 1, 32, 64), 10, np.float32)}

    network, task = trained, trained.tasks["depth"]
    made = {}
    for unit in ("px", "m"):
        output = network.description.tasks["depth"].model_copy(update={"unit": unit})
        about = network.description.model_copy(update={"tasks": {"depth": output}})
        one = SimpleNamespace(tasks={"depth": task}, description=about)
        made[unit] = prediction.predict(one, rgb(640, 1280), Ten())["depth"]
    np.testing.assert_allclose(made["px"], 10 * made["m"], rtol=1e-5)


def test_a_runtime_that_lacks_a_task_is_named(trained: Network) -> None:
    runtime = Half(trained, "raw")
    runtime.run = lambda images: {"depth": np.zeros((1, 1, 64, 128), np.float32)}
    with pytest.raises(NetworkError, match="segmentation"):
        trained.predict(GREY, runtime)


def test_numbers_that_are_none_become_no_class(trained: Network) -> None:
    made = trained.predict(GREY, Half(trained, "raw", lambda task, raw: raw * float("nan")))
    assert (made["segmentation"] == 255).all()
    made.picture()  # draws all the same


def test_pictures_are_written(trained: Network, tmp_path) -> None:
    made = trained.predict(rgb(90, 160))
    for name in ("a.png", "b.jpg"):
        with Image.open(made.save(tmp_path / "new" / name)) as sheet:
            assert sheet.width >= 4 * 160
    with pytest.raises(NetworkError, match=r"\.png or \.jpg"):
        made.save(tmp_path / "a.xyz")
