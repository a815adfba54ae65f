"""A network of torch's own layers and operators, written again in layers that cost tables and searched widths know.

Additions, products, activations and poolings that a foreign `forward` does with shared modules or bare operators
become modules of `ednas_nni.nn.elementwise`, one for each call. Convolutions and batch norms stay as they are, under
their names. This rewrites a network, for which torch.fx is the tool; what a network does is watched by
`ednas_nni.cost.tracer`, which changes nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from ednas_nni.errors import PluginError
from ednas_nni.nn.elementwise import Activation, Add, GlobalPool, MaxPool, Scale

_UNCHANGED = (nn.Conv2d, nn.BatchNorm2d)
_DROPPED = ("StochasticDepth", "Dropout", "Identity")
_ACTIVATIONS: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    nn.Hardswish: "hswish",
    nn.Hardsigmoid: "hsigmoid",
    nn.SiLU: "silu",
    nn.Sigmoid: "sigmoid",
}
_SUMS = (operator.add, operator.iadd, torch.add)
_PRODUCTS = (operator.mul, operator.imul, torch.mul)


def layer_graph(network: nn.Module, outputs: Sequence[str], probe: int = 64) -> fx.GraphModule:
    """The part of a network that leads to the outputs of some modules, given by path, as a tuple in that order.

    The network takes images (N, 3, H, W); one of `probe` x `probe` pixels tells the channels. Parameters are used, not
    copied, under the names they had; its mode stays.
    """
    tracer = _Tracer(outputs)
    graph = tracer.trace(network)
    end = next(node for node in graph.nodes if node.op == "output")
    end.args = (tuple(tracer.ends[path] for path in outputs),)
    module = fx.GraphModule(network, graph)
    module.graph.eliminate_dead_code()
    training = network.training
    with torch.no_grad():
        ShapeProp(module.eval()).propagate(torch.zeros(1, 3, probe, probe))
    for node in list(module.graph.nodes):
        _rewrite(module, node)
    module.graph.eliminate_dead_code()
    module.delete_all_unused_submodules()
    module.recompile()
    return module.train(training)


class _Tracer(fx.Tracer):
    """Records operators down to modules without children, and which nodes are the outputs of some modules."""

    def __init__(self, outputs: Sequence[str]) -> None:
        super().__init__()
        self.outputs = frozenset(outputs)
        self.ends: dict[str, fx.Node] = {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return next(m.children(), None) is None

    def call_module(
        self, m: nn.Module, forward: Callable[..., fx.Proxy], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> fx.Proxy:
        output: fx.Proxy = super().call_module(m, forward, args, kwargs)
        path = self.path_of_module(m)
        if path in self.outputs:
            self.ends[path] = output.node
        return output


def _rewrite(module: fx.GraphModule, node: fx.Node) -> None:
    """Put a layer of ours in the place of one operation."""
    # The graph of `x + relu(conv(x))`, with one relu module for the whole network, has the nodes conv, relu, add. conv
    # stays; relu becomes an `Activation` of this call alone, so its channels can be known; the bare `+` becomes `Add`.
    # What a cost table walks over is then a tree of modules, each called once.
    if node.op in ("placeholder", "output"):
        return
    layer = module.get_submodule(str(node.target)) if node.op == "call_module" else None
    if isinstance(layer, _UNCHANGED):
        return
    if type(layer).__name__ in _DROPPED:
        node.replace_all_uses_with(node.all_input_nodes[0])
        return
    ours, args = _counterpart(layer, node)
    name = f"{node.name}_layer"
    module.add_submodule(name, ours)
    with module.graph.inserting_after(node):
        new = module.graph.call_module(name, args)
    new.meta = node.meta
    node.replace_all_uses_with(new)
    module.graph.erase_node(node)


def _counterpart(layer: nn.Module | None, node: fx.Node) -> tuple[nn.Module, tuple[fx.Node, ...]]:
    """The layer that does what a node does, and the nodes it reads."""
    channels = _shape(node)[1]
    args = tuple(arg for arg in node.args if isinstance(arg, fx.Node))
    if layer is not None and type(layer) in _ACTIVATIONS:
        return Activation(channels, _ACTIVATIONS[type(layer)]), args
    if isinstance(layer, nn.AdaptiveAvgPool2d) and layer.output_size in (1, (1, 1)):
        return GlobalPool(channels), args
    if isinstance(layer, nn.MaxPool2d) and (layer.kernel_size, layer.stride, layer.padding) == (3, 2, 1):
        return MaxPool(channels), args
    if node.op == "call_function" and len(args) == 2:
        if node.target in _SUMS and _shape(args[0]) == _shape(args[1]):
            return Add(channels), args
        if node.target in _PRODUCTS:  # the feature first, then its factor for each channel
            return Scale(channels), tuple(sorted(args, key=lambda arg: _shape(arg)[2:], reverse=True))
    what = f"layer {type(layer).__name__}" if layer is not None else f"operation {node.target}"
    raise PluginError(f"The {what} ({node.name}) has no counterpart that has a cost rule. Add it to layer_graph.py.")


def _shape(node: fx.Node) -> tuple[int, ...]:
    return tuple(node.meta["tensor_meta"].shape)
