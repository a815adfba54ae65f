"""Pictures are read as they are meant: upright, as numbers or as colours; what is not applied is told."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from data_sets.manifest import Manifest
from ednas_nni.data import headers
from ednas_nni.data.reading import read_image, read_map
from ednas_nni.errors import DataError

ROWS, COLUMNS = 24, 32
SENSOR: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: np.swapaxes(a, 0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(np.swapaxes(a, 0, 1), 2),
    8: lambda a: np.rot90(a, -1),
}
"""What a camera has stored whose picture is upright after the EXIF orientation: row 0 and column 0 as EXIF defines."""


def save(path: Path, upright: np.ndarray, orientation: int) -> Path:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(SENSOR[orientation](upright))).save(path, exif=exif)
    return path


def pictures() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, (ROWS, COLUMNS), dtype=np.uint8)
    depth = rng.integers(500, 5000, (ROWS, COLUMNS), dtype=np.uint16)
    return rng.integers(0, 256, (ROWS, COLUMNS, 3), dtype=np.uint8), classes, depth


def folder(root: Path, image: int, labels: int) -> Path:
    lines = ["image,seg,depth,depth_scale,split"]
    rgb, classes, depth = pictures()
    for number, split in enumerate(("train", "search", "select", "test")):
        names = [f"{kind}/{number}.png" for kind in ("rgb", "seg", "depth")]
        for name, values, orientation in zip(names, (rgb, classes, depth), (image, labels, labels), strict=True):
            save(root / name, np.roll(values, number), orientation)
        lines.append(",".join([*names, "0.001", split]))
    (root / "manifest.csv").write_text("\n".join(lines))
    (root / "classes.txt").write_text("a\nb\nc\n")
    return root


def opened(root: Path, **options: object) -> Manifest:
    return Manifest(root, (ROWS, COLUMNS), cache=root / "cache", **options)


def check_upright(root: Path, image: int, labels: int) -> None:
    source = opened(folder(root, image, labels))
    arrays = source.read(source.records["train"][0])
    for name, wanted in zip(("image", "segmentation", "depth"), pictures(), strict=True):
        np.testing.assert_allclose(arrays[name], wanted * (0.001 if name == "depth" else 1), rtol=1e-6)


@pytest.mark.parametrize("labels", [False, True], ids=["plain labels", "labels that carry it"])
@pytest.mark.parametrize("orientation", SENSOR)
def test_every_orientation_gives_the_upright_picture(orientation: int, labels: bool, tmp_path: Path) -> None:
    check_upright(tmp_path, orientation, orientation if labels else 1)


@pytest.mark.parametrize("orientation", [2, 3, 6])
def test_reading_as_stored_does_not(orientation: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant."""
    monkeypatch.setattr(headers.ImageOps, "exif_transpose", lambda picture: picture.copy())
    with pytest.raises((AssertionError, DataError)):
        check_upright(tmp_path, orientation, 1)


def test_labels_of_another_shape_are_refused_with_the_orientation(tmp_path: Path) -> None:
    root = folder(tmp_path, 6, 1)
    for path in (root / "seg").iterdir():
        Image.fromarray(np.zeros((COLUMNS, ROWS), np.uint8)).save(path)  # drawn on the picture as it is stored
    source = opened(root)
    with pytest.raises(DataError, match=r"Turned upright is the image by its EXIF orientation 6: .*`upright: false`"):
        source.read(source.records["train"][0])
    stored = opened(root, upright=False)
    assert stored.info.fingerprint != source.info.fingerprint
    assert opened(root, upright=True).info.fingerprint == source.info.fingerprint


def test_damaged_exif_data_say_nothing(tmp_path: Path) -> None:
    rgb = pictures()[0]
    Image.fromarray(rgb).save(tmp_path / "a.png", exif=b"Exif\0\0MM\0*\xff\xff\xff\xffno")
    assert (read_image(tmp_path / "a.png") == rgb).all() and headers.orientation(tmp_path / "a.png") == 1


def test_values_are_read_whatever_the_picture_calls_them(tmp_path: Path) -> None:
    classes = pictures()[1]
    palette = Image.fromarray(classes)
    palette.putpalette(range(255, 0, -1))
    written = {
        "palette": palette,
        "grey and alpha": Image.merge("LA", [Image.fromarray(classes), Image.new("L", (COLUMNS, ROWS), 255)]),
        "grey as colours": Image.fromarray(np.repeat(classes[..., None], 3, -1)),
        "16 bits": Image.fromarray(classes.astype(np.uint16)),
    }
    for name, picture in written.items():
        picture.save(tmp_path / f"{name}.png")
        assert (read_map(tmp_path / f"{name}.png") == classes).all(), name
    Image.fromarray(np.stack([classes, classes, classes + 1], -1)).save(tmp_path / "colours.png")
    with pytest.raises(DataError, match="is a colour picture"):
        read_map(tmp_path / "colours.png")


def test_what_is_not_applied_is_told(tmp_path: Path) -> None:
    rgb = Image.fromarray(pictures()[0])
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    files = {}
    for name, options in {
        "plain.png": {}, "profile.png": {"icc_profile": lab}, "srgb.jpg": {"icc_profile": srgb},
    }.items():  # fmt: skip
        rgb.save(tmp_path / name, **options)
        files[name] = tmp_path / name
    rgb.convert("CMYK").save(tmp_path / "print.jpg")
    rgb.convert("RGBA").save(tmp_path / "alpha.png")
    rgb.save(tmp_path / "two.tif", save_all=True, append_images=[rgb])
    save(tmp_path / "phone.jpg", pictures()[0], 6)
    told = headers.remarks({"image": path, "depth": path} for path in sorted(tmp_path.iterdir()))
    for file, words in {
        "profile.png": "image have the colour profile",
        "print.jpg": "image are CMYK",
        "alpha.png": "image have an alpha channel",
        "two.tif": "image hold more than one picture",
        "phone.jpg": "image have the EXIF orientation 6 and are turned upright by it; labels must be drawn",
    }.items():
        assert [line for line in told if words in line and line.startswith("1 files of") and file in line], (file, told)
    assert any(line.startswith("3 files of depth are JPEG") for line in told)
    assert not any("16 bits" in line for line in told)
    assert not any("plain.png" in line for line in told) and sum("srgb" in line for line in told) == 0


def test_sixteen_bits_are_those_of_a_colour_not_of_the_size(tmp_path: Path) -> None:
    """Pillow reads PNG of 16 bits a colour and cannot write it; 160 and 1600 are sizes of ordinary photos."""
    Image.new("RGB", (160, 16)).save(tmp_path / "photo.jpg")
    Image.new("RGB", (1600, 1216)).save(tmp_path / "photo.png")
    head, rows = struct.pack(">IIBBBBB", 4, 2, 16, 2, 0, 0, 0), zlib.compress((b"\0" + b"\x12\x34" * 12) * 2)
    chunks = [(b"IHDR", head), (b"IDAT", rows), (b"IEND", b"")]
    parts = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks]
    (tmp_path / "deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    told = headers.remarks({"image": tmp_path / name} for name in ("deep.png", "photo.jpg", "photo.png"))
    wanted = "1 files of image have 16 bits a colour, of which the upper 8 are read; for example "
    assert told == [wanted + str(tmp_path / "deep.png")]
    assert read_image(tmp_path / "deep.png").max() == 0x12
