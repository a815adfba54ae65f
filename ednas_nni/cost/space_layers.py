"""Everything a space may run, as plain data: records, when they are there, and who reads whose output; kept on disk.

It knows neither torch nor any device, so that it can be priced for every device, and the next command does not trace
the space again. A file is named by all that it depends on: the space's class and arguments, the source of every block
in it and of the code that reads it, and the image size. A file that cannot be read or does not fit is made again. Plain
arrays and JSON; nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from ednas_nni.cost.records import LayerRecord
from ednas_nni.record.whole_file import file_digest, write_whole
from ednas_nni.space.domains import Condition, Domains, Scalar

if TYPE_CHECKING:
    from ednas_nni.compat.nas import ModelSpace


@dataclass(frozen=True)
class Operation:
    """One layer call, or one operator outside of layers; tensors go by numbers.

    Attributes:
        condition: When it is part of the network.
        labels: Choices that decide its record, in the order of the space.
        records: int32 over the values of `labels`: positions in `SpaceLayers.records`.
        writes: Tensor that it writes; one of `reads` where it works in place.
        doubt: Why its record may be wrong for some samples; "" where it is exact.
    """

    path: str
    condition: Condition
    labels: tuple[str, ...]
    records: np.ndarray = field(repr=False)
    reads: tuple[int, ...]
    writes: int
    doubt: str = ""


Options = tuple[tuple[Condition, int], ...]
"""Tensors of which one is meant, each with the condition under which it is."""


@dataclass(frozen=True)
class SpaceLayers:
    """All operations of a space at one image size, in the order in which they run.

    Attributes:
        records: Distinct records, without paths.
        operations: What remains of them for one sample is that sample's network.
        merged: Tensors that are results of choices: number -> what they are.
        results: Tensors that the network gives back. The image, of so many elements, is tensor 0.
    """

    domains: Domains
    records: tuple[LayerRecord, ...] = field(repr=False)
    operations: tuple[Operation, ...] = field(repr=False)
    merged: Mapping[int, Options] = field(repr=False)
    results: tuple[int, ...]
    image_elements: int


def alive(domains: Domains, condition: Condition, labels: Sequence[str]) -> np.ndarray:
    """Where a condition holds: bool, one axis for each label, of which the condition names no others."""
    shape = extents_of(domains, labels)
    holds_at = np.ones(shape, bool)
    for clause in condition:
        any_literal = np.zeros(shape, bool)
        for literal in clause:
            holds = np.array([value in literal.values for value in domains[literal.label].values])
            axis = labels.index(literal.label)
            any_literal |= holds.reshape([-1 if i == axis else 1 for i in range(len(labels))])
        holds_at &= any_literal
    return holds_at


def extents_of(domains: Domains, labels: Sequence[str]) -> list[int]:
    """How many values each label has."""
    return [len(domains[label].values) for label in labels]


def in_order(domains: Domains, labels: Iterable[str]) -> tuple[str, ...]:
    """Labels in the order of the space, each once."""
    return tuple(sorted(set(labels), key=domains.labels.index))


def labels_of(condition: Condition) -> list[str]:
    """Labels that a condition names, with repetitions."""
    return [literal.label for clause in condition for literal in clause]


def spread(values: np.ndarray, labels: Sequence[str], scope: Sequence[str]) -> np.ndarray:
    """Values over labels with one axis per label of `scope`, of length 1 where they do not depend on it.

    Both are in the order of the space.
    """
    extents = dict(zip(labels, values.shape, strict=False))
    return values.reshape([extents.get(label, 1) for label in scope])


# -------------------------------------------------------------------- on disk
FORMAT = 2
FOLDER = "space_layers"


class _File(BaseModel):
    """What a file says in JSON; the positions of the operations' records stand beside it, one after the other."""

    format: int
    domains: object
    records: tuple[LayerRecord, ...]
    operations: tuple[tuple[str, Condition, tuple[str, ...], tuple[int, ...], int, str], ...]
    merged: dict[int, Options]
    results: tuple[int, ...]
    image_elements: int


