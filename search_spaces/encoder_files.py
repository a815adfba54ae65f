"""Which file holds the weights of which encoder: the option `encoder_weights`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ednas_nni.errors import StudyError, did_you_mean

# torchvision's files are called resnet18-f37072fd.pth or efficientnet_b0_rwightman-7f5810bc.pth.
_FILE = r"(_rwightman)?(-[0-9a-f]{8})?\.(safetensors|pth|pt)"


def encoder_files(given: str | Mapping[str, str | None] | None, names: Sequence[str]) -> dict[str, Path]:
    """Encoder -> file.

    Args:
        given: A folder with one file for each encoder, under torchvision's name for it (`resnet18-f37072fd.pth`) or
            just `resnet18.pth`; or a file for each encoder, null for one that starts at random; or None, all start at
            random.
        names: The encoders of the space.

    Raises:
        StudyError: An encoder has no file or several, a path is relative or does not exist, or a name is not of this
            space.
    """
    if given is None:
        return {}
    if not names:
        raise StudyError("encoder_weights: this space has no published encoders; use the space `pretrained`.")
    if isinstance(given, str):
        return _in_folder(_absolute(given), names)
    if not isinstance(given, Mapping):
        raise StudyError(f"encoder_weights = {given!r} must be a folder, or a mapping from encoder to file.")
    for name in given:
        if name not in names:
            raise StudyError(f"encoder_weights: {name!r} is no encoder of this space.{did_you_mean(name, names)}")
    lacking = [name for name in names if name not in given]
    if lacking:
        raise StudyError(
            f"encoder_weights: no file for {', '.join(lacking)}. An encoder from random weights beside trained ones "
            f"would only lose: leave it out of `encoders`, or say so: {lacking[0]}: null."
        )
    found = {name: _absolute(file) for name, file in given.items() if file is not None}
    for name, file in found.items():
        if not file.is_file():
            raise StudyError(f"encoder_weights: {file} of {name} does not exist. Nothing is downloaded.")
    return found


def _absolute(given: str) -> Path:
    path = Path(given).expanduser()
    if not path.is_absolute():
        raise StudyError(
            f"encoder_weights: {given!r} is a relative path; write an absolute one (or one that begins with ~), "
            f"because searches and trials are started in different folders. From here it would be {path.resolve()}."
        )
    return path


def _in_folder(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    if not folder.is_dir():
        raise StudyError(f"encoder_weights: {folder} is no folder. Nothing is downloaded.")
    files = sorted(path for path in folder.iterdir() if path.is_file())
    found = {}
    for name in names:
        matching = [path for path in files if re.fullmatch(re.escape(name) + _FILE, path.name)]
        if len(matching) != 1:
            there = ", ".join(path.name for path in matching) or "none"
            raise StudyError(
                f"encoder_weights: {folder} must hold one file for {name}, such as {name}.pth; there is {there}. "
                "Nothing is downloaded. Put the file there, name it in a mapping, or leave it out of `encoders`."
            )
        found[name] = matching[0]
    return found
