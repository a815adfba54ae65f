"""Data folders, tables and files of others that are hostile; tests/data has those that are incomplete."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data_sets.manifest import Manifest
from data_sets.manifest_table import read_table
from ednas_nni.data.class_table import read_classes
from ednas_nni.data.reading import read_json, read_npy, read_rgb
from ednas_nni.errors import DataError, EdnasError, PluginError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.fromarray(np.zeros((32, 64, 3), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.zeros((32, 64), np.uint8)).save(tmp_path / "s.png")
    (tmp_path / "classes.txt").write_text("floor\nwall\n")
    return tmp_path


def line(**cells: Any) -> str:
    return json.dumps({"image": "a.png", "seg": "s.png", **cells})


TABLES = [
    (line(image="../../etc/passwd"), ("image = '../../etc/passwd'", "leads out of the manifest's folder")),
    (line(image="/etc/passwd"), ("image = '/etc/passwd'", "leads out of the manifest's folder")),
    (line(image="a.png\x00.jpg"), ("image = 'a.png\\x00.jpg'", "control character \\x00")),
    (line(image="\x1b[2J.png"), ("image = '\\x1b[2J.png'", "control character \\x1b")),
    (line(image="a" * 5000), ("image = 'aaa", "File name too long")),
    (line(image="."), ("image = '.'", "there is no file")),
    (line(image="loop.png"), ("image = 'loop.png'", "there is no file")),
    (line(image=["a.png"]), ("image = ['a.png']", "name of a file")),
    (line(image={"name": "a.png"}), ("image = {'name': 'a.png'}", "name of a file")),
    (line(depth="s.png", depth_kind=["metric"]), ("depth_kind = ['metric']", "metric")),
    (line(depth="s.png", depth_scale=1e400), ("depth_scale = inf", "above 0")),
    (line(depth="s.png", depth_scale=10**400), ("depth_scale = a whole number of 1329 bits", "above 0")),
    (line(depth="s.png", depth_scale=float("nan")), ("depth_scale = nan", "above 0")),
    (line(ignore=[1e400]), ("ignore = [inf]", "whole numbers")),
    (line(ignore={"a": 1}), ("ignore = {'a': 1}", "whole numbers")),
    (line(split="\x1b[2Jtrain"), ("split = '\\x1b[2Jtrain'", "train")),
    (line(**{"\x1b[2J": 1}), ("unknown column '\\x1b[2J'", "image")),
    ("[" * 100_000, ("nested without end",)),
    ('{"image": ' + "9" * 5000 + "}", ("is not JSON",)),
    ('"a.png"', ("write an object",)),
    ("\x00", ("is not JSON",)),
]


@pytest.mark.parametrize(("text", "words"), TABLES, ids=[words[0][:40] for _, words in TABLES])
def test_a_hostile_manifest(text: str, words: tuple[str, ...], folder: Path, raised: Callable[..., str]) -> None:
    (folder / "loop.png").symlink_to(folder / "loop.png")
    path = folder / "manifest.jsonl"
    path.write_text(text + "\n", encoding="utf-8")
    raised(lambda: read_table(path), DataError, (f"{path}:1", *words))


CLASSES = [
    ("floor\n\x1b[2Jwall\n", ("classes.txt:2", "control character \\x1b")),
    ("floor\n\u202ewall\n", ("classes.txt:2", "control character \\u202e")),
    ("²: floor\n1: wall\n", ("'²: floor'", "VALUE: NAME")),
    ("--5: floor\n1: wall\n", ("'--5: floor'", "VALUE: NAME")),
    ("9" * 5000 + ": floor\n1: wall\n", ("VALUE: NAME",)),
    ("floor\n" * 2, ("'floor'", "repeats")),
    ("", ("0 classes", "2 to 255")),
    ("\n".join(f"class {i}" for i in range(300)), ("300 classes", "2 to 255")),
]


@pytest.mark.parametrize(("text", "words"), CLASSES, ids=[words[0] for _, words in CLASSES])
def test_hostile_class_names(text: str, words: tuple[str, ...], folder: Path, raised: Callable[..., str]) -> None:
    (folder / "classes.txt").write_text(text, encoding="utf-8")
    message = raised(lambda: read_classes(folder / "classes.txt"), DataError, ())
    assert all(word in message for word in words), message


def _png(width: int, height: int) -> bytes:
    """A picture of a few bytes that says it is as large as that."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def _npy(shape: tuple[int, ...], kind: str = "<f8") -> bytes:
    head = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    head += b" " * (118 - len(head) % 64) if len(head) < 118 else b""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head


