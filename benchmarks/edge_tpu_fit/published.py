"""Published networks with their published latency, as layer records.

The networks live as data in `coral_*.yml` beside this file; the head of these files explains the notation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from edge_tpu_fit.layer_lists import expand
from ednas_nni.cost.records import LayerRecord

FILES = ("coral_networks.yml", "coral_dense.yml")
ON_CHIP_BYTES = 8_000_000
"""The Edge TPU's memory: rows with more parameters than this stream them, whatever a model says."""


@dataclass(frozen=True)
class PublishedNetwork:
    """A network with its published latency.

    Attributes:
        name: Name in the published table.
        latency_ms: Published latency of one image in milliseconds.
        source: Which published page the latency comes from.
        paper: Where the layer list comes from.
        size: Input (height, width) in pixels.
        params: Published number of parameters, for checking the layer list; None where none is published.
        macs: Published multiply-adds, likewise.
        dense: Whether it predicts something for every place of the image.
        left_out: Why the row is not fitted; empty for fitted rows.
        layers: Its layers.
    """

    name: str
    latency_ms: float
    source: str
    paper: str
    size: tuple[int, int]
    params: float | None
    macs: float | None
    dense: bool
    left_out: str
    layers: tuple[LayerRecord, ...] = field(repr=False)

    @property
    def regime(self) -> str:
        """`dense`, or for a classifier `streaming` or `on_chip`, by its number of parameters alone."""
        if self.dense:
            return "dense"
        return "streaming" if sum(layer.params for layer in self.layers) > ON_CHIP_BYTES else "on_chip"


@cache
def published_networks() -> tuple[PublishedNetwork, ...]:
    """All published networks of the shipped files, in their order."""
    folder = Path(__file__).parent
    rows = [row for file in FILES for row in yaml.safe_load((folder / file).read_text(encoding="utf-8"))["networks"]]
    return tuple(_network(row) for row in rows)


def _network(row: dict[str, Any]) -> PublishedNetwork:
    size = row["size"]
    return PublishedNetwork(
        name=row["name"],
        latency_ms=float(row["latency_ms"]),
        source=row["source"],
        paper=row["paper"],
        size=(size, size) if isinstance(size, int) else (size[0], size[1]),
        params=float(row["params"]) if "params" in row else None,
        macs=float(row["macs"]) if "macs" in row else None,
        dense=bool(row.get("dense", False)),
        left_out=row.get("left_out", ""),
        layers=tuple(expand(row["layers"], size)),
    )
