"""Writes a network's files; a file that does not prove itself never gets its name."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ednas_nni.cost.layers import layer_records
from ednas_nni.errors import EdnasError, NetworkError
from ednas_nni.graphs.inference_graph import InferenceGraph, inference_graph
from ednas_nni.graphs.int8 import CALIBRATION
from ednas_nni.networks.export.base import EXPORTERS, Exporter, FileRuntime, Images, Order, facts_for
from ednas_nni.networks.export.proof import LEAST, OutputMatch, agreements, odd
from ednas_nni.tasks.base import Task
from ednas_nni.tasks.decoding import Decoding, Outputs

if TYPE_CHECKING:
    from ednas_nni.networks.network import Network

STEM = "network"


@dataclass(frozen=True)
class Exported:
    """What became of one format.

    Attributes:
        path: The file, of so many bytes; None where it was not written.
        seconds: What writing and proving took.
        macs: Multiply-adds counted from the file's own graph.
        matches: How close its outputs are to torch's.
        reason: Why there is no file, in one line; "" where there is one.
    """

    format: str
    path: Path | None = None
    bytes: int = 0
    seconds: float = 0.0
    macs: int = 0
    matches: tuple[OutputMatch, ...] = ()
    reason: str = ""


def export(
    network: Network,
    to: Sequence[str],
    images: Callable[[tuple[int, int], int], Images],
    *,
    outputs: Outputs | None = None,
    size: tuple[int, int] | None = None,
    input_type: Literal["int8", "uint8"] = "int8",
    say: Callable[[str], object] = lambda line: None,
) -> list[Exported]:
    """Write files into the network's folder, `network.onnx` and so on, each proved against torch before it is named.

    Args:
        network: Saved.
        to: Names of exporters.
        images: (height and width, count) -> real images uint8 (n, H, W, 3), to calibrate on and to prove with.
        outputs: What the files give; by default what costs were priced with.
        size: Height and width of the image, of which a network of a lower resolution gets so much less; by default the
            deploy size.
        input_type: Of the input of quantised files.
        say: Gets a line when something begins that takes long.

    Returns:
        One entry a format, also for those that could not be written.

    Raises:
        NetworkError: The network was not saved as it is, cannot be written down, or there are too few images.
        PluginError: An exporter is unknown.
    """
    network.saved()
    makers = [EXPORTERS.load(name)() for name in to]
    size = size or network.description.deploy_size
    decodings = {name: task.decoding for name, task in network.tasks.items()}
    silent = [name for name, task in network.tasks.items() if type(task).decoding is Task.decoding]
    if outputs == "labels" and silent:
        raise NetworkError(f"labels: {', '.join(silent)} does not say how its output is decoded. Export raw outputs.")
    graph = inference_graph(network.module, decodings, size, outputs or network.description.deploy_outputs)
    macs = priced_macs(network, size)
    calibrates = any(maker.calibrates for maker in makers)
    real = images(graph.size, max(LEAST, CALIBRATION if calibrates else 0))
    judged = odd(real[:: max(1, len(real) // LEAST)][:LEAST])
    results = []
    for maker in makers:
        say(f"{maker.name}: writing {graph.size[0]} x {graph.size[1]}, then comparing {len(judged)} images with torch")
        try:
            results.append(_one(network, maker, graph, decodings, real, judged, macs, input_type))
        except EdnasError as error:
            results.append(Exported(maker.name, reason=" ".join(str(error).split())))
    return results


def _one(
    network: Network,
    maker: Exporter,
    graph: InferenceGraph,
    decodings: Mapping[str, Decoding],
    real: Images,
    judged: Images,
    macs: int,
    input_type: Literal["int8", "uint8"],
) -> Exported:
    """Write one file beside its place, prove it, and give it its name."""
    started = time.perf_counter()
    if graph.outputs not in maker.gives:
        raise NetworkError(f"{maker.name} cannot give {graph.outputs!r} outputs, only {' or '.join(maker.gives)}.")
    maker.check_installed((*maker.writes_with, *maker.runs_with))
    classes = {name: tuple(task.legend) for name, task in network.tasks.items()}
    about = network.description
    facts = facts_for(maker, graph, network=about.name, architecture=about.architecture, classes=classes)
    facts = facts.model_copy(update={"fit": "stretch"}) if about.stretched else facts
    assert network.folder is not None, "export has checked it"
    staging = Path(tempfile.mkdtemp(prefix=".export-", dir=network.folder))
    try:
        path = staging / f"{STEM}{maker.suffix}"
        maker.write(Order(graph, facts, real if maker.calibrates else None, input_type), path)
        runtime = maker.open(path)
        if runtime.macs() != macs:
            raise NetworkError(
                f"{maker.name}: the file computes {runtime.macs():,} MACs, but costs were priced for {macs:,}."
            )
        matches = agreements(network.module, decodings, runtime, judged)
        faults = [fault for match in matches if (fault := match.fault(maker.tolerance))]
        if faults:
            way_out = ". Train it on, or calibrate on other pictures: --images FOLDER" if maker.calibrates else ""
            raise NetworkError(f"{maker.name}: does not answer as torch does: {faults[0]}{way_out}")
        final = network.add_file(
            path,
            maker.name,
            outputs=runtime.facts.outputs,
            size=list(graph.size),
            input_type=runtime.facts.input.type,
            macs=macs,
            images=len(judged),
            matches=[asdict(match) for match in matches],
        )
        seconds = time.perf_counter() - started
        return Exported(maker.name, final, final.stat().st_size, seconds, macs, tuple(matches))
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def priced_macs(network: Network, size: tuple[int, int]) -> int:
    """Multiply-adds that the search saw; at another size than it priced, counted by the same rules."""
    if size == network.description.deploy_size:
        for cost in network.description.costs:
            if cost.name == "macs":
                return round(cost.value)
    return sum(record.macs for record in layer_records(network.module, size))


def open_file(path: Path, threads: int = 1) -> FileRuntime:
    """Open an exported file, whatever its format.

    Raises:
        NetworkError: No format has its suffix, or the file is damaged.
    """
    makers = [maker() for maker in EXPORTERS.loadable().values()]
    fitting = [maker for maker in makers if path.name.endswith(maker.suffix)]
    if not fitting:
        raise NetworkError(f"{path}: exported files end in {', '.join(sorted(maker.suffix for maker in makers))}.")
    if not path.is_file():
        raise NetworkError(f"{path}: there is no such file. `ednas export` writes it.")
    return max(fitting, key=lambda maker: len(maker.suffix)).open(path, threads)