PICKLED = b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(118) + b"cos\n"
FILES: list[tuple[str, Callable[[Path], Any], bytes, tuple[str, ...]]] = [
    ("bomb", read_rgb, _png(100_000, 100_000), ("more than 179 megapixels",)),
    ("bomb as a manifest reads it", lambda p: _image(p), _png(100_000, 100_000), ("more than 179 megapixels",)),
    ("no size", read_rgb, _png(0, 0), ("cannot be read as a picture",)),
    ("cut off", read_rgb, _png(64, 64)[:40], ("cannot be read as a picture",)),
    ("text", read_rgb, b"<svg onload='alert(1)'/>", ("cannot be read as a picture",)),
    ("array bomb", read_npy, _npy((10**9, 10**9)), ("cannot be read as .npy",)),
    ("negative shape", read_npy, _npy((-1, 4)), ("cannot be read as .npy",)),
    ("pickled", read_npy, PICKLED, ("cannot be read as .npy",)),
    ("code for a head", read_npy, b"\x93NUMPY\x01\x00\x16\x00__import__('os').x()   \n", ("cannot be read as .npy",)),
    ("endless head", read_npy, b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535, ("cannot be read as .npy",)),
    ("records", read_npy, _npy((0,), "S5"), ("array of numbers",)),
    ("pickle", read_npy, b"\x80\x04cos\nsystem\n.", ("cannot be read as .npy",)),
    ("deep JSON", read_json, b"[" * 100_000, ("nested without end",)),
    ("binary JSON", read_json, b"\xff\xfe", ("cannot be read as JSON",)),
]


def _image(path: Path) -> Any:
    from ednas_nni.data.reading import read_image

    return read_image(path)


@pytest.mark.parametrize(("read", "content", "words"), [case[1:] for case in FILES], ids=[case[0] for case in FILES])
def test_a_hostile_file(
    read: Callable[[Path], Any], content: bytes, words: tuple[str, ...], tmp_path: Path, raised: Callable[..., str]
) -> None:
    path = tmp_path / "file.png"
    path.write_bytes(content)
    raised(lambda: read(path), DataError, (str(path), *words))


@pytest.mark.parametrize("make", [lambda p: p.mkdir(), lambda p: p.symlink_to(p), lambda p: None])
@pytest.mark.parametrize("read", [read_rgb, read_npy, read_json])
def test_no_file(make: Callable[[Path], Any], read: Any, tmp_path: Path, raised: Callable[..., str]) -> None:
    path = tmp_path / "thing.npy"
    make(path)
    raised(lambda: read(path), DataError, (str(path), "cannot be read"))


@pytest.mark.parametrize("folder_of", [lambda p: "~nobody_of_that_name", lambda p: p / "loop", lambda p: p / "a.png"])
def test_no_folder(folder_of: Callable[[Path], Any], folder: Path, raised: Callable[..., str]) -> None:
    (folder / "loop").symlink_to(folder / "loop")
    raised(lambda: Manifest(folder_of(folder), (32, 64)), DataError, ("folder",))


# ---- device profiles and weights

