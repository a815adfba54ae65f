"""Every exported file of a network: its own metrics and its own milliseconds in one row, beside what was believed.

The rule of one artefact: quality and time in a row come from the same file. Torch's row is the module that the files
were made from; a file's changes are against the module at the file's size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ednas_nni.data.source import Split
from ednas_nni.errors import NetworkError
from ednas_nni.networks.description import WEIGHTS, File
from ednas_nni.networks.export.base import FileRuntime
from ednas_nni.networks.exporting import open_file
from ednas_nni.networks.network import Network
from ednas_nni.networks.runtime import Runtime, TorchRuntime
from ednas_nni.networks.scoring import scores
from ednas_nni.networks.timing import THROTTLED, Milliseconds, timed


@dataclass(frozen=True)
class BenchmarkRow:
    """One form of the network: "torch", or a file of the exporter `format`; milliseconds are of one image, batch 1.

    Attributes:
        size: Height and width of its image.
        outputs: raw, full or labels.
        metrics: `quality` and `<task>_<metric>`; empty where nothing was scored.
        change: The same minus torch's at the same size; empty for torch.
    """

    format: str
    file: str
    bytes: int
    size: tuple[int, int]
    outputs: str
    metrics: dict[str, float]
    change: dict[str, float]
    milliseconds: Milliseconds


@dataclass(frozen=True)
class Benchmark:
    """The whole table: torch at each size, then the files.

    Attributes:
        split: What was scored on, so many `images` of it; "" = nothing.
        label_size: Height and width that metrics were taken at.
        slowdown: What the first row took at the end, over what it took at the start.
    """

    rows: tuple[BenchmarkRow, ...]
    threads: int
    split: str
    images: int
    label_size: tuple[int, int]
    slowdown: float

    @property
    def disturbed(self) -> bool:
        """Whether other work took the processor away while a file was timed."""
        return any(row.milliseconds.processor < 0.9 for row in self.rows)

    @property
    def throttled(self) -> bool:
        """Whether the machine was slower at the end, so that later rows look worse than they are."""
        return self.slowdown > THROTTLED


def benchmark(
    network: Network,
    split: Split | None,
    train: Split | None = None,
    *,
    formats: Sequence[str] = (),
    threads: int = 1,
    say: Callable[[str], object] = lambda line: None,
) -> Benchmark:
    """Score and time the module and every exported file, or those of the given formats.

    Without a split only milliseconds are taken; the training split is for `quality`. `say` gets a line when something
    begins that takes long.
    """
    files = exported_files(network, formats)
    folder = network.folder
    assert folder is not None, "a network with exported files has a folder"
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        opened: list[tuple[str, str, int, str, Runtime, Callable[[], object]]] = []
        runtimes = {name: open_file(folder / name, threads) for name in files}
        sizes = {name: file.size for name, file in network.description.files.items()}
        imaged = [runtime.predicted_size for runtime in runtimes.values()]
        for size in dict.fromkeys(imaged or [network.description.deploy_size]):
            module = TorchRuntime(network.module, size)
            opened.append(("torch", WEIGHTS, sizes[WEIGHTS], "full", module, _module_run(network, size)))
        for name, file in runtimes.items():
            opened.append((files[name].format, name, sizes[name], file.facts.outputs, file, _file_run(file)))
        times = []
        for form, name, *_, run in opened:
            say(f"{form}: timing {name}, {threads} thread{'s' * (threads > 1)}")
            times.append(timed(run))
        slowdown = timed(opened[0][-1]).median / times[0].median
        rows: list[BenchmarkRow] = []
        reference: dict[tuple[int, int], dict[str, float]] = {}
        for (form, name, length, outputs, runtime, _), milliseconds in zip(opened, times, strict=True):
            values: dict[str, float] = {}
            if split is not None:
                say(f"{form}: scoring {name} on {len(split)} images of {split.name!r}")
                values = scores(runtime, network.tasks, split, train)
            whole = runtime.predicted_size if isinstance(runtime, FileRuntime) else runtime.size
            base = reference.setdefault(whole, values)
            change = {} if form == "torch" else {key: value - base[key] for key, value in values.items()}
            rows.append(BenchmarkRow(form, name, length, runtime.size, outputs, values, change, milliseconds))
    finally:
        torch.set_num_threads(before)
    name, count, size = ("", 0, (0, 0)) if split is None else (split.name, len(split), split.info.size)
    return Benchmark(tuple(rows), threads, name, count, size, slowdown)


def exported_files(network: Network, formats: Sequence[str] = ()) -> dict[str, File]:
    """Name -> exported file of a network, each compared with its checksum.

    Raises:
        NetworkError: One is missing or was changed, or there is none of a format.
    """
    files = {name: file for name, file in network.description.files.items() if name != WEIGHTS}
    lacking = [name for name in formats if name not in {file.format for file in files.values()}]
    if lacking or network.folder is None:
        raise NetworkError(f"{network.name}: has no {', '.join(lacking) or 'folder'}. `ednas export` writes files.")
    chosen = {name: file for name, file in files.items() if not formats or file.format in formats}
    for name, file in chosen.items():
        file.check(Path(network.folder) / name)
    return chosen


def _module_run(network: Network, size: tuple[int, int]) -> Callable[[], object]:
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))

    def run() -> object:
        with torch.inference_mode():
            return network.module(image)

    return run


def _file_run(runtime: FileRuntime) -> Callable[[], object]:
    image = np.random.default_rng(0).random((1, 3, *runtime.size), np.float32)
    tensor = runtime.fed(image)
    return lambda: runtime.invoke(tensor)
