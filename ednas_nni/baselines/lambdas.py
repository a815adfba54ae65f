"""Lambda of the JAReD loss, as measured for a data set.

It is the ratio of absolute to relative error of a model trained with the L1 loss, so that both terms of
(|p - g| + lambda |p - g| / g) / 2 weigh the same there. `ednas data lambda` measures it; a user's measurements are kept
by the data's identity, one file each. For rendered data a table ships with the package, by name and kind of depth
alone: a third of the images or twice the size changed lambda by 5 % at most (one training each).
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from ednas_nni.data.cache import cache_root
from ednas_nni.errors import DataError
from ednas_nni.record.whole_file import write_whole

if TYPE_CHECKING:
    from ednas_nni.data import DataInfo

FORMAT = 1
SHIPPED = Path(__file__).with_name("lambdas.json")


@dataclass(frozen=True)
class Measurement:
    """Lambda of one data set: AbsE / RelE on the search split, one ratio a training (`seeds`).

    The unit is that of depth, and so of lambda; `made` says how: command, member, steps, image size, date.
    """

    data: str
    fingerprint: str
    depth_kind: str
    unit: str
    ratios: tuple[float, ...]
    seeds: tuple[int, ...]
    made: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Reject ratios that are not measurements."""
        ratios = list(self.ratios)
        if not ratios or len(ratios) != len(self.seeds) or not all(0 < ratio < float("inf") for ratio in ratios):
            raise ValueError(f"ratios {ratios} of seeds {list(self.seeds)} are not measurements")

    @property
    def mean(self) -> float:
        """Mean ratio in `unit`."""
        return statistics.fmean(self.ratios)

    @property
    def deviation(self) -> float | None:
        """Standard deviation over the seeds, None where there is only one."""
        return statistics.stdev(self.ratios) if len(self.ratios) > 1 else None

    @property
    def value(self) -> float:
        """The lambda that the loss uses: the mean, to two significant digits."""
        return float(f"{self.mean:.1e}")

    @property
    def key(self) -> tuple[str, str, str]:
        """What the shipped table is looked up by."""
        return self.data, self.depth_kind, self.unit


_MEASUREMENTS = TypeAdapter(list[Measurement])


def recorded(info: DataInfo, cache: Path | None = None) -> float | None:
    """The recorded lambda of a data set, in its depth unit; None where it was never measured.

    The cache is the root of the data cache, the usual one by default.
    """
    folder = cache_root(cache) / "lambda"
    # The identity of files is known only after they were read: not without need.
    if any(folder.glob(f"{_safe(info.name)}-*.json")) and path_for(info, cache).exists():
        for measurement in read(path_for(info, cache)):
            if (measurement.fingerprint, measurement.unit) == (info.identity, info.depth_unit):
                return measurement.value
    wanted = info.name, info.depth_kind, info.depth_unit
    return next((measurement.value for measurement in read(SHIPPED) if measurement.key == wanted), None)


def path_for(info: DataInfo, cache: Path | None = None) -> Path:
    """The file of a user's own measurement."""
    return cache_root(cache) / "lambda" / f"{_safe(info.name)}-{_safe(info.identity)}.json"


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "_-" else "_" for c in name)


def read(path: Path) -> list[Measurement]:
    """All measurements of a file; DataError: it cannot be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']!r} instead of {FORMAT}")
        return _MEASUREMENTS.validate_python(data["measurements"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path}: cannot be read as measurements of lambda ({reason}). Delete it and measure again: "
            "ednas data lambda FILE.yml"
        ) from None


def write(path: Path, measurement: Measurement) -> None:
    """Put a measurement into a file, in the place of an earlier one of the same data and kind of depth.

    DataError: the file holds something else, or cannot be written.
    """
    others = [m for m in read(path) if m.key != measurement.key] if path.exists() else []
    entries = [
        # What follows from the ratios stands there for people; it is not read.
        {"lambda": m.value, "mean": m.mean, "standard_deviation": m.deviation, **asdict(m)}
        for m in sorted([*others, measurement], key=lambda m: m.key)
    ]
    text = json.dumps({"format": FORMAT, "measurements": entries}, indent=1) + "\n"
    try:
        write_whole(path, text)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}). Name another file.") from None