PROFILES = [
    ("kind: [systolic]", ("kind", "unknown", "roofline")),
    ("kind: 2024-01-01", ("kind", "date")),
    ("- kind", ("kind", "Allowed")),
    ("kind: !!python/name:os.system", ("not YAML",)),
    ("a: &a [*a]", ("alias stands inside",)),
    ('kind: "\\e[2J"', ("control character \\x1b",)),
]


@pytest.mark.parametrize(("text", "words"), PROFILES, ids=[text for text, _ in PROFILES])
def test_a_hostile_profile(text: str, words: tuple[str, ...], tmp_path: Path, raised: Callable[..., str]) -> None:
    from ednas_nni.cost.registry import device

    path = tmp_path / "phone.yml"
    path.write_text(text)
    raised(lambda: device(str(path)), PluginError, (str(path), *words))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("phone.yml", ("'phone.yml'", "absolute path")),
        ("~nobody_of_that_name/phone.yml", ("~nobody_of_that_name", "no home folder")),
        ("/nowhere/phone.yml", ("'/nowhere/phone.yml'", "no such file")),
        ("../../etc/passwd", ("'../../etc/passwd'", "edge_tpu")),
    ],
)
def test_no_profile(name: str, words: tuple[str, ...], raised: Callable[..., str]) -> None:
    from ednas_nni.cost.registry import device

    raised(lambda: device(name), PluginError, words)


@pytest.mark.parametrize("name", ["../phone_cpu", "/etc/passwd", "phone_cpu.yml", "", "coral_dense", "a\x00b"])
@pytest.mark.parametrize("kind", ["edge_tpu", "roofline"])
def test_names_of_profiles_are_no_paths(kind: str, name: str, tmp_path: Path, raised: Callable[..., str]) -> None:
    from importlib import resources

    from ednas_nni.cost.registry import device

    shipped = resources.files(f"devices.{kind}").joinpath(
        "profiles", f"{'phone_cpu' if kind == 'roofline' else kind}.yml"
    )
    (tmp_path / "mine.yml").write_bytes(shipped.read_bytes())
    assert device(str(tmp_path / "mine.yml")), "a path is a device of its own"
    name = name or str(tmp_path / "mine")
    raised(lambda: device(kind, {"profile": name}), EdnasError, ("no profile", "Allowed: "))


def test_a_profile_that_corrects_itself(tmp_path: Path, raised: Callable[..., str]) -> None:
    from ednas_nni.cost.registry import device

    path = tmp_path / "phone.yml"
    measured = {"rows": 9, "error_before": 0.4, "error_held_out": 0.1, "smallest": 1.0, "largest": 9.0, "at": "here"}
    profile = {"kind": "calibrated", "name": "phone", "title": "a phone", "base": str(path), "cost": "latency_ms"}
    profile |= {"form": "scale", "scales": {"a": 1.0}, "offset": 0.0, "upper_ratio": None}
    profile |= {"measured": measured | {"terms": {"a": 1.0}}, "probe": {"features": {"a": 1.0}, "cost": 1.0}}
    path.write_text(json.dumps(profile))
    raised(lambda: device(str(path)), PluginError, (str(path), "leads back to itself"))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("w.safetensors", b"\xff" * 64, ("w.safetensors",)),
        ("w.safetensors", b"", ("w.safetensors",)),
        ("w.pt", b"\x80\x02cos\nsystem\n(S'true'\ntR.", ("w.pt", "weights")),
        ("w.pt", b"", ("w.pt",)),
        ("w.exe", b"", ("w.exe", ".safetensors")),
    ],
    ids=["no safetensors", "empty safetensors", "pickled code", "empty", "program"],
)
def test_hostile_weights(
    name: str, content: bytes, words: tuple[str, ...], tmp_path: Path, raised: Callable[..., str]
) -> None:
    from ednas_nni.nn.checkpoint import Checkpoint

    (tmp_path / name).write_bytes(content)
    raised(lambda: Checkpoint.read(tmp_path / name), EdnasError, words)
