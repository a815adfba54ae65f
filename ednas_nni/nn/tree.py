"""Reading an NNI model space without freezing it: its leaves, its domains, its networks, all its candidates at once.

NNI keeps conditions implicit in the module tree: what lies below a candidate of a `LayerChoice` exists when that
candidate is chosen, block i of a `Repeat` when the depth exceeds i. Walking the tree once makes them explicit.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from torch import nn

from ednas_nni.compat.nas import (
    Categorical,
    LayerChoice,
    ModelSpace,
    Mutable,
    MutableAnnotation,
    MutableModule,
    Repeat,
    frozen_context,
    model_context,
)
from ednas_nni.errors import PluginError
from ednas_nni.nn.capabilities import capabilities_of
from ednas_nni.space.domains import Condition, Dimension, Domains, Literal, Sample, Scalar


@dataclass(frozen=True)
class Leaf:
    """A module without children, and when it is part of the network.

    Attributes:
        path: Its dotted name in the space (in a network the names of choices and `blocks` are missing).
        module: Widths that are searched are in its `args` or `channels` as expressions.
        condition: Holds exactly for samples whose network contains and uses this module.
    """

    path: str
    module: nn.Module
    condition: Condition


def walk(space: ModelSpace) -> Iterator[Leaf]:
    """Every leaf module of a space, in the order of the module tree.

    Knowledge that the tree cannot hold (a shared stage that no task reads) comes from `Capabilities.liveness`.
    """
    for path, module, condition in visit(space):
        if next(module.children(), None) is None:
            yield Leaf(path, module, condition)


def domains_of(space: ModelSpace) -> Domains:
    """All labels of a space with their values and conditions, in NNI's own order.

    Raises:
        PluginError: A label is used with two sets of values, a value is not a JSON scalar, a mutable is not a
            choice of one value (`InputChoice`, numbers from a range, constraints), or as `walk` and `Domains`.
    """
    values: dict[str, tuple[Scalar, ...]] = {}
    conditions: dict[str, dict[Condition, None]] = {}
    for path, module, condition in visit(space):
        if not isinstance(module, MutableModule):
            continue
        for mutable in module.mutables:
            for label, choice in _choices(mutable, path).items():
                if values.setdefault(label, choice) != choice:
                    raise PluginError(
                        f"{path}: label {label!r} has the values {list(choice)} here and {list(values[label])} "
                        "elsewhere. Give the two choices different labels."
                    )
                conditions.setdefault(label, {})[condition] = None
    return Domains(
        [
            Dimension(label, choice, ((),) if () in conditions[label] else tuple(conditions[label]))
            for label, choice in values.items()
        ]
    )


def build(space: ModelSpace, sample: Mapping[str, Scalar]) -> nn.Module:
    """The network of a sample, constructed anew: nothing of the space is copied or shared.

    Parameter names and shapes are those of `space.freeze(sample)`, at a fraction of its time. Weights are drawn from
    torch's global generator. Inactive labels may be missing. The space is read once: its labels must not change.

    Raises:
        SampleError: The sample does not belong to the space.
    """
    if space not in _domains:  # reading it takes longer than to construct a network
        _domains[space] = domains_of(space)
    return instantiate(space, _domains[space].complete(sample))


_domains: WeakKeyDictionary[ModelSpace, Domains] = WeakKeyDictionary()


def instantiate(space: ModelSpace, sample: Sample) -> nn.Module:
    """The network as NNI constructs it, without our idea of which labels matter: the judge of that idea.

    The sample is complete; it is not checked.
    """
    with model_context(sample):
        return type(space)(*space.trace_args, **space.trace_kwargs)


def visit(space: ModelSpace) -> Iterator[tuple[str, nn.Module, Condition]]:
    """Every module of the tree, parents first, with the condition under which it exists."""
    alive = capabilities_of(space).liveness()
    unseen = set(alive)
    ahead: list[tuple[str, nn.Module, Condition]] = [("", space, ())]
    while ahead:
        path, module, condition = ahead.pop()
        if path in alive:
            unseen.discard(path)
            condition = _and(condition, alive[path])
        yield path, module, condition
        below: list[tuple[str, nn.Module, Condition]] = []  # and what must hold beside
        if isinstance(module, LayerChoice):
            below = [(str(n), module[n], clauses(module.choice, partial(operator.eq, n), path)) for n in module.names]
        elif isinstance(module, Repeat):
            deep = [clauses(module.depth_choice, partial(operator.lt, i), path) for i in range(len(module.blocks))]
            below = [(f"blocks.{i}", module.blocks[i], more) for i, more in enumerate(deep)]
        else:
            below = [(name, child, ()) for name, child in module.named_children()]
        ahead += [(f"{path}.{name}".lstrip("."), child, _and(condition, more)) for name, child, more in reversed(below)]
    if unseen:
        raise PluginError(
            f"{type(space).__name__}.liveness() names paths that do not exist: {', '.join(sorted(unseen))}."
        )


def _and(condition: Condition, more: Condition) -> Condition:
    return condition + tuple(clause for clause in more if clause not in condition)


def _choices(mutable: Mutable, path: str) -> dict[str, tuple[Scalar, ...]]:
    """Labels and values of everything that a mutable (or an expression over several) depends on."""
    values = {}
    for label, leaf in mutable.simplify().items():
        if isinstance(leaf, MutableAnnotation) or not isinstance(leaf, Categorical):
            raise PluginError(
                f"{path or 'the space'}: {label!r} is a {type(leaf).__name__}; each label of a sample is a "
                "choice of one value (nni.choice, LayerChoice, Repeat). Write several inputs or a range as named "
                "candidates."
            )
        values[label] = tuple(leaf.values)
    return values


def clauses(choice: object, holds: Callable[[Scalar], bool], path: str) -> Condition:
    """`holds(value of choice)` in conjunctive form; `()` if it always holds.

    An expression over several labels is ruled out assignment by assignment: each forbidden one gives the clause that
    some label differs from it.
    """
    # One label: the values that satisfy it are one literal. Several labels, such as a depth base + more with base in
    # {1, 2} and more in {0, 1}, asked for "depth > 1": of the four assignments only (1, 0) fails, which gives the one
    # clause "base is not 1, or more is not 0", that is (base in {2}) or (more in {1}). Expressions are small: writing
    # out all assignments is simpler than algebra, and right for every expression that NNI has.
    if not isinstance(choice, Mutable):
        return ()
    choices = _choices(choice, path)
    if len(choices) == 1:
        ((label, values),) = choices.items()
        allowed = frozenset(v for v in values if holds(choice.freeze({label: v})))
        return () if len(allowed) == len(values) else ((Literal(label, allowed),),)
    clauses = []
    for assignment in itertools.product(*choices.values()):
        sample = dict(zip(choices, assignment, strict=True))
        if not holds(choice.freeze(sample)):
            clauses.append(
                tuple(Literal(label, frozenset(choices[label]) - {value}) for label, value in sample.items())
            )
    return tuple(clauses)


Merge: TypeAlias = Callable[[nn.Module, Sequence[tuple[Scalar, Any]], int], Any]
"""(a choice or repeat, pairs of a value and what it gives, position of the default) -> what stands for all of them."""


@contextmanager
def running_everything(module: nn.Module, merge: Merge) -> Iterator[None]:
    """Let the choices in a module run all their candidates, and repeats all their blocks.

    Instances are overridden, never NNI's classes. Where candidates differ in channels, layers behind expect those of
    the first; where they differ in sizes, those of the value that is settled (`ednas_nni.nn.sizes`); a repeat ends with
    its last block: these are the defaults.
    """
    changed: list[nn.Module] = []
    try:
        for part in module.modules():
            if isinstance(part, LayerChoice):
                part.__dict__["forward"] = _all_candidates(part, merge)
            elif isinstance(part, Repeat):
                part.__dict__["forward"] = _all_depths(part, merge)
            else:
                continue
            changed.append(part)
        yield
    finally:
        for part in changed:
            del part.__dict__["forward"]


def _all_candidates(choice: LayerChoice, merge: Merge) -> Callable[..., Any]:
    def forward(*args: Any, **kwargs: Any) -> Any:
        settled = (frozen_context.current() or {}).get(choice.label)
        default = choice.names.index(settled) if settled in choice.names else 0
        return merge(choice, [(name, choice[name](*args, **kwargs)) for name in choice.names], default)

    return forward


def _all_depths(repeat: Repeat, merge: Merge) -> Callable[[Any], Any]:
    def forward(x: Any) -> Any:
        outputs = [(0, x)]
        for depth, block in enumerate(repeat.blocks, 1):
            outputs.append((depth, block(outputs[-1][1])))
        return merge(repeat, outputs, -1) if isinstance(repeat.depth_choice, Mutable) else outputs[-1][1]

    return forward