def remembered(
    space: ModelSpace,
    size: tuple[int, int],
    root: Path | None,
    read: Callable[[], SpaceLayers],
    case: Mapping[str, Scalar] | None = None,
) -> SpaceLayers:
    """All operations of a space at (height, width) pixels: from the cache folder if they are there, else by `read`.

    `case` are the choices of sizes that are settled (`ednas_nni.nn.sizes`).

    Without a folder nothing is written.
    """
    key = _key(space, size, case or {}) if root is not None else None
    if root is None or key is None:
        return read()
    from ednas_nni.nn.tree import domains_of  # brings torch and NNI

    path = root / FOLDER / f"{key}.npz"
    layers = load(path, domains_of(space))
    if layers is None:
        layers = read()
        store(path, layers)
    return layers


def load(path: Path, domains: Domains) -> SpaceLayers | None:
    """Operations as they were stored; None where there is no file, or one that is damaged or of other labels."""
    try:
        # Opened here, because numpy leaves a damaged file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            text, numbers, digest = str(arrays["layers"]), arrays["records"], str(arrays["digest"])
        content = _File.model_validate_json(text)
        if digest != _digest(text, numbers) or content.format != FORMAT or content.domains != _plain(domains):
            return None
        operations, at = [], 0
        for name, condition, labels, reads, writes, doubt in content.operations:
            shape = extents_of(domains, labels)
            count = int(np.prod(shape, dtype=int))
            records = numbers[at : at + count].reshape(shape)
            at += count
            operations.append(Operation(name, condition, labels, records, reads, writes, doubt))
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    return SpaceLayers(
        domains, content.records, tuple(operations), content.merged, content.results, content.image_elements
    )


def store(path: Path, layers: SpaceLayers) -> None:
    """Write at once or not at all; a folder that cannot be written costs time, not the search."""
    content = _File(
        format=FORMAT,
        domains=_plain(layers.domains),
        records=layers.records,
        operations=tuple((o.path, o.condition, o.labels, o.reads, o.writes, o.doubt) for o in layers.operations),
        merged=dict(layers.merged),
        results=layers.results,
        image_elements=layers.image_elements,
    )
    text = content.model_dump_json()
    numbers = np.concatenate([np.ravel(o.records) for o in layers.operations]).astype(np.int32)
    try:
        write_whole(
            path, lambda file: np.savez_compressed(file, layers=text, records=numbers, digest=_digest(text, numbers))
        )
    except OSError:
        return


def _plain(domains: Domains) -> object:
    return json.loads(json.dumps(domains.to_json()))


def _digest(text: str, numbers: np.ndarray) -> str:
    return hashlib.sha256(text.encode() + np.ascontiguousarray(numbers).tobytes()).hexdigest()[:32]


def _key(space: ModelSpace, size: tuple[int, int], case: Mapping[str, Scalar]) -> str | None:
    """Name of what the operations depend on; None where that cannot be known."""
    from ednas_nni.nn.heads import answered  # brings torch

    sources = _sources(space)
    if sources is None:
        return None
    structure = hashlib.sha256()  # of the module tree with its shapes: a space may be changed after its construction
    for path, module in space.named_modules():
        shapes = [(name, tuple(p.shape)) for name, p in module.named_parameters(recurse=False)]
        structure.update(f"{path} {type(module).__qualname__} {shapes} {'forward' in module.__dict__}\n".encode())
    name, arguments = f"{type(space).__module__}.{type(space).__qualname__}", (space.trace_args, space.trace_kwargs)
    parts = [FORMAT, name, repr(arguments), list(size), sources, structure.hexdigest()[:16], dict(case)]
    parts += sorted(answered.get())
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def _sources(space: ModelSpace) -> list[str] | None:
    """Digest of every file whose classes make up the space, and of the code that reads it."""
    import torch  # heavy, and not needed to price samples

    import ednas_nni.cost

    if "<locals>" in type(space).__qualname__ or type(space).__module__ == "__main__":
        return None
    try:
        files = {inspect.getsourcefile(type(module)) for module in space.modules()}
        if None in files:
            return None
        here = Path(ednas_nni.cost.__file__).parent
        folders = [here, here.with_name("nn"), Path(str(inspect.getsourcefile(type(space)))).parent]
        files |= {str(path) for folder in folders for path in folder.rglob("*.py")}
        digests = [f"{Path(file).name} {file_digest(Path(file))[:16]}" for file in sorted(map(str, files))]
    except (OSError, TypeError):
        return None
    return [str(torch.__version__), *digests]
