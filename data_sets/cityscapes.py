"""The data set `cityscapes`: the raw CityScapes folders as they are downloaded.

What the numbers in the files mean is from the data set's own scripts and documentation (Cordts et al., The Cityscapes
Dataset, CVPR 2016).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from data_sets import writing
from data_sets.classes import CITYSCAPES_19_TO_2, CITYSCAPES_TRAIN_IDS, class_names
from data_sets.writing import empty_folder, save
from ednas_nni.data.class_names import CITYSCAPES_19_TO_7
from ednas_nni.data.info import IGNORE_INDEX, Array, DataInfo, DepthKind, LabelFacts, in_order
from ednas_nni.data.layouts.base import FolderSource
from ednas_nni.data.layouts.record import ImageRecord, RawImage
from ednas_nni.data.reading import need_folder, read_map, read_rgb
from ednas_nni.data.source import DataSource
from ednas_nni.errors import DataError, did_you_mean

IMAGES, LABELS, DISPARITY, CAMERA = "leftImg8bit", "gtFine", "disparity", "camera"
LABEL_KINDS = ("labelIds", "labelTrainIds")
DEPTHS: dict[str, tuple[DepthKind, str]] = {
    "inverse": ("inverse", "1/m"),
    "metric": ("metric", "m"),
    "disparity": ("disparity", "px"),
}
METRIC_MAX_M = 80.0
TRAIN, TEST = "train", "val"
_WRITTEN_CITIES = {
    TRAIN: ("aachen", "bochum", "bremen", "cologne", "hamburg", "jena", "ulm", "zurich"),
    TEST: ("frankfurt", "lindau", "munster"),
}
LARGEST_ID = 33

_COARSE = {19: np.arange(19, dtype=np.uint8), 7: CITYSCAPES_19_TO_7, 2: CITYSCAPES_19_TO_2}


@dataclass(eq=False)
class CityScapes(FolderSource):
    """Street scenes of 21 cities: 19, 7 or 2 classes, and depth from stereo.

    `train` (18 cities) is cut into train, search and select by whole cities; `val` (3 cities) is the test split. The
    official test set has no public labels. Depth comes from the disparity maps and each image's own camera file.

    Attributes:
        folder: Holds `leftImg8bit`, `gtFine`, `disparity` and `camera`.
        classes: 19, 7 categories, or 2: people and vehicles against all else.
        depth: `inverse` (1/m), `metric` (m) or `disparity` (px at the width of `size`).
        depth_max: Largest valid metric depth in m; by default 80.
        labels: `labelIds` (as downloaded), `labelTrainIds`, or `auto`: what there is.
        targets: Labels to read.
        allow_missing: An image may lack a label file.
    """

    name: ClassVar[str] = "cityscapes"

    size: tuple[int, int] = (128, 256)
    classes: int = 19
    depth: str = "inverse"
    depth_max: float | None = None
    labels: str = "auto"
    targets: list[str] | tuple[str, ...] = ("segmentation", "depth")
    allow_missing: bool = False

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        if self.classes not in (2, 7, 19) or isinstance(self.classes, bool):
            raise DataError(f"classes is {self.classes!r}; allowed are 19 (evaluation classes), 7 (categories) and 2")
        if self.depth not in DEPTHS:
            raise DataError(f"depth is {self.depth!r}.{did_you_mean(self.depth, DEPTHS)}")
        if self.labels not in ("auto", *LABEL_KINDS):
            raise DataError(f"labels is {self.labels!r}.{did_you_mean(self.labels, ('auto', *LABEL_KINDS))}")
        if not self.targets or set(self.targets) - {"segmentation", "depth"}:
            raise DataError(f"targets is {list(self.targets)}; CityScapes has segmentation and depth")
        if self.depth_max is not None and (self.depth != "metric" or not self.depth_max > 0):
            raise DataError(
                f"depth_max is {self.depth_max!r}; it is a positive number of metres, and only for `depth: metric` "
                f"(here {self.depth!r})"
            )
        self.targets, self.allow_missing = in_order(list(dict.fromkeys(self.targets))), bool(self.allow_missing)

    def described(self) -> LabelFacts:
        """What the options say."""
        kind, unit = DEPTHS[self.depth]
        return LabelFacts(
            targets=tuple(self.targets),
            classes=class_names("cityscapes", self.classes) if "segmentation" in self.targets else (),
            depth_kind=kind,
            depth_unit=unit,
            depth_max=(self.depth_max or METRIC_MAX_M) if kind == "metric" else None,
        )

    def listed(self) -> dict[str, Sequence[ImageRecord]]:
        """Return the images of `train` and `val`; a group is a city."""
        return {"train": self._listed(TRAIN), "test": self._listed(TEST)}

    def _listed(self, split: str) -> list[ImageRecord]:
        cities = sorted(p for p in need_folder(need_folder(self.root, IMAGES), split).iterdir() if p.is_dir())
        kind = self._label_kind(split) if "segmentation" in self.targets else ""
        records: list[ImageRecord] = []
        lacking: list[Path] = []
        for city in cities:
            for image in sorted(city.glob(f"*_{IMAGES}.png")):
                stem = image.name.removesuffix(f"_{IMAGES}.png")
                files = {"image": image}
                if kind:
                    files["segmentation"] = self._beside(LABELS, split, city.name, f"{stem}_{LABELS}_{kind}.png")
                if "depth" in self.targets:
                    files["depth"] = self._beside(DISPARITY, split, city.name, f"{stem}_{DISPARITY}.png")
                    if self.depth != "disparity":
                        files["camera"] = self._beside(CAMERA, split, city.name, f"{stem}_{CAMERA}.json")
                absent = {role: path for role, path in files.items() if not path.exists()}
                lacking += absent.values()
                if "camera" in absent:  # disparity alone is no depth
                    files.pop("depth", None)
                records.append(ImageRecord(stem, city.name, {r: p for r, p in files.items() if r not in absent}))
        if lacking and not self.allow_missing:
            raise DataError(
                f"{lacking[0]}: there is no such file, and {len(lacking) - 1} others are missing beside images of "
                f"{self.root / IMAGES / split}. Unpack the downloads again, leave a label out with `targets`, or set "
                "`allow_missing: true` to go on without those labels"
            )
        if not records:
            raise DataError(
                f"{self.root / IMAGES / split}: no city folder there holds pictures named *_{IMAGES}.png. Unpack "
                "leftImg8bit_trainvaltest.zip here"
            )
        return records

    def _beside(self, top: str, split: str, city: str, name: str) -> Path:
        return self.root / top / split / city / name

    def _label_kind(self, split: str) -> str:
        """What the label files are called."""
        folder = need_folder(need_folder(self.root, LABELS), split)
        kinds = LABEL_KINDS if self.labels == "auto" else (self.labels,)
        for kind in kinds:
            if next(folder.glob(f"*/*_{LABELS}_{kind}.png"), None):
                return kind
        raise DataError(
            f"{folder}: has no files *_{LABELS}_{' or '.join(kinds)}.png in its city folders. Unpack "
            "gtFine_trainvaltest.zip, or set `targets: [depth]`"
        )

    def decode(self, record: ImageRecord) -> RawImage:
        """Read one image and its labels."""
        files = record.files
        labels: dict[str, Array] = {}
        if "segmentation" in files:
            kind = LABEL_KINDS[files["segmentation"].stem.endswith(LABEL_KINDS[1])]
            labels["segmentation"] = read_labels(files["segmentation"], kind, self.classes)
        if "depth" in files:
            product = None if self.depth == "disparity" else read_camera(files["camera"])
            labels["depth"] = depth_from(read_disparity(files["depth"]), product, self.depth)
        return RawImage(read_rgb(files["image"]), labels)

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        """It has images."""
        return (folder / IMAGES).is_dir()

    @staticmethod
    def write(source: DataSource, folder: str | os.PathLike[str], labels: str = "labelIds") -> dict[str, object]:
        """Write `leftImg8bit`, `gtFine`, `disparity` and `camera` at the source's size.

        Disparity is what the usual camera pair would see at the source's width; each image has a camera file that says
        so. Images are dealt out to cities in turn.

        Args:
            source: A data set with 19 classes and depth; its train, search and select splits become `train`, its test
                split `val`.
            folder: A new or empty folder.
            labels: `labelIds` or `labelTrainIds`.

        Raises:
            DataError: The folder is not empty, or the data set lacks what the layout needs.
        """
        info = source.info
        if labels not in LABEL_KINDS:
            raise DataError(f"labels is {labels!r}.{did_you_mean(labels, LABEL_KINDS)}")
        writing.need_targets(info, ("segmentation", "depth"), "cityscapes")
        if info.num_classes != 19:
            raise DataError(f"data set {info.name!r} has {info.num_classes} classes; the layout cityscapes holds 19")
        root = empty_folder(folder)
        to_stored = np.full(256, 0 if labels == "labelIds" else 255, np.uint8)
        to_stored[:19] = CITYSCAPES_TRAIN_IDS if labels == "labelIds" else range(19)
        focal = writing.FOCAL_PX * info.size[1] / writing.WIDTH_PX
        camera = {"extrinsic": {"baseline": writing.BASELINE_M}, "intrinsic": {"fx": focal}}
        for part, split in (("train", TRAIN), ("test", TEST)):
            cities = _WRITTEN_CITIES[split]
            for number, row in writing.rows(source, part, "cityscapes"):
                city = cities[number % len(cities)]
                stem = f"{city}_{number // len(cities):06d}_000019"
                codes = _codes(row["depth"], info, writing.BASELINE_M * focal)
                stored = to_stored[writing.byte_labels(row["segmentation"], info)]
                save(root / IMAGES / split / city / f"{stem}_{IMAGES}.png", row["image"])
                save(root / LABELS / split / city / f"{stem}_{LABELS}_{labels}.png", stored)
                save(root / DISPARITY / split / city / f"{stem}_{DISPARITY}.png", codes)
                path = root / CAMERA / split / city / f"{stem}_{CAMERA}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(camera) + "\n", encoding="utf-8")
        return {"classes": info.num_classes}


def read_labels(path: Path, kind: str, classes: int) -> np.ndarray:
    """Read a label map.

    Args:
        path: `*_gtFine_labelIds.png` or `*_gtFine_labelTrainIds.png`.
        kind: `labelIds` or `labelTrainIds`: what the stored values are.
        classes: 19, 7 or 2.

    Returns:
        uint8 (H, W), 255 = not evaluated.

    Raises:
        DataError: The file cannot be read, or holds values that the other kind of file would hold.
    """
    stored = read_map(path)
    table = np.full(256, IGNORE_INDEX, np.uint8)
    table[list(CITYSCAPES_TRAIN_IDS) if kind == "labelIds" else range(19)] = _COARSE[classes]
    largest, ids = int(stored.max(initial=0)), np.unique(stored[stored != IGNORE_INDEX])
    if kind == "labelIds" and (largest > LARGEST_ID or int(stored.min(initial=0)) < 0):
        raise DataError(
            f"{path}: holds {largest}, but label ids end at {LARGEST_ID}. If these files hold train ids, name them "
            "..._labelTrainIds.png."
        )
    if kind == "labelTrainIds" and len(ids) and ids[-1] > 18:
        raise DataError(
            f"{path}: holds {int(ids[-1])}, but train ids end at 18 (255 = not evaluated). If these files hold "
            "label ids, name them ..._labelIds.png."
        )
    return table[stored.astype(np.uint8)]


def read_disparity(path: Path) -> np.ndarray:
    """Read a disparity map.

    A stored p is a disparity of (p - 1) / 256 px at the stored width; p = 0 is invalid. p = 1, a disparity of zero, is
    infinitely far: no finite depth, so it counts as invalid too. The left border and the car's own bonnet are mostly
    invalid; they stay as stored.

    Args:
        path: `*_disparity.png`, 16 bits.

    Returns:
        float32 (H, W), pixels, 0 = invalid.

    Raises:
        DataError: The file cannot be read or has 8 bits.
    """
    stored = read_map(path)
    if stored.dtype.itemsize < 2:
        raise DataError(f"{path}: has 8 bits per pixel; CityScapes' disparity has 16. Use the files of disparity/.")
    # Floats first: 0 - 1 of 16-bit numbers without sign is 65535, a disparity of 256 px.
    return np.maximum((stored.astype(np.float32) - 1) / 256, 0)


def read_camera(path: Path) -> float:
    """Read what turns disparity into depth.

    Args:
        path: `*_camera.json`.

    Returns:
        Baseline times focal length in m px, at the stored width.

    Raises:
        DataError: The file is missing, damaged or lacks a field.
    """
    try:
        camera = json.loads(path.read_text(encoding="utf-8"))
        product = float(camera["extrinsic"]["baseline"]) * float(camera["intrinsic"]["fx"])
    except FileNotFoundError:
        raise DataError(
            f"{path}: there is no such file. Unpack camera_trainvaltest.zip, or set `depth: disparity`."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: cannot be read as a camera ({type(error).__name__}: {error}); extrinsic.baseline and "
            "intrinsic.fx are needed. Unpack it again."
        ) from None
    if not 0 < product < math.inf:
        raise DataError(f"{path}: baseline times fx is {product:g} m px; it must be above 0. Unpack it again.")
    return product


def depth_from(disparity: np.ndarray, product: float | None, kind: str) -> np.ndarray:
    """Turn disparity into the wanted kind of depth.

    Args:
        disparity: float32 (H, W), pixels, 0 = invalid.
        product: Baseline times focal length in m px; not needed for disparity itself.
        kind: `disparity` (px), `inverse` (1/m) or `metric` (m).

    Returns:
        float32 (H, W), 0 = invalid.
    """
    if kind == "disparity":
        return disparity
    if kind == "inverse":
        return disparity / np.float32(product)
    valid = disparity > 0
    return np.where(valid, np.float32(product) / np.where(valid, disparity, 1), 0).astype(np.float32)


def _codes(depth: NDArray[np.floating], info: DataInfo, product: float) -> NDArray[np.uint16]:
    """Depth as the codes of CityScapes: 256 d + 1 with d in pixels at the image's own width, 0 = invalid.

    A depth that the camera pair sees at less than half a code, or so near that its code does not fit 16 bits, is
    invalid.
    """
    if info.depth_kind == "disparity":
        pixels = depth.astype(np.float64)
    elif info.depth_kind == "inverse" and info.depth_unit == "1/m":
        pixels = depth.astype(np.float64) * product
    else:
        far = writing.metres(depth, info).astype(np.float64)
        pixels = np.divide(product, far, out=np.zeros(far.shape), where=far > 0)
    code = np.rint(pixels * 256 + 1)
    return np.where((depth > 0) & (code > 1) & (code <= 65535), code, 0).astype(np.uint16)
