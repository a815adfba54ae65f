"""Networks written as short layer lists, expanded to layer records.

The notation is that of `coral_networks.yml`: a list of layers from input to output, each a mapping with its
`op` and options. `_LAYERS` below become records; `_MACROS` stand for several of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ednas_nni.cost.records import LayerRecord, convolution, elementwise, linear
from ednas_nni.errors import StudyError, did_you_mean


def expand(layers: list[dict[str, Any]], size: int | list[int], channels: int = 3) -> list[LayerRecord]:
    """Layer records of a layer list.

    Args:
        layers: The list, in the notation of `coral_networks.yml`.
        size: Input height = width in pixels, or [height, width].
        channels: Input channels.

    Raises:
        StudyError: An unknown layer, or an addition of unequal shapes.
    """
    records: list[LayerRecord] = []
    image = _pair(size)
    _run(layers, _Shape(channels, *image), records)
    if records:
        records[0] = replace(records[0], image_elements=channels * image[0] * image[1])
    return [
        replace(record, full_size=True) if (record.out_height, record.out_width) == image else record
        for record in records
    ]


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
    rate: int = 1,
    bias: bool = True,
) -> _Shape:
    area = _pair(kernel)
    size = _output(shape, area, stride, pad)
    records.append(
        convolution(
            f"{len(records)}",
            shape.channels,
            out,
            shape.size,
            size,
            kernel=area,
            stride=(stride, stride),
            groups=groups,
            dilation=(rate, rate),
            bias=bias,
        )
    )
    return _Shape(out, *size)


def _depthwise(shape: _Shape, records: list[LayerRecord], kernel: int = 3, stride: int = 1, rate: int = 1) -> _Shape:
    return _conv(shape, records, shape.channels, kernel, stride, groups=shape.channels, rate=rate)


def _transposed(shape: _Shape, records: list[LayerRecord], out: int, kernel: int = 3, stride: int = 2) -> _Shape:
    """A transposed convolution as its stride x stride plain ones, each of which makes one output phase.

    Of the kernel's taps, phase p sees every stride-th from p on; the rest would meet inserted zeros.
    """
    taps = [-(-(kernel - phase) // stride) for phase in range(stride)]
    for rows in taps:
        for columns in taps:
            _conv(shape, records, out, [rows, columns], bias=rows == columns == taps[0])
    return _Shape(out, shape.height * stride, shape.width * stride)


def _pool(shape: _Shape, records: list[LayerRecord], kernel: int, stride: int = 1, pad: str = "same") -> _Shape:
    size = _output(shape, _pair(kernel), stride, pad)
    records.append(elementwise(f"{len(records)}", "pool", shape.channels, shape.channels, shape.size, size))
    return _Shape(shape.channels, *size)


def _global_pool(shape: _Shape, records: list[LayerRecord]) -> _Shape:
    records.append(elementwise(f"{len(records)}", "pool", shape.channels, shape.channels, shape.size, (1, 1)))
    return _Shape(shape.channels, 1, 1)


def _resize(shape: _Shape, records: list[LayerRecord], to: int | list[int]) -> _Shape:
    records.append(elementwise(f"{len(records)}", "resize", shape.channels, shape.channels, shape.size, _pair(to)))
    return _Shape(shape.channels, *_pair(to))


def _host(shape: _Shape, records: list[LayerRecord], out: int = 1) -> _Shape:
    """Work of the host on every element: the largest class of a pixel, or the decoding of detections or poses."""
    records.append(elementwise(f"{len(records)}", "host", shape.channels, out, shape.size, shape.size))
    return _Shape(out, *shape.size)


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


def _side(shape: _Shape, records: list[LayerRecord], layers: list[dict[str, Any]]) -> _Shape:
    """Layers whose result leaves the network, such as one prediction of several; what follows reads the input again."""
    _run(layers, shape, records)
    return shape


def _repeat(shape: _Shape, records: list[LayerRecord], times: int, layers: list[dict[str, Any]]) -> _Shape:
    for _ in range(times):
        shape = _run(layers, shape, records)
    return shape


def _separable(shape: _Shape, out: int, stride: int = 1, rate: int = 1) -> Iterator[dict[str, Any]]:
    yield {"op": "depthwise", "stride": stride, "rate": rate}
    yield {"op": "conv", "out": out}


def _residual(shape: _Shape, out: int, stride: int, body: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if stride == 1 and shape.channels == out:
        return [{"op": "branches", "join": "add", "paths": [[], body]}]
    return body


def _ibn(
    shape: _Shape, out: int, expand: int, kernel: int = 3, stride: int = 1, rate: int = 1, skip: bool = True
) -> list[dict[str, Any]]:
    widen = [] if expand == 1 else [{"op": "conv", "out": shape.channels * expand}]
    spatial = {"op": "depthwise", "kernel": kernel, "stride": stride, "rate": rate}
    body = [*widen, spatial, {"op": "conv", "out": out}]
    return _residual(shape, out, stride, body) if skip else body


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


def _outputs(shape: _Shape, channels: list[int]) -> list[dict[str, Any]]:
    """Predictions of 1 x 1 convolutions that the host decodes."""
    return [{"op": "side", "layers": [{"op": "conv", "out": n}, {"op": "host"}]} for n in channels]


_LAYERS = {
    "conv": _conv,
    "depthwise": _depthwise,
    "transposed": _transposed,
    "pool": _pool,
    "global_pool": _global_pool,
    "resize": _resize,
    "host": _host,
    "linear": _linear,
    "branches": _branches,
    "side": _side,
    "repeat": _repeat,
}
_MACROS = {
    "separable": _separable,
    "ibn": _ibn,
    "fused_ibn": _fused_ibn,
    "bottleneck": _bottleneck,
    "fire": _fire,
    "inception": _inception,
    "outputs": _outputs,
}
