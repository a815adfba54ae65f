"""Published networks written as layer lists, expanded to layer records.

The networks live as data in ``profiles/coral_networks.yml``; the head of that file explains the notation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

import yaml

from ednas_nni.errors import StudyError, did_you_mean
from ednas_nni.hardware.records import LayerRecord, convolution, elementwise, linear

FILE = "coral_networks.yml"
PUBLISHED_FIELDS = ("name", "paper", "size", "latency_ms", "source", "params", "layers")


@dataclass(frozen=True)
class PublishedNetwork:
    """A network with its published latency.

    Attributes:
        name: Name in the published table.
        latency_ms: Published latency of one image in milliseconds.
        source: Which published page the latency comes from.
        paper: Where the layer list comes from.
        params: Published number of parameters, for checking the layer list.
        layers: Its layers.
    """

    name: str
    latency_ms: float
    source: str
    paper: str
    params: float
    layers: tuple[LayerRecord, ...] = field(repr=False)


@cache
def published_networks() -> tuple[PublishedNetwork, ...]:
    """All published networks of the shipped file, in its order."""
    text = resources.files("ednas_nni.hardware").joinpath("profiles", FILE).read_text(encoding="utf-8")
    return tuple(
        PublishedNetwork(
            name=row["name"],
            latency_ms=float(row["latency_ms"]),
            source=row["source"],
            paper=row["paper"],
            params=float(row["params"]),
            layers=tuple(expand(row["layers"], int(row["size"]))),
        )
        for row in yaml.safe_load(text)["networks"]
    )


def expand(layers: list[dict[str, Any]], size: int, channels: int = 3) -> list[LayerRecord]:
    """Layer records of a layer list.

    Args:
        layers: The list, in the notation of ``profiles/coral_networks.yml``.
        size: Input height = width in pixels.
        channels: Input channels.

    Raises:
        StudyError: An unknown layer, or an addition of unequal shapes.
    """
    records: list[LayerRecord] = []
    _run(layers, _Shape(channels, size, size), records)
    return records


@dataclass(frozen=True)
class _Shape:
    channels: int
    height: int
    width: int

    @property
    def size(self) -> tuple[int, int]:
        return self.height, self.width


def _run(layers: list[dict[str, Any]], shape: _Shape, records: list[LayerRecord]) -> _Shape:
    for layer in layers:
        options = {key: value for key, value in layer.items() if key != "op"}
        macro = _MACROS.get(layer["op"])
        if macro is not None:
            shape = _run(list(macro(shape, **options)), shape, records)
        elif layer["op"] in _LAYERS:
            shape = _LAYERS[layer["op"]](shape, records, **options)
        else:
            hint = did_you_mean(layer["op"], [*_LAYERS, *_MACROS])
            raise StudyError(f"layer list: op: {layer['op']!r} is unknown.{hint}")
    return shape


def _pair(value: int | list[int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _output(shape: _Shape, kernel: tuple[int, int], stride: int, pad: str) -> tuple[int, int]:
    if pad == "same":
        return -(-shape.height // stride), -(-shape.width // stride)
    return (shape.height - kernel[0]) // stride + 1, (shape.width - kernel[1]) // stride + 1


def _conv(
    shape: _Shape,
    records: list[LayerRecord],
    out: int,
    kernel: int | list[int] = 1,
    stride: int = 1,
    pad: str = "same",
    groups: int = 1,
    bias: bool = True,
) -> _Shape:
    area = _pair(kernel)
    size = _output(shape, area, stride, pad)
    path = f"{len(records)}"
    records.append(
        convolution(
            path,
            shape.channels,
            out,
            shape.size,
            size,
            kernel=area,
            stride=(stride, stride),
            groups=groups,
            bias=bias,
        )
    )
    return _Shape(out, *size)


def _depthwise(shape: _Shape, records: list[LayerRecord], kernel: int = 3, stride: int = 1) -> _Shape:
    return _conv(shape, records, shape.channels, kernel, stride, groups=shape.channels)


def _pool(shape: _Shape, records: list[LayerRecord], kernel: int, stride: int = 1, pad: str = "same") -> _Shape:
    size = _output(shape, _pair(kernel), stride, pad)
    records.append(elementwise(f"{len(records)}", "pool", shape.channels, shape.channels, shape.size, size))
    return _Shape(shape.channels, *size)


def _global_pool(shape: _Shape, records: list[LayerRecord]) -> _Shape:
    records.append(elementwise(f"{len(records)}", "pool", shape.channels, shape.channels, shape.size, (1, 1)))
    return _Shape(shape.channels, 1, 1)


def _linear(shape: _Shape, records: list[LayerRecord], out: int) -> _Shape:
    records.append(linear(f"{len(records)}", shape.channels * shape.height * shape.width, out, bias=True))
    return _Shape(out, 1, 1)


def _branches(
    shape: _Shape, records: list[LayerRecord], paths: list[list[dict[str, Any]]], join: str = "concat"
) -> _Shape:
    ends = [_run(path, shape, records) for path in paths]
    sizes = {end.size for end in ends}
    channels = sum(end.channels for end in ends) if join == "concat" else ends[0].channels
    if len(sizes) > 1 or (join == "add" and len({end.channels for end in ends}) > 1):
        raise StudyError(f"layer list: branches: cannot {join} {ends}; all paths must end in one shape")
    kind = "concat" if join == "concat" else "add"
    read = channels if join == "concat" else ends[0].channels
    inputs = 1 if join == "concat" else len(ends)
    records.append(elementwise(f"{len(records)}", kind, read, channels, ends[0].size, ends[0].size, inputs=inputs))
    return _Shape(channels, *ends[0].size)


def _repeat(shape: _Shape, records: list[LayerRecord], times: int, layers: list[dict[str, Any]]) -> _Shape:
    for _ in range(times):
        shape = _run(layers, shape, records)
    return shape


def _separable(shape: _Shape, out: int, stride: int = 1) -> Iterator[dict[str, Any]]:
    yield {"op": "depthwise", "stride": stride}
    yield {"op": "conv", "out": out}


def _residual(shape: _Shape, out: int, stride: int, body: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if stride == 1 and shape.channels == out:
        return [{"op": "branches", "join": "add", "paths": [[], body]}]
    return body


def _ibn(shape: _Shape, out: int, expand: int, kernel: int = 3, stride: int = 1) -> list[dict[str, Any]]:
    widen = [] if expand == 1 else [{"op": "conv", "out": shape.channels * expand}]
    spatial = {"op": "depthwise", "kernel": kernel, "stride": stride}
    return _residual(shape, out, stride, [*widen, spatial, {"op": "conv", "out": out}])


def _fused_ibn(
    shape: _Shape, out: int, expand: int = 1, mid: int | None = None, kernel: int = 3, stride: int = 1
) -> list[dict[str, Any]]:
    widen = {"op": "conv", "out": mid or shape.channels * expand, "kernel": kernel, "stride": stride}
    return _residual(shape, out, stride, [widen, {"op": "conv", "out": out}])


def _bottleneck(
    shape: _Shape, mid: int, out: int, stride: int = 1, shortcut: bool = False, stride_in: str = "1x1"
) -> list[dict[str, Any]]:
    first, second = (stride, 1) if stride_in == "1x1" else (1, stride)
    body = [
        {"op": "conv", "out": mid, "stride": first},
        {"op": "conv", "out": mid, "kernel": 3, "stride": second},
        {"op": "conv", "out": out},
    ]
    if shortcut:
        skip = [{"op": "conv", "out": out, "stride": stride}]
    else:
        skip = [] if stride == 1 else [{"op": "pool", "kernel": 1, "stride": stride}]
    return [{"op": "branches", "join": "add", "paths": [skip, body]}]


def _fire(shape: _Shape, squeeze: int, out: int) -> list[dict[str, Any]]:
    paths = [[{"op": "conv", "out": out}], [{"op": "conv", "out": out, "kernel": 3}]]
    return [{"op": "conv", "out": squeeze}, {"op": "branches", "paths": paths}]


def _inception(shape: _Shape, out: list[int]) -> list[dict[str, Any]]:
    one, reduce_a, a, reduce_b, b, pooled = out
    paths = [
        [{"op": "conv", "out": one}],
        [{"op": "conv", "out": reduce_a}, {"op": "conv", "out": a, "kernel": 3}],
        [{"op": "conv", "out": reduce_b}, {"op": "conv", "out": b, "kernel": 3}],
        [{"op": "pool", "kernel": 3}, {"op": "conv", "out": pooled}],
    ]
    return [{"op": "branches", "paths": paths}]


_LAYERS = {
    "conv": _conv,
    "depthwise": _depthwise,
    "pool": _pool,
    "global_pool": _global_pool,
    "linear": _linear,
    "branches": _branches,
    "repeat": _repeat,
}
_MACROS = {
    "separable": _separable,
    "ibn": _ibn,
    "fused_ibn": _fused_ibn,
    "bottleneck": _bottleneck,
    "fire": _fire,
    "inception": _inception,
}
