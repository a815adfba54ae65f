"""What a space may run, kept on disk, so that the next command does not trace it again.

A file is named by all that it depends on: the space's class and arguments, the source of every block in it and of the
code that reads it, and the image size. Devices do not enter: they price what is kept. A file that cannot be read or
does not fit is made again. Plain arrays and JSON; nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ednas_nni.cost.records import LayerRecord
from ednas_nni.cost.space_layers import Operation, SpaceLayers
from ednas_nni.record.whole_file import write_whole
from ednas_nni.space.domains import Condition, Domains, Literal

FORMAT = 1
FOLDER = "space_layers"


def remembered(space: Any, size: tuple[int, int], root: Path | None, read: Callable[[], SpaceLayers]) -> SpaceLayers:
    """All operations of a space, from disk if they are there.

    Args:
        space: An NNI model space.
        size: Image (height, width) in pixels.
        root: Cache folder; None = keep nothing.
        read: Reads them from the space.
    """
    key = _key(space, size) if root is not None else None
    if root is None or key is None:
        return read()
    from ednas_nni.nn.tree import domains_of

    path = root / FOLDER / f"{key}.npz"
    found = load(path, domains_of(space))
    if found is None:
        found = read()
        store(path, found)
    return found


def load(path: Path, domains: Domains) -> SpaceLayers | None:
    """Operations as they were stored; None where there is no file, or one that is damaged or of other labels."""
    try:
        # Opened here, because numpy leaves a damaged file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            text, numbers, digest = str(arrays["told"]), arrays["records"], str(arrays["digest"])
        told = json.loads(text)
        if digest != _digest(text, numbers) or told["format"] != FORMAT or told["domains"] != _plain(domains):
            return None
        extents = {dimension.label: len(dimension.values) for dimension in domains.dimensions}
        operations, at = [], 0
        for path_, condition, labels, reads, writes, doubt in told["operations"]:
            shape = [extents[label] for label in labels]
            count = int(np.prod(shape, dtype=int))
            records = numbers[at : at + count].reshape(shape)
            at += count
            operations.append(
                Operation(path_, _condition(condition), tuple(labels), records, tuple(reads), writes, doubt)
            )
        return SpaceLayers(
            domains=domains,
            records=tuple(_record(entry) for entry in told["records"]),
            operations=tuple(operations),
            merged={int(t): tuple((_condition(c), n) for c, n in options) for t, options in told["merged"].items()},
            results=tuple(told["results"]),
            image_elements=told["image_elements"],
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError, IndexError, zipfile.BadZipFile, zlib.error):
        return None


def store(path: Path, layers: SpaceLayers) -> None:
    """Write at once or not at all; a folder that cannot be written costs time, not the search."""
    told = {
        "format": FORMAT,
        "domains": _plain(layers.domains),
        "records": [asdict(record) for record in layers.records],
        "operations": [
            [o.path, _told(o.condition), list(o.labels), list(o.reads), o.writes, o.doubt] for o in layers.operations
        ],
        "merged": {str(t): [[_told(c), n] for c, n in options] for t, options in layers.merged.items()},
        "results": list(layers.results),
        "image_elements": layers.image_elements,
    }
    text = json.dumps(told)
    numbers = np.concatenate([np.ravel(o.records) for o in layers.operations]).astype(np.int32)
    try:
        write_whole(
            path, lambda file: np.savez_compressed(file, told=text, records=numbers, digest=_digest(text, numbers))
        )
    except OSError:
        return


def _plain(domains: Domains) -> Any:
    return json.loads(json.dumps(domains.to_json()))


def _told(condition: Condition) -> list[Any]:
    return [[[x.label, sorted(x.values, key=repr)] for x in clause] for clause in condition]


def _condition(told: Sequence[Any]) -> Condition:
    return tuple(tuple(Literal(label, frozenset(values)) for label, values in clause) for clause in told)


def _record(entry: dict[str, Any]) -> LayerRecord:
    return LayerRecord(**{name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()})


def _digest(text: str, numbers: np.ndarray) -> str:
    return hashlib.sha256(text.encode() + np.ascontiguousarray(numbers).tobytes()).hexdigest()[:32]


def _key(space: Any, size: tuple[int, int]) -> str | None:
    """Name of what the operations depend on; None where that cannot be known."""
    sources = _sources(space)
    if sources is None:
        return None
    parts = [
        FORMAT,
        f"{type(space).__module__}.{type(space).__qualname__}",
        repr(getattr(space, "trace_args", None)),
        repr(getattr(space, "trace_kwargs", None)),
        list(size),
        sources,
        _structure(space),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def _structure(space: Any) -> str:
    """Digest of the module tree with its shapes: a space may have been changed after its construction."""
    found = hashlib.sha256()
    for path, module in space.named_modules():
        shapes = [(name, tuple(p.shape)) for name, p in module.named_parameters(recurse=False)]
        found.update(f"{path} {type(module).__qualname__} {shapes} {'forward' in module.__dict__}\n".encode())
    return found.hexdigest()[:16]


def _sources(space: Any) -> list[str] | None:
    """Digest of every file whose classes make up the space, and of the code that reads it."""
    import torch

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
        found = [torch.__version__]
        for file in sorted(map(str, files)):
            found.append(f"{Path(file).name} {hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]}")
    except (OSError, TypeError):
        return None
    return found
