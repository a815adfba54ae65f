"""Files that are replaced as a whole: a reader, or a crash, sees the old one or the new one and never half of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def write_whole(path: Path, content: bytes | str | Callable[[BinaryIO], object], mode: int = 0o644) -> None:
    """Write beside the file, then rename. Missing folders are made.

    Args:
        path: The file.
        content: Bytes, text (written as UTF-8), or a function that writes into an open binary file.
        mode: Who may read it.

    Raises:
        OSError: The place cannot be written; what was there is left as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content.encode() if isinstance(content, str) else content)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
