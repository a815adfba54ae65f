"""Where single-task baselines lie: some ship with the package, a user's own are kept beside the data cache.

A file is JSON: a format number and a list of records. Files are replaced as a whole, never edited in place, so that
a reader sees the old one or the new one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ednas_nni.baselines.record import BaselineRecord, digest, same
from ednas_nni.errors import BaselineError
from ednas_nni.record.whole_file import write_whole

FORMAT = 1
SHIPPED = Path(__file__).parent / "shipped"


def folder(cache: Path) -> Path:
    """Folder of a user's own baselines within the cache."""
    return cache / "references"


def path_for(identity: Mapping[str, Any], cache: Path) -> Path:
    """The file that a user's own baseline is kept in, one a record."""
    member, data = identity["architecture"]["member"], identity["data"]["name"]
    name = "-".join(_safe(part) for part in (data, identity["task"], member, digest(identity)))
    return folder(cache) / f"{name}.json"


def read(path: Path) -> list[BaselineRecord]:
    """All records of a file; BaselineError where it cannot be read, or is no file of baselines."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise BaselineError(f"format {data['format']!r} is not {FORMAT}, the one this version writes")
        return [BaselineRecord.parse(entry) for entry in data["records"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError, BaselineError) as error:
        raise BaselineError(
            f"{path}: cannot be read as a file of single-task baselines ({error}). Delete it and make them again: "
            "ednas reference FILE.yml"
        ) from None


def write(path: Path, records: Iterable[BaselineRecord]) -> None:
    """Write a file of records as a whole; BaselineError where the place cannot be written."""
    text = json.dumps({"format": FORMAT, "records": [record.dump() for record in records]}, indent=1) + "\n"
    try:
        write_whole(path, text)
    except OSError as error:
        raise BaselineError(f"{path}: cannot be written ({error.strerror}). Name another file.") from None


def all_records(cache: Path, shipped: Path | None = None) -> tuple[list[BaselineRecord], list[str]]:
    """Every record there is, the user's own before the shipped ones, and what could not be read."""
    records, faults = [], []
    for path in (*sorted(folder(cache).glob("*.json")), *sorted((shipped or SHIPPED).glob("*.json"))):
        try:
            records += read(path)
        except BaselineError as error:
            faults.append(str(error))
    return records, faults


def matching(identity: Mapping[str, Any], records: Iterable[BaselineRecord]) -> BaselineRecord | None:
    """The record of exactly this identity; of several the one with the most trainings, then the first."""
    fitting = [record for record in records if same(record.identity, identity) and record.runs]
    return max(fitting, key=lambda record: len(record.runs), default=None)


def _safe(text: Any) -> str:
    return "".join(c if c.isalnum() or c in "_.+" else "_" for c in str(text)).strip(".") or "_"
