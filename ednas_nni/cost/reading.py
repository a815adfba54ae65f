"""Reading a model space: the records of all its operations, as functions of the choices that decide them.

An operation's record depends on few labels, those that decide its channel numbers, and it exists under a condition.
Both are written down once. Channels come from the constructor arguments, which are NNI expressions where they are
searched; operators outside of layers and stock activations write what they read. So the pass has to be followed once,
with the widths of the traced candidates, and along with it runs, for each tensor, how many elements it has for every
value of the labels that decide that. In a space with `width` 4 or 8 and an image of 16 x 16:

    conv = MutableConv2d(3, width, 1)   record over (width,)          writes 4: 1024  8: 2048 elements
    relu(conv(x))                       no arguments: its input's     over (width,), the same elements
    LayerChoice(relu, pool 2 x 2)       result of a choice            over (width, choice): 1024, 256, 2048, 512
    flatten(relu) @ weights             elements cannot be known      in doubt: an error if a device prices it
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from nni.mutable import Mutable
from torch import nn

from ednas_nni.compat.nas import LayerChoice, ModelSpace
from ednas_nni.cost.layers import (
    CHANNEL_PRESERVING,
    DeclaresChannels,
    Step,
    Traced,
    arguments,
    channels_of,
    check_containers,
    check_counted,
    counted_steps,
    kind_of,
    layer_record,
    operator_kind,
    operator_record,
)
from ednas_nni.cost.records import LayerRecord
from ednas_nni.cost.space_layers import Operation, SpaceLayers, alive, extents_of, in_order, labels_of, spread
from ednas_nni.cost.tracer import Merged, Trace, trace_image
from ednas_nni.errors import StudyError
from ednas_nni.nn.tree import clauses, domains_of, visit
from ednas_nni.space.domains import Condition, Domains, Scalar

MAX_CASES = 1 << 16
"""Records of one operation; beyond it, too many choices decide its channels."""


def read_space(space: ModelSpace, size: tuple[int, int]) -> SpaceLayers:
    """Read all operations of a space from one forward pass without data."""
    check_containers(space)
    seen = trace_image(space, size)
    reader = _Reader(space, seen)
    counted = 0
    for step in counted_steps(seen):
        counted += reader.add(step)
    reader.check_all_ran()
    check_counted(seen, counted, type(space).__name__)
    return reader.result()


def constructor_arguments(layer: object) -> Mapping[str, object]:
    """What a layer was constructed with, NNI expressions where that is searched; {} where it does not remember."""
    # NNI's `args` would inspect the signature anew, a hundred times slower.
    return layer.trace_kwargs if isinstance(layer, Traced) else {}


def constructor_argument(module: nn.Module, name: str) -> object:
    """One constructor argument; as the layer has it where it does not remember."""
    given = constructor_arguments(module)
    return given[name] if name in given else getattr(module, name)


def labels_in(value: object) -> list[str]:
    """Labels that an argument depends on; a pair such as a kernel may hold expressions."""
    if isinstance(value, Mutable):
        return list(value.simplify())
    return [label for x in value for label in labels_in(x)] if isinstance(value, tuple | list) else []


@dataclass(frozen=True)
class _Amount:
    """Elements of a tensor over the values of labels; `doubt` says why they may be wrong."""

    labels: tuple[str, ...]
    values: np.ndarray
    doubt: str = ""


class _Reader:
    """Operations under construction."""

    def __init__(self, space: ModelSpace, seen: Trace) -> None:
        self._space, self._seen = space, seen
        self._domains: Domains = domains_of(space)
        self._places: dict[int, list[tuple[str, Condition]]] = {}
        for path, module, condition in visit(space):
            self._places.setdefault(id(module), []).append((path, condition))
        self._amounts: dict[int, _Amount] = {0: _Amount((), np.array(float(math.prod(seen.shapes[0]))))}
        self._records: dict[LayerRecord, int] = {}
        self._written: list[float] = []  # of each record
        self._operations: list[Operation] = []
        self._ran: set[int] = set()
        self._merged = {merged.result.memory: self._options(merged) for merged in seen.merged}

    def add(self, step: Step) -> int:
        """Add one step; returns its MACs in the traced pass."""
        path, condition = self._place(step)
        amount = self._operator(path, step) if step.operator else self._layer(path, step)
        if amount is None:
            return 0
        labels, records, traced, doubt = amount
        reads = tuple(dict.fromkeys(step.reads))
        operation = Operation(path, condition, labels, records, reads, step.writes, doubt)
        self._operations.append(operation)
        if step.writes not in step.reads:
            written = np.array([self._written[at] for at in records.flat]).reshape(records.shape)
            self._amounts[step.writes] = _Amount(labels, written, doubt)
        return traced.macs

    def check_all_ran(self) -> None:
        """Reject layers with parameters that the pass has not met, or met in two places."""
        for module in self._space.modules():
            if next(module.children(), None) is not None or next(module.parameters(), None) is None:
                continue
            places = [path for path, _ in self._places[id(module)]]
            if len(places) > 1:
                raise StudyError(f"{places[1]} is the same module as {places[0]}; give each place its own")
            if id(module) not in self._ran:
                raise StudyError(
                    f"{places[0]}: this {type(module).__name__} never ran in a forward pass in which every candidate "
                    "runs, so its cost is unknown. Remove it, or call it in the space's forward"
                )

    def result(self) -> SpaceLayers:
        return SpaceLayers(
            self._domains,
            tuple(self._records),
            tuple(self._operations),
            self._merged,
            tuple(dict.fromkeys(value.memory for value in self._seen.outputs if value.constant is None)),
            math.prod(self._seen.shapes[0]),
        )

    # ------------------------------------------------------------------ records
    def _layer(self, path: str, step: Step) -> tuple[tuple[str, ...], np.ndarray, LayerRecord, str] | None:
        """Labels, records, the record of the traced pass, doubt."""
        module, shapes = step.module, step.shapes
        first = id(module) not in self._ran
        self._ran.add(id(module))
        given = {name: constructor_argument(module, name) for name in arguments(module, path)}
        source, doubt, declared = None, "", isinstance(module, DeclaresChannels)
        if not given and shapes.inputs:
            source, doubt = self._preserved(step, kind_of(module))
        labels = in_order(
            self._domains,
            (*(label for value in given.values() for label in labels_in(value)), *(source.labels if source else ())),
        )

        def record(at: tuple[int, ...] | None) -> LayerRecord | None:
            sample = {} if at is None else {x: self._domains[x].values[i] for x, i in zip(labels, at, strict=True)}

            def read(name: str) -> Any:
                if name in given:
                    return _settled(given[name], sample) if at is not None else getattr(module, name)
                if name == "channels" and not declared:
                    if at is None or source is None:
                        return channels_of(shapes.output)
                    positions = math.prod(shapes.output) // channels_of(shapes.output)
                    return round(float(source.values[at]) / positions)
                return getattr(module, name)

            return layer_record(path, module, shapes, read, first)

        traced = record(None)
        return None if traced is None else (labels, self._tabulated(path, labels, record), traced, doubt)

    def _operator(self, path: str, step: Step) -> tuple[tuple[str, ...], np.ndarray, LayerRecord, str]:
        kind = operator_kind(step.operator)
        sources = [self._amount(number) for number in step.reads]
        labels = in_order(self._domains, [label for source in sources for label in source.labels])
        doubt = next((source.doubt for source in sources if source.doubt), "")
        spreads = [spread(source.values, source.labels, labels) for source in sources]
        extents = extents_of(self._domains, labels)
        total = sum(spreads, np.zeros(extents))
        if kind == "concat":
            written = total
        elif kind in CHANNEL_PRESERVING:
            preserved, doubt = self._preserved(step, kind)
            written = np.broadcast_to(spread(preserved.values, preserved.labels, labels), extents)
        else:
            written = np.full(extents, float(math.prod(step.shapes.output)))
            if labels and not doubt:
                doubt = _doubt(path, f"torch's operator {step.operator!r}")

        def record(at: tuple[int, ...] | None) -> LayerRecord:
            if at is None:
                read = sum(map(math.prod, step.shapes.inputs))
                return operator_record(path, step.operator, step.shapes, read, math.prod(step.shapes.output))
            return operator_record(path, step.operator, step.shapes, round(total[at]), round(written[at]))

        return labels, self._tabulated(path, labels, record), record(None), doubt

    def _tabulated(
        self, path: str, labels: tuple[str, ...], record: Callable[[tuple[int, ...]], LayerRecord | None]
    ) -> np.ndarray:
        """Positions of the records over the values of labels."""
        extents = extents_of(self._domains, labels)
        if math.prod(extents) > MAX_CASES:
            raise StudyError(
                f"{path}: {len(labels)} choices decide the channels of this layer ({', '.join(labels)}), "
                f"{math.prod(extents):,} cases. At most {MAX_CASES:,} are tabulated; let fewer choices reach one layer"
            )
        positions = np.empty(extents, np.int32)
        for at in itertools.product(*map(range, extents)):
            entry = record(at)
            assert entry is not None, f"{path}: a record for some choices and none for others"
            entry = replace(entry, path="")
            positions[at] = self._records.setdefault(entry, len(self._records))
            if len(self._records) > len(self._written):
                self._written.append(float(entry.elements_written))
        return positions

    # ------------------------------------------------------------------ sizes of tensors
    def _preserved(self, step: Step, kind: str | None) -> tuple[_Amount, str]:
        """What an operation writes that keeps the channels of its largest input."""
        at = max(range(len(step.shapes.inputs)), key=lambda i: math.prod(step.shapes.inputs[i]))
        if at >= len(step.reads):
            return _Amount((), np.array(float(math.prod(step.shapes.output)))), ""
        source, shape = self._amount(step.reads[at]), step.shapes.inputs[at]
        doubt = source.doubt
        ratio = math.prod(step.shapes.output) / math.prod(shape)
        if source.labels and not doubt and (kind not in CHANNEL_PRESERVING or shape[1:2] != step.shapes.output[1:2]):
            doubt = _doubt(self._place(step)[0], step.operator or type(step.module).__name__)
        return _Amount(source.labels, source.values * ratio, doubt), doubt

    def _amount(self, number: int) -> _Amount:
        """Elements of a tensor; of the result of a choice, those of what is chosen."""
        if number not in self._amounts and number in self._merged:
            options = [(condition, self._amount(at)) for condition, at in self._merged[number]]
            reading = [label for condition, amount in options for label in (*labels_of(condition), *amount.labels)]
            labels = in_order(self._domains, reading)
            total = np.zeros(extents_of(self._domains, labels))
            for condition, amount in options:
                deciding = in_order(self._domains, labels_of(condition))
                holds = spread(alive(self._domains, condition, deciding), deciding, labels)
                total = total + holds * spread(amount.values, amount.labels, labels)
            doubt = next((amount.doubt for _, amount in options if amount.doubt), "")
            self._amounts[number] = _Amount(*_narrowed(labels, total), doubt)
        return self._amounts[number]

    # ------------------------------------------------------------------ places
    def _place(self, step: Step) -> tuple[str, Condition]:
        """Path and condition; a layer without parameters that stands in several places is in that of its caller."""
        for module in (step.module, step.outer):
            places = self._places[id(module)]
            if len({condition for _, condition in places}) == 1:
                return self._places[id(step.module)][0][0], places[0][1]
        places = self._places[id(step.outer)]
        raise StudyError(f"{places[1][0]} is the same module as {places[0][0]}; give each place its own")

    def _options(self, merged: Merged) -> tuple[tuple[Condition, int], ...]:
        path = self._places[id(merged.module)][0][0]
        choice = merged.module.choice if isinstance(merged.module, LayerChoice) else merged.module.depth_choice
        options = []
        for value, option in merged.options:
            condition = clauses(choice, partial(operator.eq, value), path)
            if all(any(literal.values for literal in clause) for clause in condition):
                options.append((condition, option.memory))
        return tuple(options)


def _settled(value: object, sample: Mapping[str, Scalar]) -> object:
    """An argument for one sample."""
    if isinstance(value, Mutable):
        return value.freeze(dict(sample))
    if isinstance(value, tuple | list):
        return type(value)(_settled(x, sample) for x in value)
    return value


def _narrowed(labels: tuple[str, ...], values: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Values over those labels only that make a difference."""
    deciding = [axis for axis in range(values.ndim) if not (values == values.take([0], axis)).all()]
    index = tuple(slice(None) if axis in deciding else 0 for axis in range(values.ndim))
    return tuple(labels[axis] for axis in deciding), values[index]


def _doubt(path: str, what: str) -> str:
    return (
        f"{path or 'the space'}: {what} may write another number of elements for other widths. Use the layers of "
        "ednas_nni.nn.elementwise, which are given their channels"
    )
