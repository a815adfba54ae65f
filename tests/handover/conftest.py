"""Journals of made-up searches, small enough to see the answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ednas_nni.handover.search import SearchRecord, open_search
from ednas_nni.space.domains import Dimension, Domains

SPACE = Domains([Dimension("width", tuple(range(8)))])
COLUMNS = [
    {"name": "latency_ms", "unit": "ms", "device": "edge_tpu", "origin": "modelled"},
    {"name": "params", "unit": "parameter", "device": "params", "origin": "counted"},
]
# width -> quality, latency_ms: 0, 1, 2 and 4 are the front, 2 is its knee; 3 is beaten, 5 is outside the limit.
POINTS = {0: (0.10, 2.0), 1: (0.20, 3.0), 2: (0.40, 4.0), 3: (0.30, 6.0), 4: (0.45, 10.0), 5: (0.99, 30.0)}


def key(width: int) -> str:
    return SPACE.architecture_id({"width": width})


def confirmed(width: int, *qualities: float, **changes: Any) -> list[dict[str, Any]]:
    return [
        {"event": "confirmed", "time": 3, "architecture": key(width), "seed": 2000 + n, "metrics": {"default": q}}
        | changes
        for n, q in enumerate(qualities)
    ]


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., SearchRecord]:
    """Write a search of `points` and further events, and open it."""

    def make(
        points: Mapping[int, tuple[float, float]] = POINTS,
        extra: list[dict[str, Any]] | None = None,
        inherits: bool = False,
        name: str = "made",
        **study: Any,
    ) -> SearchRecord:
        given = {"objectives": ["quality", "latency_ms"], "constraints": ["latency_ms <= 20"], **study}
        head = {"event": "study", "time": 1, "experiment": name, "study": given, "columns": COLUMNS}
        head |= {"inherits": True} if inherits else {}
        lines: list[dict[str, Any]] = [head | {"members": {"slim": key(1)}, "domains": SPACE.to_json()}]
        for trial, (width, (quality, latency)) in enumerate(points.items()):
            both = {"time": 2, "trial": trial, "job": f"job{trial}"}
            costs = {"latency_ms": latency, "params": 100.0 * width}
            sample = {"width": width}
            lines.append({"event": "submitted", "architecture": key(width), "sample": sample, "costs": costs, **both})
            lines.append({"event": "result", "architecture": key(width), "metrics": {"default": quality}, **both})
            lines.append({"event": "ended", "status": "trained", **both})
        path = tmp_path / name / "ednas" / "journal.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, *(extra or [])]))
        return open_search(path)

    return make
