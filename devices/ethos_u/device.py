"""Latency, memory and placement on Arm's Ethos-U NPUs, as Arm's compiler Vela estimates them: int8, batch 1.

Every block of the space is compiled once, at the shapes it meets at `deploy_size` (parts); a network is the sum of its
blocks times one factor, which a few whole networks give. Memory is the largest of its blocks. Estimates are kept on
disk. Nothing is measured: Vela's estimates are a model of the compiler's own authors. `docs/hardware.md`,
`benchmarks/ethos_u.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from devices.ethos_u.vela import NpuTarget, installed
from ednas_nni.cost.device import CostColumn, LowerBound, PartsDevice, Values
from ednas_nni.cost.features import SpaceFeatures, scaled, sums
from ednas_nni.space.domains import Sample

if TYPE_CHECKING:
    from devices.ethos_u.parts import VelaEstimate
    from ednas_nni.compat.nas import ModelSpace

Accelerator = Literal[
    "u55-32", "u55-64", "u55-128", "u55-256", "u65-256", "u65-512",
    "u85-128", "u85-256", "u85-512", "u85-1024", "u85-2048",
]  # fmt: skip


class EthosU(PartsDevice):
    """An Ethos-U NPU beside a processor.

    Args:
        accelerator: Family and multiply-adds a cycle.
        system: Clock and memories: a `System_Config` of Vela's `vela.ini`.
        memory: Which memory holds what: a `Memory_Mode`.
        cpu_ns: Nanoseconds for an element that the processor writes; a guess for a Cortex-M.

    Raises:
        StudyError: Vela is not installed.
    """

    dtype = "int8"
    maxima = frozenset({"sram_bytes"})
    quiet = False
    whole: tuple[Sample, ...] = ()
    """Architectures that the factor comes from."""

    def __init__(
        self,
        accelerator: Accelerator = "u55-256",
        system: str = "",
        memory: str = "",
        cpu_ns: Annotated[float, Field(ge=0)] = 100.0,
    ) -> None:
        self.target = NpuTarget(f"ethos-{accelerator}", system, memory, installed())
        self.cpu_ns = cpu_ns
        self.name = f"ethos_{accelerator.replace('-', '_')}"
        self._left: list[str] = []
        self._errors: dict[str, np.ndarray] = {}
        self.columns = self._columns()

    def space_features(self, space: ModelSpace, size: tuple[int, int]) -> SpaceFeatures:
        """Figures of all blocks, the NPU's time calibrated on whole networks; compiled where not on disk yet.

        Raises:
            StudyError: A part of the space has no int8 form, or Vela rejects it.
            DataError: Estimates on disk are damaged, or cannot be written.
        """
        from devices.ethos_u.parts import Estimates, estimates, in_surroundings
        from devices.parts.block_table import block_table
        from devices.parts.whole_networks import factor, held_out_errors, whole_networks
        from ednas_nni.graphs.capture import network_graph
        from ednas_nni.graphs.graph import cut
        from ednas_nni.nn.capabilities import capabilities_of
        from ednas_nni.nn.sizes import shrunk

        image = shrunk(size, capabilities_of(space).resolution)
        blocks = block_table(space, size, partial(in_surroundings, size=size, image=image))
        samples = whole_networks(blocks)
        self.whole = tuple(samples)
        networks = [cut(network_graph(space, sample, size), size) for sample in samples]
        graphs = {**blocks.graphs, **{graph.signature: graph for graph in networks}}
        made = estimates(graphs, Estimates(self.target), self.name, self.quiet)
        raw = blocks.features({signature: _figures(made[signature]) for signature in blocks.graphs}, self.maxima)
        added = sums(raw, samples)[:, raw.names.index("npu_ms")]
        whole = [made[graph.signature] for graph in networks]
        times = [network.milliseconds for network in whole]
        calibrated = scaled(raw, factor(added, times), ("npu_ms",))
        if len(samples) > 1:
            costs = self.costs(dict(zip(raw.names, sums(calibrated, samples).T, strict=True)))
            self._errors = {
                "latency_ms": np.abs(held_out_errors(added, times)),
                "sram_bytes": np.abs(costs["sram_bytes"] / [network.sram_bytes for network in whole] - 1),
                "npu_share": np.abs(costs["npu_share"] - [1 - len(n.left) / n.operators for n in whole]),
            }
        left = Counter(text for signature in blocks.graphs for text in made[signature].left)
        self._left = [f"{text} (in {n} parts)" for text, n in left.items()]
        self.columns = self._columns()
        return calibrated

    def costs(self, totals: Mapping[str, Values]) -> dict[str, Values]:
        """See the columns' notes."""
        return {
            "latency_ms": totals["npu_ms"] + totals["left_elements"] * (self.cpu_ns / 1e6),
            "sram_bytes": totals["sram_bytes"],
            "npu_share": 1 - totals["left"] / np.maximum(totals["operators"], 1),
        }

    def terms(self, column: str, totals: Mapping[str, Values]) -> dict[str, Values] | None:
        """NPU and processor; the largest of the blocks' memories has no parts."""
        if column != "latency_ms":
            return None
        return {"npu": totals["npu_ms"], "processor": totals["left_elements"] * (self.cpu_ns / 1e6)}

    def lower_bound(self, column: str) -> LowerBound | None:
        """The latency is a sum already."""
        if column == "latency_ms":
            return LowerBound({"npu_ms": 1.0, "left_elements": self.cpu_ns / 1e6})
        return LowerBound({"sram_bytes": 1.0}) if column == "sram_bytes" else None

    def _columns(self) -> tuple[CostColumn, ...]:
        where = f"{self.target.accelerator}, {self.target.system or 'its default system'}, Vela {self.target.vela}"
        named, more = "; ".join(self._left[:8]), len(self._left) - 8
        left = f"left to the processor: {named}{f'; {more} more' if more > 0 else ''}" if named else "nothing is left"
        latency = (
            f"{where}: the compiler's own estimate, not a measurement; sum of blocks compiled one by one, times the "
            f"factor of whole networks; for what the NPU cannot run, {self.cpu_ns:g} ns an element that the processor "
            "writes (a guess); without switching between the two, and without the enlargement of outputs to the image"
        )
        sram = f"{where}: on-chip memory, the largest of the blocks, each with what other blocks read as well"
        share = f"{where}: share of the file's operators that the NPU runs; of this space's blocks, {left}"
        columns = []
        for name, unit, note in (("latency_ms", "ms", latency), ("sram_bytes", "B", sram), ("npu_share", "1", share)):
            errors = self._errors.get(name)
            text = "" if errors is None else f"Vela on {len(errors)} whole networks: off by {errors.max():.1%} at most"
            mean = None if errors is None else float(errors.mean())
            columns.append(CostColumn(name, unit, self.name, "compiled", note, error=mean, compared=text))
        return tuple(columns)


def _figures(estimate: VelaEstimate) -> dict[str, float]:
    return {
        "npu_ms": estimate.milliseconds,
        "sram_bytes": estimate.sram_bytes,
        "operators": estimate.operators,
        "left": len(estimate.left),
        "left_elements": estimate.left_elements,
    }
