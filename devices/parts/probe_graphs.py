"""Three graphs that are measured beside all others: how fast the machine was at the time.

On a shared machine the same graph takes ten percent more processor time while neighbours use the same memory and the
same core's other thread, for minutes on end. What was measured at different times is compared over these graphs.
"""

from __future__ import annotations

import numpy as np

from ednas_nni.graphs.graph import Attribute, Constant, Graph, Node

SIZE = (64, 128)
CHANNELS = 64


def probe_graphs() -> dict[str, Graph]:
    """Signature -> graph: a dense convolution, a depthwise one, and a 1 x 1 one with an enlargement."""
    enlarged = (2 * SIZE[0], 2 * SIZE[1])
    graphs = [_graph(3, 1), _graph(5, CHANNELS), _graph(1, 1, enlarged)]
    return {graph.signature: graph for graph in graphs}


def _graph(kernel: int, groups: int, enlarged: tuple[int, int] | None = None) -> Graph:
    shape = (CHANNELS, CHANNELS // groups, kernel, kernel)
    written = (1, CHANNELS, *SIZE)
    attributes: dict[str, Attribute] = {
        "strides": [1, 1],
        "pads": [kernel // 2] * 4,
        "dilations": [1, 1],
        "group": groups,
    }
    constants = {"w": Constant(shape), "b": Constant((CHANNELS,))}
    nodes = [
        Node("Conv", ("x", "w", "b"), "y", written, attributes),
        Node("Relu", ("y",), "z", written),
    ]
    if enlarged is not None:
        size = np.array([1, CHANNELS, *enlarged], np.int64)
        constants["size"] = Constant(size.shape, size, structural=True)
        how: dict[str, Attribute] = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        nodes.append(Node("Resize", ("z", "", "", "size"), "u", (1, CHANNELS, *enlarged), how))
    return Graph({"x": written}, (nodes[-1].output,), tuple(nodes), constants)
