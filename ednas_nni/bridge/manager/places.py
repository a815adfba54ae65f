"""Where NNI writes when it starts: tried beforehand, so that `ednas check` says what a search would stumble over."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from ednas_nni.errors import ExperimentError

HOME = "~/nni-experiments"
"""NNI's own folder of the user: its list of experiments is there whatever `experimentWorkingDirectory` says."""
OTHER_HOME = "NNI keeps its list of experiments there. Name another home: HOME=/a/folder"
ROOM = 1 << 18  # bytes: NNI's database and logs of an experiment without trials


def start_faults(experiments: Path) -> list[str]:
    """What keeps NNI from starting an experiment there, one line a place, with the way out; [] where nothing does.

    Nothing is left behind, except for NNI's own default settings in its folder for settings.
    """
    return [
        *_fault(HOME, lambda: try_folder(Path(HOME).expanduser()), OTHER_HOME),
        *_fault(str(experiments), lambda: try_folder(experiments), "experimentWorkingDirectory: name another folder."),
        *settings_faults(),
        *_fault("TMPDIR", tempfile.gettempdir, "Name a folder for temporary files: TMPDIR=/a/folder"),
    ]


def settings_faults() -> list[str]:
    """The same for NNI's settings alone, which it needs before it reads an experiment file."""
    way_out = "NNI keeps its settings there. Name another place: NNI_CONFIG_DIR=/a/folder"
    return _fault("NNI_CONFIG_DIR", _settings, way_out)


def _fault(place: str, action: Callable[[], object], way_out: str) -> list[str]:
    try:
        action()
    except (OSError, RuntimeError) as error:  # RuntimeError: nobody's home
        place = (isinstance(error, OSError) and error.filename) or place
        words = (isinstance(error, OSError) and error.strerror) or str(error)
        return [f"{place}: cannot be written ({words}). {way_out}"]
    return []


def _settings() -> None:
    from nni.runtime.config import get_config_file

    for name in ("training_services.json", "registered_algorithms.yml"):
        get_config_file(name)  # copied there where it is missing


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def try_folder(folder: Path) -> None:
    """Write into a folder, or into the nearest one above it that exists.

    OSError, with the folder as its `filename`: it cannot be written, or has no room.
    """
    try:
        with tempfile.TemporaryFile(dir=existing(folder)) as file:
            file.write(bytes(ROOM))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from None


def make_experiment_folder(folder: Path) -> None:
    """Make the folder of an experiment for this user alone; ExperimentError: it cannot be, or is somebody else's."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        owner = folder.stat().st_uid
    except OSError as error:
        raise ExperimentError(f"{folder}: cannot be made ({error.strerror}).") from None
    if owner != os.getuid():
        raise ExperimentError(f"{folder}: belongs to another user; an experiment is resumed by whoever started it.")
