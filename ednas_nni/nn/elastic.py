"""Weights of all networks of a space in one place: which tensors a network shares with the others, and how.

The idea: a network of the space is an ordinary module, built as every trial builds it. What makes it part of a supernet
is only where its parameters come from. Each parameter has an *address*: the name of a shared tensor, and its own shape.
The parameter is the part of that tensor which has its shape: the first channels, and of a kernel the centre. So the
supernet is a dictionary of tensors, not a second implementation of the network: every block, head or fusion that can
be built can be shared, plug-ins included, and a network that is taken out of the supernet is the very same module.

The name of a tensor is the parameter's path, with the family of each choice that was made on the way. Of a block
`stages.1.0` with candidates ibn_k3_e3, ibn_k5_e6 and fused_k3_e3, the first two are of one family:

    stages.1.0@InvertedBottleneck.depthwise.conv.weight   (144, 1, 5, 5), of ibn_k5_e6
        ... [:72, :, 1:4, 1:4]                            (72, 1, 3, 3), of ibn_k3_e3
    stages.1.0@FusedBottleneck.expand.conv.weight         (72, 24, 3, 3)

Kernels and widths that share weights in this way are those of Once-for-All (Cai et al., ICLR 2020, arXiv 1908.09791)
and BigNAS (Yu et al., ECCV 2020, arXiv 2003.11142). Batch norms belong to one operation, whose channels have statistics
of their own; over widths they share factors and biases, as in BigNAS, and statistics are estimated for each network.
Where features of searched widths are concatenated, the first channels of the convolution behind them are not always
those of the same features; this costs some accuracy of sharing, not correctness.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from nni.mutable import Categorical, MutableExpression
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _NormBase

from ednas_nni.compat.nas import LayerChoice, ModelSpace, Repeat
from ednas_nni.errors import PluginError, SampleError
from ednas_nni.nn.capabilities import capabilities_of
from ednas_nni.nn.choice import alternatives
from ednas_nni.nn.tree import domains_of, instantiate
from ednas_nni.space.domains import Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


T = TypeVar("T", Tensor, "NDArray[np.float32]")


@dataclass(frozen=True)
class Address:
    """Where a parameter of a network lies in the shared weights.

    Attributes:
        tensor: Name of the shared tensor.
        shape: Of the parameter, at most the tensor's in each dimension.
    """

    tensor: str
    shape: tuple[int, ...]

    def of(self, shared: T) -> T:
        """The part of the shared tensor or array: first channels, centre of the kernel. A view."""
        if tuple(shared.shape) == self.shape:
            return shared
        starts = [(n - m) // 2 if i > 1 else 0 for i, (n, m) in enumerate(zip(shared.shape, self.shape, strict=True))]
        return shared[tuple(slice(start, start + m) for start, m in zip(starts, self.shape, strict=True))]


def addresses(network: nn.Module, elastic: bool = True) -> dict[str, Address]:
    """The address of each parameter of a network that was built from a space's constructor.

    Args:
        network: See `ednas_nni.nn.tree.build`.
        elastic: Whether candidates of one family share weights; otherwise each has its own.

    Returns:
        Name as of `named_parameters` -> address.
    """
    return dict(_below(network, "", "", "", elastic))


def _below(module: nn.Module, path: str, shared: str, own: str, elastic: bool) -> Iterator[tuple[str, Address]]:
    shared, own = _marked(module, shared, own, elastic)
    for name, parameter in module.named_parameters(recurse=False):
        yield path + name, Address(_named(module, shared, own, name), tuple(parameter.shape))
    for name, child in module.named_children():
        yield from _below(child, f"{path}{name}.", f"{shared}.{name}", f"{own}.{name}", elastic)


def all_parameters(space: nn.Module, elastic: bool) -> Iterator[tuple[str, Tensor]]:
    """Of every candidate of every choice: the shared tensor's name and the parameter, under the names in a network.

    The space may be a supernet of NNI's that samples paths.

    Raises:
        PluginError: A choice does not say in a network what was chosen.
    """

    def below(module: nn.Module, shared: str, own: str) -> Iterator[tuple[str, Tensor]]:
        shared, own = _marked(module, shared, own, elastic)
        if isinstance(module, LayerChoice):
            for name in module.names:
                if not alternatives(module[name]):
                    raise PluginError(
                        f"{module.label}: its candidates cannot be told apart in a network, so a supernet cannot share "
                        "their weights. Make the choice with ednas_nni.nn.choice.layer_choice instead of LayerChoice."
                    )
                yield from below(module[name], shared, own)
            return
        for name, parameter in module.named_parameters(recurse=False):
            yield _named(module, shared, own, name), parameter
        blocks = module.blocks.named_children() if isinstance(module, Repeat) else module.named_children()
        for name, child in blocks:
            yield from below(child, f"{shared}.{name}", f"{own}.{name}")

    yield from below(space, "", "")


def _marked(module: nn.Module, shared: str, own: str, elastic: bool) -> tuple[str, str]:
    for one in alternatives(module):
        shared, own = f"{shared}@{one.family if elastic else one.name}", f"{own}@{one.name}"
    return shared, own


def _named(module: nn.Module, shared: str, own: str, name: str) -> str:
    return f"{own if isinstance(module, _NormBase) else shared}.{name}".removeprefix(".")


class SharedWeights(nn.Module):
    """The tensors of a supernet, and any of its networks on them.

    Args:
        space: The model space; only its constructor is used.
        elastic: As of `addresses`.
        biases: Task -> output bias (C,) that its heads start with, see `Capabilities.set_output_bias`.

    Raises:
        PluginError: A choice of the space does not say in its networks what was chosen.
    """

    def __init__(self, space: ModelSpace, elastic: bool = True, biases: Mapping[str, Tensor] | None = None) -> None:
        super().__init__()
        self.elastic = elastic
        self._space, self._domains = space, domains_of(space)
        self._networks: OrderedDict[str, tuple[nn.Module, list[tuple[str, Address, Tensor]]]] = OrderedDict()
        with _largest_sizes():
            everything = type(space)(*space.trace_args, **space.trace_kwargs)
        for task, values in (biases or {}).items():
            capabilities_of(everything).set_output_bias(task, values)
        tensors: dict[str, Tensor] = {}
        for address, tensor in all_parameters(everything, elastic):
            tensors[address] = _grown(tensors.get(address), tensor.detach())
        # A parameter's name must not contain a dot.
        self.tensors = nn.ParameterDict({_without_dots(name): nn.Parameter(tensor) for name, tensor in tensors.items()})

    def network(self, sample: Sample) -> tuple[nn.Module, dict[str, Tensor]]:
        """A network in this module's mode and its parameters, views of the shared ones; for `functional_call`.

        The module's own parameters are empty; its buffers, such as running statistics, are its own. Threads may ask at
        the same time, and may run networks of different samples; equal samples share one module.
        """
        name = self._domains.architecture_id(sample)
        with _ONE_AT_A_TIME:
            if name not in self._networks:
                # Building takes a tenth of a small network's step; the largest and the smallest may come every step.
                self._networks[name] = self._built(sample)
                if len(self._networks) > _REMEMBERED:
                    self._networks.popitem(last=False)
            self._networks.move_to_end(name)
            network, where = self._networks[name]
        if network.training != self.training:
            network.train(self.training)
        return network, {name: address.of(tensor) for name, address, tensor in where}

    def _built(self, sample: Sample) -> tuple[nn.Module, list[tuple[str, Address, Tensor]]]:
        # Not in inference mode, else what is first scored could not be trained.
        with torch.inference_mode(False), _undrawn():
            network = instantiate(self._space, self._domains.complete(sample))
        where = [(name, address, self._tensor(address)) for name, address in addresses(network, self.elastic).items()]
        for parameter in network.parameters():
            parameter.data = parameter.data.new_empty(0)
        return network.to(self.device), where

    def run(self, sample: Sample, image: Tensor) -> dict[str, Tensor]:
        """Outputs of the network of a sample, in this module's mode (training or not)."""
        outputs: dict[str, Tensor] = functional_call(*self.network(sample), (image,))
        return outputs

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """The shared tensors under the names of their addresses."""
        for name, tensor in self.tensors.items():
            yield name.replace("/", "."), tensor

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return next(iter(self.tensors.values())).device

    def _tensor(self, address: Address) -> Tensor:
        name = _without_dots(address.tensor)
        if name not in self.tensors or any(n < m for n, m in zip(self.tensors[name].shape, address.shape, strict=True)):
            raise SampleError(
                f"The supernet has no weights {address.tensor} of shape {address.shape}: it was made for another space."
            )
        tensor: Tensor = self.tensors[name]
        return tensor


