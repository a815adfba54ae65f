"""What Vela says of a part of a network, compiled in surroundings like those that it has there.

A graph's inputs and outputs lie in memory as an application has them, one pixel after the other, a network's inner
tensors in bricks of 16 channels, and an operator's estimate depends on that. So a part is compiled between two plain
convolutions, and of the answer the rows of its own operators are read:

    8 channels -> [1 x 1] -> the part -> [1 x 1] -> 8 channels         (square brackets: not counted)

A part that reads the image, or gives what the network gives, has none on that side. What other parts read as well is
read once more, before or after the part as there, because it, or what is made of it, takes memory meanwhile. With all
that a part's estimate is that of its operators in a whole network within a percent or two.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tqdm import tqdm

from devices.ethos_u.vela import NpuTarget, Vela
from devices.parts.blocks import BlockCall, When
from devices.parts.figures import Figures
from ednas_nni.data.cache import cache_root
from ednas_nni.graphs.graph import Attribute, Constant, Graph, Node, Shape, cut, renamed
from ednas_nni.graphs.tflite_file import tflite_bytes

AROUND = "around."
"""What the names of the surroundings begin with."""
CHANNELS = 8
"""At the outer ends of the surroundings."""
BETWEEN = 64
"""Parts that are compiled between two writes to the disk."""


@dataclass(frozen=True)
class VelaEstimate:
    """What Vela says of a part, or of a whole network.

    Attributes:
        cycles: On the accelerator.
        milliseconds: The same as time.
        sram_bytes: The most on-chip memory while one of its operators runs.
        operators: Of the file.
        left: Operators that the processor has to run, with Vela's reasons, as often as they occur.
        left_elements: What these write.
    """

    cycles: int
    milliseconds: float
    sram_bytes: int
    operators: int
    left: tuple[str, ...] = ()
    left_elements: int = 0


def in_surroundings(
    graph: Graph, call: BlockCall, size: tuple[int, int], image: tuple[int, int] | None = None
) -> Graph:
    """A part as it is compiled where it is called so; sizes as in `surrounded`."""
    return surrounded(graph, size, call.ends, {f"x{i}": when for i, when in enumerate(call.others)}, image)


def surrounded(
    graph: Graph,
    size: tuple[int, int],
    ends: bool = False,
    others: Mapping[str, When] | None = None,
    image: tuple[int, int] | None = None,
) -> Graph:
    """A part as it is compiled.

    Args:
        graph: Of the part.
        size: Height and width of what the network gives.
        ends: Whether the part gives that.
        others: Input -> when other parts read it.
        image: Height and width of the image that comes in, where it is shrunk.
    """
    if ends:
        graph = cut(graph, size)
    if not graph.nodes:
        return graph
    shapes: dict[str, Shape] = {**graph.inputs, **{node.output: node.shape for node in graph.nodes}}
    inner = [name for name, shape in graph.inputs.items() if len(shape) == 4 and shape[1:] != (3, *(image or size))]
    graph = renamed(graph, {name: f"{AROUND}{name}" for name in inner})
    inputs = {name.removeprefix(AROUND): shape for name, shape in graph.inputs.items()}
    constants = dict(graph.constants)
    before, after, outputs = [], [], []
    for name in inner:
        inputs[name] = (1, CHANNELS, *shapes[name][2:])
        before.append(_plain(name, f"{AROUND}{name}", shapes[name], CHANNELS, constants))
        when = (others or {}).get(name, "never")
        if when == "later" or (when == "earlier" and ends):
            read = _plain(
                f"{AROUND}{name}",
                f"{AROUND}{when}.{name}",
                (1, CHANNELS, *shapes[name][2:]),
                shapes[name][1],
                constants,
            )
            after.append(read)
    for i, name in enumerate(graph.outputs):
        shape = shapes.get(name, ())
        outputs.append(name if ends or len(shape) != 4 else f"{AROUND}{i}")
        if outputs[-1] != name:
            after.append(_plain(name, outputs[-1], (1, CHANNELS, *shape[2:]), shape[1], constants))
    # Vela runs what leads to the first output last.
    read_later = [node.output for node in after if node.output.startswith(f"{AROUND}later.")]
    read_earlier = [node.output for node in after if node.output.startswith(f"{AROUND}earlier.")]
    return Graph(inputs, (*read_later, *outputs, *read_earlier), (*before, *graph.nodes, *after), constants)


def _plain(reads: str, writes: str, shape: Shape, channels: int, constants: dict[str, Constant]) -> Node:
    weight = f"{writes}.w"
    constants[weight] = Constant((shape[1], channels, 1, 1))
    attributes: dict[str, Attribute] = {"strides": [1, 1], "pads": [0] * 4, "dilations": [1, 1], "group": 1}
    return Node("Conv", (reads, weight), writes, shape, attributes)


def estimate(graph: Graph, vela: Vela) -> VelaEstimate:
    """Compile a graph; the surroundings in it do not count."""
    compiled = vela.compiled(tflite_bytes(graph))
    around = [node.output.startswith(AROUND) for node in graph.nodes]
    first, last = around.index(False), len(compiled.operators) - around[::-1].index(False)
    own = compiled.operators[first:last]
    cycles = sum(operator.cycles for operator in own)
    left = [operator for operator in own if operator.left]
    return VelaEstimate(
        cycles,
        cycles / compiled.hertz * 1e3,
        compiled.sram_bytes if len(own) == len(compiled.operators) else max(operator.peak_bytes for operator in own),
        len(own),
        tuple(operator.left for operator in left),
        sum(operator.elements for operator in left),
    )


class Estimates(Figures[VelaEstimate]):
    """Vela's estimates of a target by the signature of their graph; the default folder is `vela` in the data cache."""

    what = "estimates of Vela"

    def __init__(self, target: NpuTarget, folder: Path | None = None) -> None:
        self.target = target
        super().__init__(
            asdict(target), f"Vela {target.vela} for {target.accelerator}", folder or cache_root() / "vela"
        )

    def row(self, figure: VelaEstimate) -> Mapping[str, object]:
        """As `Figures.row`."""
        return asdict(figure)

    def figure(self, row: Mapping[str, object]) -> VelaEstimate:
        """As `Figures.figure`."""
        read = VelaEstimate(**row)  # type: ignore[arg-type]  # checked below
        if not (0 <= read.milliseconds < math.inf and read.operators > 0 and read.sram_bytes >= 0):
            raise ValueError(f"{read} is no estimate")
        return replace(read, left=tuple(read.left))


def estimates(
    graphs: Mapping[str, Graph], store: Estimates, title: str = "", quiet: bool = False
) -> dict[str, VelaEstimate]:
    """Estimates of graphs by signature, from the store where it has them; new ones are added to it.

    Raises:
        DataError: The store is damaged or cannot be written.
        StudyError: Vela is not installed or rejects a graph, or a graph has no int8 form.
    """
    figures = store.read()
    lacking = [signature for signature in graphs if signature not in figures]
    if lacking:
        if not quiet:
            what = f"{title}: {len(lacking)} of {len(graphs)} parts are compiled; estimates go to {store.path}"
            print(what, file=sys.stderr, flush=True)
        fresh: dict[str, VelaEstimate] = {}
        with Vela(store.target) as vela:
            for signature in tqdm(lacking, desc=title, unit="part", disable=True if quiet else None, leave=False):
                fresh[signature] = estimate(graphs[signature], vela)
                if len(fresh) == BETWEEN:
                    store.add(fresh)
                    figures, fresh = figures | fresh, {}
        store.add(fresh)
        figures |= fresh
    return {signature: figures[signature] for signature in graphs}
