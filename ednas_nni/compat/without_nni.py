"""What `nas` hands out where NNI is not installed: as much of it as building the network of one sample takes.

A trained network is loaded on machines that will never search. Inside `model_context` NNI's own mutables are gone
already: a choice is its value, a mutable layer is torch's layer, a `Repeat` is a `Sequential`. Here they are nothing
else, so a network built here has the parameters, names and outputs of the one that NNI built. Outside of
`model_context` there is a space, and nothing of it can be made.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from torch import nn

Value = TypeVar("Value")
_SAMPLE: ContextVar[dict[str, Any] | None] = ContextVar("sample", default=None)


@contextmanager
def model_context(sample: Mapping[str, Any]) -> Iterator[None]:
    """What is constructed inside the block is the network of this sample."""
    token = _SAMPLE.set(dict(sample))
    try:
        yield
    finally:
        _SAMPLE.reset(token)


def current_model() -> dict[str, Any] | None:
    """The sample of the surrounding `model_context`, None outside of one."""
    sample = _SAMPLE.get()
    return None if sample is None else dict(sample)


def choice(label: str, values: Sequence[Value]) -> Value:
    """The value that the sample has for a label."""
    sample = _SAMPLE.get()
    if sample is None:
        raise ImportError(f"The search space (here {label!r}) needs NNI: pip install nni==3.0")
    if label not in sample or sample[label] not in values:
        raise ValueError(f"The sample has {sample.get(label)!r} for {label!r}; allowed are {list(values)}.")
    value: Value = sample[label]
    return value


class frozen_context:  # noqa: N801  # NNI's name
    """There are no choices whose values could be settled."""

    @staticmethod
    def current() -> None:
        """Nothing is settled."""


def ensure_frozen(value: Value, *, sample: Mapping[str, Any] | None = None, strict: bool = True) -> Value:
    """The value itself: there are no expressions here."""
    return value


class Mutable:
    """Nothing is one of these: they exist so that code may ask."""


class Categorical(Mutable):
    """As `Mutable`."""


class MutableAnnotation(Mutable):
    """As `Mutable`."""


class MutableExpression(Mutable):
    """As `Mutable`; `switch_case` looks up what NNI's would be frozen to."""

    def __class_getitem__(cls, item: object) -> type[MutableExpression]:
        return cls

    @staticmethod
    def switch_case(chosen: Any, values: Mapping[Any, Value]) -> Value:
        """The value of the chosen case."""
        return values[chosen]


class MutableModule(nn.Module):
    """Base class of a model space."""


class ModelSpace(MutableModule):
    """As `MutableModule`: constructed inside `model_context`, it is the network."""


class ParametrizedModule(MutableModule):
    """As `Mutable`."""


class LayerChoice(MutableModule):
    """The chosen candidate."""

    def __new__(  # type: ignore[misc]  # like NNI's own
        cls, candidates: Mapping[str, nn.Module] | Sequence[nn.Module], *, label: str
    ) -> nn.Module:
        """The candidate that the sample names; those of a list are called by their number."""
        named: Mapping[Any, nn.Module] = candidates if isinstance(candidates, Mapping) else dict(enumerate(candidates))
        return named[choice(label, list(named))]


class Repeat(MutableModule):
    """A `Sequential` of as many blocks as the sample says."""

    def __new__(  # type: ignore[misc]  # like NNI's own
        cls,
        blocks: Callable[[int], nn.Module] | nn.Module | Sequence[Callable[[int], nn.Module] | nn.Module],
        depth: int | tuple[int, int],
        *,
        label: str = "",
    ) -> nn.Sequential:
        """Blocks from a function of their number, of a list, or copies of one."""
        if isinstance(depth, tuple):
            depth = choice(label, range(depth[0], depth[1] + 1))
        each = blocks if isinstance(blocks, Sequence) else [blocks] * depth
        made = [copy.deepcopy(one) if isinstance(one, nn.Module) else one(i) for i, one in enumerate(each[:depth])]
        return nn.Sequential(*made)


MutableConv2d, MutableBatchNorm2d, MutableLinear = nn.Conv2d, nn.BatchNorm2d, nn.Linear