_REMEMBERED = 64
_ONE_AT_A_TIME = threading.Lock()
"""What torch draws weights with is the same for all threads."""


def _without_dots(name: str) -> str:
    return name.replace(".", "/")


def _grown(tensor: Tensor | None, other: Tensor) -> Tensor:
    """A tensor that holds both shapes: one of the two where it is large enough, else drawn anew as torch does it."""
    shape = tuple(other.shape) if tensor is None else tuple(map(max, tensor.shape, other.shape))
    for one in (tensor, other):
        if one is not None and tuple(one.shape) == shape:
            return one
    grown = other.new_zeros(shape)
    if len(shape) > 1:
        nn.init.kaiming_uniform_(grown, a=math.sqrt(5))
    return grown


@contextmanager
def _undrawn() -> Iterator[None]:
    """Let layers be made without drawing their weights, which others take the place of: a third of building them."""
    drawn = {name: getattr(nn.init, name) for name in ("kaiming_uniform_", "uniform_")}
    for name in drawn:
        setattr(nn.init, name, lambda tensor, *_, **__: tensor)
    try:
        yield
    finally:
        for name, function in drawn.items():
            setattr(nn.init, name, function)


@contextmanager
def _largest_sizes() -> Iterator[None]:
    """Let layers of searched sizes be made at their largest; otherwise NNI gives them the first value of each."""
    originals = {kind: kind.freeze for kind in (Categorical, MutableExpression)}

    def largest(mutable: Categorical[Any] | MutableExpression[Any], sample: Sample) -> Any:
        freeze = originals[Categorical if isinstance(mutable, Categorical) else MutableExpression]
        leaves = mutable.simplify()
        assignments = itertools.product(*(leaf.values for leaf in leaves.values()))
        values = [freeze(mutable, dict(zip(leaves, assignment, strict=True))) for assignment in assignments]
        sizes = all(isinstance(value, int) and not isinstance(value, bool) for value in values)
        return max(values) if sizes else freeze(mutable, sample)

    for kind in originals:
        kind.freeze = largest
    try:
        yield
    finally:
        for kind, freeze in originals.items():
            kind.freeze = freeze
