"""Figures of graphs on disk, by the signature of their graph; several processes may add to one file.

One file holds what one maker gave: a machine with its runtime, a compiler with its settings. Another one's figures are
never taken for its own.
"""

from __future__ import annotations

import fcntl
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from ednas_nni.data.cache import fingerprint
from ednas_nni.errors import DataError

_FORMAT = 1
Figure = TypeVar("Figure")


class Figures(ABC, Generic[Figure]):
    """Figures of one maker.

    Args:
        maker: What decides a figure besides the graph, as plain data; the file is named by a hash of it.
        title: The maker for people.
        folder: Where the file lies.

    Attributes:
        what: The figures in messages.
    """

    what: ClassVar[str]

    def __init__(self, maker: Mapping[str, object], title: str, folder: Path) -> None:
        self._maker, self._title = dict(maker), title
        self.path = folder / f"{fingerprint(maker)}.json"

    @abstractmethod
    def row(self, figure: Figure) -> Mapping[str, object]:
        """A figure as plain data."""

    @abstractmethod
    def figure(self, row: Mapping[str, object]) -> Figure:
        """A figure from plain data.

        Raises:
            ValueError: It is none; any LookupError, TypeError or AttributeError counts as well.
        """

    def read(self) -> dict[str, Figure]:
        """All figures by signature; empty when there are none yet.

        Raises:
            DataError: The file is damaged or another maker's.
        """
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise DataError(f"cannot read {self.what} at {self.path}: {error.strerror}") from error
        try:
            content = json.loads(text)
            maker, form, rows = content["machine"], content["format"], content["timings"]
            figures = {signature: self.figure(row) for signature, row in rows.items()}
            if form != _FORMAT:
                raise ValueError(f"format {form!r}")
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise DataError(f"{self.what} at {self.path} are damaged ({error}); {self._way_out()}") from error
        if maker != self._maker:
            raise DataError(f"{self.path} holds figures of {maker!r}, not of {self._title}; {self._way_out()}")
        return figures

    def add(self, figures: Mapping[str, Figure]) -> None:
        """Add figures to those on disk; a graph that is there already gets the new one.

        Raises:
            DataError: The file is damaged or cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                rows = {signature: self.row(figure) for signature, figure in {**self.read(), **figures}.items()}
                text = json.dumps({"format": _FORMAT, "machine": self._maker, "timings": rows}, indent=1)
                staging = self.path.with_suffix(f".partial-{os.getpid()}")
                with staging.open("w", encoding="utf-8") as handle:
                    handle.write(text + "\n")
                    handle.flush()
                    os.fsync(handle.fileno())
                staging.replace(self.path)
        except OSError as error:
            raise DataError(
                f"cannot write {self.what} to {self.path}: {error}; free some space or point EDNAS_CACHE to a "
                "folder that can be written"
            ) from error

    def _way_out(self) -> str:
        return f"delete the file (rm '{self.path}') and run again, everything in it is made anew"
