"""The argument `--picture PATH.png` of commands."""

from __future__ import annotations

from pathlib import Path

from ednas_nni.errors import EdnasError


def check_picture(path: Path | None) -> None:
    """A name that cannot be written is said before the work, not after it.

    Raises:
        EdnasError: It is no PNG, or its folder does not exist.
    """
    if path is None:
        return
    if path.suffix.lower() != ".png":
        raise EdnasError(f"--picture {path}: only PNG can be written. Name a file ending in .png, such as plan.png.")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise EdnasError(f"--picture {path}: {path.absolute().parent} is no folder. Make it, or name another one.")


def write_picture(path: Path, png: bytes) -> None:
    """Write it.

    Raises:
        EdnasError: The place cannot be written.
    """
    try:
        path.write_bytes(png)
    except OSError as error:
        raise EdnasError(f"--picture {path}: cannot be written ({error.strerror}). Name another file.") from None
