"""Latency on this machine's processor in onnxruntime, measured: float32, batch 1, default graph optimisations.

Every block of the space is measured once, at the shapes it meets at `deploy_size`; a network is the sum of its blocks
times one factor, which a few whole networks give. Timings are kept on disk for this processor and this version of the
runtime, so only the first table of a space takes minutes. On another processor everything is measured anew. Protocol
and errors: `docs/hardware.md`, `benchmarks/latency.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ednas_nni.cost.device import CostColumn, LowerBound, PartsDevice, Values
from ednas_nni.cost.features import SpaceFeatures, scaled, sums
from ednas_nni.errors import StudyError

if TYPE_CHECKING:
    from devices.cpu_onnxruntime.measure import Rounds
    from devices.cpu_onnxruntime.store import Machine
    from ednas_nni.compat.nas import ModelSpace

FEATURE = "block_ms"


class CpuOnnxruntime(PartsDevice):
    """This machine's processor.

    Args:
        threads: Threads of one inference. With one, other work on the machine hardly disturbs the measurement; with
            more it should be idle.

    Raises:
        StudyError: There are not so many processors, or the extra `onnx` is not installed.
    """

    rounds: Rounds | None = None
    quiet = False

    def __init__(self, threads: int = 1) -> None:
        cores = os.cpu_count() or 1
        if not 1 <= threads <= cores:
            raise StudyError(f"device cpu_onnxruntime: threads = {threads!r}; this machine has 1 to {cores}.")
        from devices.cpu_onnxruntime.store import this_machine

        self.machine: Machine = this_machine(threads)
        self.name = "cpu_onnxruntime" if threads == 1 else f"cpu_onnxruntime_{threads}_threads"
        self.columns = (_column(self.name, self.machine, "not compared with whole networks yet"),)

    def space_features(self, space: ModelSpace, size: tuple[int, int]) -> SpaceFeatures:
        """Latencies of all blocks in ms, calibrated on whole networks; measured where they are not on disk yet.

        Raises:
            StudyError: A part of the space cannot be written as ONNX, or the extra `onnx` is not installed.
            DataError: Timings on disk are damaged, or cannot be written.
        """
        from devices.cpu_onnxruntime.measure import measured
        from devices.cpu_onnxruntime.store import Store
        from devices.parts.block_table import block_table
        from devices.parts.whole_networks import factor, held_out_errors, whole_networks
        from ednas_nni.graphs.capture import network_graph

        blocks = block_table(space, size)
        graphs, samples = dict(blocks.graphs), whole_networks(blocks)
        networks = [network_graph(space, sample, size) for sample in samples]
        graphs.update((graph.signature, graph) for graph in networks)
        timings = measured(graphs, Store(self.machine), self.rounds, self.name, self.quiet)
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
            self.columns = (_column(self.name, self.machine, compared, float(errors.mean())),)
        return scaled(raw, factor(added, whole))

    def costs(self, totals: Mapping[str, Values]) -> dict[str, Values]:
        """The sum itself."""
        return {"latency_ms": totals[FEATURE]}

    def lower_bound(self, column: str) -> LowerBound:
        """The sum itself."""
        return LowerBound({FEATURE: 1.0})


def _column(name: str, machine: Machine, compared: str, error: float | None = None) -> CostColumn:
    clock = "processor time" if machine.threads == 1 else "wall-clock time"
    note = (
        f"on {machine.title}: float32, batch 1, smallest {clock}; sum of blocks measured one by one, times "
        f"the factor of whole networks; {compared}"
    )
    compared = "" if error is None else compared
    return CostColumn("latency_ms", "ms", name, "measured", note, error=error, compared=compared)
