"""Find the journal that a user means: an experiment's id, its folder, a journal file, or `latest`."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
from pathlib import Path

from ednas_nni.errors import JournalError, did_you_mean, quoted
from ednas_nni.record.journal import FILE, FOLDER
from ednas_nni.study.plain_data import user_path

EXPERIMENTS = "~/nni-experiments"  # NNI's own default
LATEST = "latest"
SHOWN = 10  # ids named in a message
_ID = re.compile(r"\w+")  # what NNI makes; it becomes part of a path


def journal_of(text: str, experiments: Path | None = None) -> Path:
    """The journal file.

    Args:
        text: Experiment id, folder of an experiment, journal file, or "latest", the one that began last.
        experiments: NNI's folder; `~/nni-experiments` by default. Experiments that NNI keeps elsewhere
            (`experimentWorkingDirectory`) are found through NNI's own list there.

    Raises:
        JournalError: There is none; the ids that exist are named.
    """
    try:
        path = user_path(text)
        for candidate in (path, path / FILE, path / FOLDER / FILE):
            if candidate.is_file():
                return candidate
    except (OSError, ValueError) as error:  # a name that is too long, a folder that may not be read
        raise JournalError(f"{quoted(text)}: {getattr(error, 'strerror', None) or error}.") from None
    home = experiments or Path(EXPERIMENTS).expanduser()
    by_id = journals(home)
    if text == LATEST and by_id:
        return max(by_id.values(), key=_begun)
    if text in by_id:
        return by_id[text]
    if not by_id:
        raise JournalError(
            f"{quoted(text)}: no experiment has a journal in {home}. Start one with `ednas search FILE.yml`."
        )
    if (home / text).is_dir() and path.name == text:
        raise JournalError(
            f"experiment {text!r} in {home} has no journal: it is not an EDNAS search, or its study was rejected."
        )
    newest = sorted(by_id, key=lambda name: -by_id[name].stat().st_mtime)[:SHOWN]
    raise JournalError(
        f"{quoted(text)} is neither an experiment id nor a journal file.{did_you_mean(text, [*newest, LATEST])}"
    )


def _begun(journal: Path) -> tuple[float, float]:
    """When a search began, and when it was last written to: finishing or confirming an older one makes it no newer."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError), journal.open("rb") as file:
        return float(json.loads(file.readline())["time"]), journal.stat().st_mtime
    return 0.0, 0.0


def journals(experiments: Path | None = None) -> dict[str, Path]:
    """Experiment id -> its journal, of every search in NNI's folder (`~/nni-experiments`) and in NNI's list there."""
    folders = _folders(experiments or Path(EXPERIMENTS).expanduser())
    return {name: path for name, folder in folders.items() if (path := folder / FOLDER / FILE).is_file()}


def folder_of(text: str) -> Path:
    """The folder of an experiment, named as for `journal_of`; it may have come to no journal yet."""
    path = Path(text)
    folders = _folders(Path(EXPERIMENTS).expanduser())
    folder = next((f for f in (path, folders.get(text)) if f is not None and (f / FOLDER).is_dir()), None)
    return experiment_of(journal_of(text)) if folder is None else folder.resolve()


def command_name(journal: Path) -> str:
    """What a command takes for the search of a journal: its id, its folder where the id leads elsewhere or nowhere."""
    folder = experiment_of(journal)
    listed = _folders(Path(EXPERIMENTS).expanduser()).get(folder.name)
    return folder.name if listed is not None and listed.resolve() == folder else shlex.quote(str(folder))


def _folders(home: Path) -> dict[str, Path]:
    """Experiment id -> its folder, of every experiment in NNI's folder and in NNI's list."""
    folders = {path.parent.name: path.parent for path in home.glob(f"*/{FOLDER}") if not path.parent.is_symlink()}
    try:
        listed = json.loads((home / ".experiment").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return folders
    for name, entry in listed.items() if isinstance(listed, dict) else ():
        place = entry.get("logDir") if isinstance(entry, dict) else None
        if isinstance(place, str) and _ID.fullmatch(name) and (Path(place) / name).is_dir():  # not copied from there
            folders[name] = Path(place) / name
    return folders


def experiment_of(journal: Path) -> Path:
    """The folder of the experiment that a journal belongs to: two above it, named by the experiment's id."""
    folder = journal.resolve().parent.parent
    if not folder.name:
        raise JournalError(f"{journal}: lies in no experiment's folder; put it to EXPERIMENT/{FOLDER}/{FILE}.")
    return folder
