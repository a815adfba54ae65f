"""The images that a network learned from, found again through the study in its description."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ednas_nni.data.source import DataSource, open_source
from ednas_nni.errors import EdnasError, NetworkError
from ednas_nni.networks import pictures
from ednas_nni.networks.description import NetworkDescription
from ednas_nni.networks.export.base import Images
from ednas_nni.networks.prediction import fitted
from ednas_nni.study import parse

ANOTHER_WAY = "Name a folder with pictures of the kind that it will see: --images FOLDER."


def source_of(about: NetworkDescription, size: tuple[int, int] | None = None) -> DataSource:
    """The data set of the network's study, at another size than that of the training where one is given.

    NetworkError: the network names no study, or the data set cannot be opened on this machine.
    """
    if not about.origin.study:
        raise NetworkError(f"{about.name}: names no study, so its data set is unknown. {ANOTHER_WAY}")
    data = parse(about.origin.study).data
    try:
        return open_source({**data.options, "name": data.name}, size or about.train_size)
    except EdnasError as error:
        raise NetworkError(f"{about.name}: its data set {data.name!r} cannot be opened here: {error}") from error


def real_images(about: NetworkDescription, folder: str | Path | None, size: tuple[int, int], count: int) -> Images:
    """Images to calibrate on and to compare with: pictures of a folder, or else those that the network learned from."""
    return folder_images(Path(folder), size, count, about.stretched) if folder else training_images(about, size, count)


def training_images(about: NetworkDescription, size: tuple[int, int], count: int) -> Images:
    """Images of the training split, evenly spread over it, uint8 (n, *size, 3).

    They have the size that the network was trained at; another one is made of them by bilinear scaling, so that nobody
    needs to render or decode a whole data set again for a few images. NetworkError: as `source_of`, or the data set has
    another content than the network learned from.
    """
    source = source_of(about)
    if about.data.fingerprint not in (source.info.fingerprint, source.info.identity):
        raise NetworkError(
            f"{about.name}: data set {source.info.name!r} has changed since the training (its content is "
            f"{source.info.identity[:12]} instead of {about.data.fingerprint[:12]}). {ANOTHER_WAY}"
        )
    images = source.split("train").image
    chosen = np.linspace(0, len(images) - 1, min(count, len(images))).round().astype(int)
    return scaled(images[chosen], size)


def folder_images(folder: Path, size: tuple[int, int], count: int, stretched: bool = False) -> Images:
    """Pictures of a folder, fitted as `Network.predict` does, uint8 (n, *size, 3)."""
    files = pictures.listed(folder.expanduser())
    chosen = np.linspace(0, len(files) - 1, min(count, len(files))).round().astype(int)
    return np.stack([fitted(pictures.read(files[i])[0], size, stretched)[0] for i in chosen])


def scaled(images: Images, size: tuple[int, int]) -> Images:
    """Images uint8 (n, H, W, 3) at another size; bilinear, averaging where it shrinks."""
    if images.shape[1:3] == size:
        return np.array(images)
    one = [np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR)) for image in images]
    return np.stack(one)
