"""Find the journal that a user means: an experiment's id, its folder, a journal file, or `latest`."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ednas_nni.errors import JournalError, did_you_mean, quoted
from ednas_nni.record.journal import FILE, FOLDER, journal_path
from ednas_nni.study.plain_data import user_path

EXPERIMENTS = "~/nni-experiments"  # NNI's own default
LATEST = "latest"
SHOWN = 10  # ids named in a message
_ID = re.compile(r"\w+")  # what NNI makes; it becomes part of a path


def journal_of(text: str, experiments: Path | None = None) -> Path:
    """The journal file.

    Args:
        text: Experiment id, folder of an experiment, journal file, or "latest".
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
    journals = _journals(home)
    if text == LATEST and journals:
        return max(journals.values(), key=lambda file: file.stat().st_mtime)
    if text in journals:
        return journals[text]
    if not journals:
        raise JournalError(
            f"{quoted(text)}: no experiment has a journal in {home}. Start one with `ednas search FILE.yml`."
        )
    if (home / text).is_dir() and path.name == text:
        raise JournalError(
            f"experiment {text!r} in {home} has no journal: it is not an EDNAS search, or its study was rejected."
        )
    newest = sorted(journals, key=lambda name: -journals[name].stat().st_mtime)[:SHOWN]
    raise JournalError(
        f"{quoted(text)} is neither an experiment id nor a journal file.{did_you_mean(text, [*newest, LATEST])}"
    )


def _journals(home: Path) -> dict[str, Path]:
    """Experiment id -> journal file, of every experiment that has one."""
    journals = {
        path.parents[1].name: path for path in home.glob(f"*/{FOLDER}/{FILE}") if not path.parents[1].is_symlink()
    }
    try:
        listed = json.loads((home / ".experiment").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return journals
    for name, entry in listed.items() if isinstance(listed, dict) else ():
        folder = entry.get("logDir") if isinstance(entry, dict) else None
        if isinstance(folder, str) and _ID.fullmatch(name) and (path := journal_path(folder, name)).is_file():
            journals[name] = path
    return journals


def experiment_of(journal: Path) -> Path:
    """The folder of the experiment that a journal belongs to: two above it, named by the experiment's id.

    Raises:
        JournalError: It lies in no such folder.
    """
    folder = journal.resolve().parent.parent
    if not folder.name:
        raise JournalError(f"{journal}: lies in no experiment's folder; put it to EXPERIMENT/{FOLDER}/{FILE}.")
    return folder
