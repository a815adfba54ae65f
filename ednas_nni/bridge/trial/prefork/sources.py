"""Whether code that a process has loaded was changed since."""

from __future__ import annotations

import site
import sys
import sysconfig
from pathlib import Path

Stamp = tuple[int, int]


def snapshot() -> dict[str, Stamp]:
    """Time of change and size of every loaded source file that people edit.

    The standard library and installed packages are left out; packages installed in place (`pip install -e`) are not in
    their folders, so they are watched.
    """
    installed = {
        str(Path(folder).resolve())
        for folder in (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), *site.getsitepackages(),
                       site.getusersitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    }  # fmt: skip
    stamps = {}
    for module in list(sys.modules.values()):
        file = vars(module).get("__file__")
        if not isinstance(file, str) or not file.endswith(".py"):
            continue
        path = Path(file).resolve()
        if any(str(path).startswith(folder + "/") for folder in installed):
            continue
        stamp = _stamp(path)
        if stamp is not None:
            stamps[str(path)] = stamp
    return stamps


def changed(before: dict[str, Stamp]) -> str | None:
    """The first file of a snapshot that is another one now, or gone."""
    return next((path for path, stamp in before.items() if _stamp(Path(path)) != stamp), None)


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
