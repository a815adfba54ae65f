"""A device whose costs are measured on this machine: the sum of a space's blocks, each run by a runtime, by its clock.

Every block of the space is measured once, at the shapes it meets at `deploy_size`; a network is the sum of its blocks
times one factor, which a few whole networks give. Timings are kept on disk for this processor, this version of the
runtime and this precision, so only the first table of a space takes minutes. On another processor everything is
measured anew. Protocol and errors: `docs/hardware.md`, `benchmarks/latency.py`.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from devices.parts.timings import this_machine
from ednas_nni.cost.device import CostColumn, ElementType, LowerBound, PartsDevice, Values
from ednas_nni.cost.features import SpaceFeatures, scaled, sums
from ednas_nni.errors import StudyError
from ednas_nni.space.domains import Sample

if TYPE_CHECKING:
    from devices.parts.blocks import BlockCall
    from devices.parts.measure import Opened, Rounds
    from ednas_nni.compat.nas import ModelSpace
    from ednas_nni.graphs.graph import Graph

FEATURE = "block_ms"


class MeasuredDevice(PartsDevice):
    """This machine's processor with a runtime.

    Args:
        name: Of the device with one thread.
        threads: Of one inference; with more than one the machine should be idle.
        precision: Of weights and activations.

    Raises:
        StudyError: There are not so many processors, or a package is missing.

    Attributes:
        engine: The runtime in texts.
        packages: What it needs; the last one's version is the runtime's.
        missing: What a user reads where one is not installed.
        enlarges: Whether an enlargement of outputs to the image's size is part of the network.
    """

    engine: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    missing: ClassVar[str]
    enlarges: ClassVar[bool] = True
    rounds: Rounds | None = None
    quiet = False

    def __init__(self, name: str, threads: int, precision: ElementType = "float32") -> None:
        cores = os.cpu_count() or 1
        if not 1 <= threads <= cores:
            raise StudyError(f"device {name}: threads = {threads!r}; this machine has 1 to {cores}.")
        try:
            version = [metadata.version(package) for package in self.packages][-1]
        except metadata.PackageNotFoundError as error:
            raise StudyError(self.missing) from error
        self.machine = this_machine(threads, version, self.engine, precision)
        self.dtype, self.measured_on = precision, f"{self.machine.title}, {precision}"
        self.name = name if threads == 1 else f"{name}_{threads}_threads"
        self.columns = (self._column("not compared with whole networks yet"),)

    @abstractmethod
    def opened(self, graph: Graph) -> Opened:
        """A graph, loaded with random inputs: each call of the answer is one inference.

        Raises:
            StudyError: An operator cannot be written for the runtime, or a package is missing.
        """

    def space_features(self, space: ModelSpace, size: tuple[int, int]) -> SpaceFeatures:
        """Latencies of all blocks in ms, calibrated on whole networks; measured where they are not on disk yet.

        Raises:
            StudyError: A part of the space cannot be written for the runtime, or a package is missing.
            DataError: Timings on disk are damaged, or cannot be written.
        """
        from devices.parts.block_table import block_table
        from devices.parts.measure import measured
        from devices.parts.timings import Store
        from devices.parts.whole_networks import factor, held_out_errors, whole_networks

        blocks = block_table(space, size, self.part(size))
        samples = whole_networks(blocks)
        networks = [self.network(space, sample, size) for sample in samples]
        graphs = {**blocks.graphs, **{graph.signature: graph for graph in networks}}
        timings = measured(graphs, Store(self.machine), self.opened, self.rounds, self.name, self.quiet)
        raw = blocks.features({signature: {FEATURE: timings[signature].ms} for signature in blocks.graphs})
        added = sums(raw, samples)[:, 0]
        whole = [timings[graph.signature].ms for graph in networks]
        if len(samples) > 1:
            errors = np.abs(held_out_errors(added, whole))
            restless = max(timing.disagreement for timing in timings.values())
            compared = (
                f"{len(samples)} whole networks, each predicted from the others, are off by {errors.mean():.1%} on "
                f"average and {errors.max():.1%} at most; halves of a measurement differ by {restless:.1%} at most"
            )
            self.columns = (self._column(compared, float(errors.mean())),)
        return scaled(raw, factor(added, whole))

    def part(self, size: tuple[int, int]) -> Callable[[Graph, BlockCall], Graph]:
        """What is measured of a block, for networks that give (height, width) pixels."""
        return lambda graph, call: self._ended(graph, size) if call.ends else graph

    def network(self, space: ModelSpace, sample: Sample, size: tuple[int, int]) -> Graph:
        """What is measured of a whole network."""
        from ednas_nni.graphs.capture import network_graph

        return self._ended(network_graph(space, sample, size), size)

    def _ended(self, graph: Graph, size: tuple[int, int]) -> Graph:
        from ednas_nni.graphs.graph import cut

        return graph if self.enlarges else cut(graph, size)

    def costs(self, totals: Mapping[str, Values]) -> dict[str, Values]:
        """The sum itself."""
        return {"latency_ms": totals[FEATURE]}

    def lower_bound(self, column: str) -> LowerBound:
        """The sum itself."""
        return LowerBound({FEATURE: 1.0})

    def _column(self, compared: str, error: float | None = None) -> CostColumn:
        clock = "processor time" if self.machine.threads == 1 else "wall-clock time"
        note = (
            f"on {self.machine.title}: {self.machine.precision}, batch 1, smallest {clock}; sum of blocks measured one "
            f"by one, times the factor of whole networks; {compared}"
        )
        compared = "" if error is None else compared
        return CostColumn("latency_ms", "ms", self.name, "measured", note, error=error, compared=compared)
