"""How each of torch's inference operators is written in ONNX: the one place that knows both.

Opset 17 holds everything that is needed, so that older runtimes read the graphs too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import torch

from ednas_nni.graphs.graph import Attribute

OPSET = 17
IR_VERSION = 8
"""The file format of opset 17's time."""


Arguments: TypeAlias = Sequence[Any]
"""What an operator was given, by position: names in the place of tensors; numbers, lists and None as torch has them."""


class Writer(Protocol):
    """What a translation writes to."""

    def node(self, op: str, inputs: Sequence[str], **attributes: Attribute) -> str:
        """Append an operator; returns the name of its output."""

    def number(self, value: float) -> str:
        """Name of a float32 scalar."""

    def integers(self, values: int | Sequence[int]) -> str:
        """Name of an int64 scalar or vector."""


Translation = Callable[[Writer, Arguments, Sequence[int]], str]
"""(writer, arguments as the operator got them with names in the place of tensors, output shape) -> output's name."""


_TYPES = {torch.int64: 7, torch.float32: 1, torch.uint8: 2, torch.int32: 6}
"""torch's type -> ONNX's number of it."""


class UnwrittenError(Exception):
    """The operator is known, but not with these arguments; the text says which."""


def _convolution(w: Writer, args: Arguments, shape: Sequence[int]) -> str:
    x, weight, bias, stride, padding, dilation, transposed, _, groups = args
    if transposed:
        raise UnwrittenError("transposed")
    return w.node(
        "Conv",
        [x, weight, *([bias] if bias else [])],
        strides=list(stride),
        pads=[*padding, *padding],
        dilations=list(dilation),
        group=groups,
    )


def _batch_norm(w: Writer, args: Arguments, shape: Sequence[int]) -> str:
    x, gamma, beta, mean, variance = args[:5]
    if not (gamma and beta and mean and variance):
        raise UnwrittenError("without scale, offset or running statistics")
    return w.node("BatchNormalization", [x, gamma, beta, mean, variance], epsilon=float(args[7]))


def _clip(*defaults: float | None) -> Translation:
    def write(w: Writer, args: Arguments, shape: Sequence[int]) -> str:
        limits = [*args[1:3], *defaults[len(args) - 1 :]]
        return w.node("Clip", [args[0], *("" if limit is None else w.number(limit) for limit in limits)])

    return write


def _gelu(w: Writer, args: Arguments, shape: Sequence[int]) -> str:
    if len(args) > 1 and args[1] != "none":
        raise UnwrittenError(f"with the approximation {args[1]!r}")
    inner = w.node("Erf", [w.node("Mul", [args[0], w.number(0.5**0.5)])])
    return w.node("Mul", [w.node("Mul", [args[0], w.number(0.5)]), w.node("Add", [inner, w.number(1.0)])])


def _softplus(w: Writer, args: Arguments, shape: Sequence[int]) -> str:
    if args[1:2] not in ([], [1]) or any(threshold < 15 for threshold in args[2:3]):  # beyond 15 it is x to 7 digits
        raise UnwrittenError("with another beta or threshold")
    return w.node("Softplus", [args[0]])


def _unary(op: str, **attributes: Attribute) -> Translation:
    return lambda w, args, shape: w.node(op, [args[0]], **attributes)


def _sum(w: Writer, args: Arguments, shape: Sequence[int]) -> str:
    keep = bool(args[2]) if len(args) > 2 else False
    return w.node("ReduceSum", [args[0], w.integers(args[1])], keepdims=int(keep))


def _cast(w: Writer, args: Arguments, shape: Sequence[int]) -> str:
    if len(args) < 2 or args[1] not in _TYPES:
        raise UnwrittenError("to a type other than float32, int32, int64 and uint8")
    return w.node("Cast", [args[0]], to=_TYPES[args[1]])


def _pixels(w: Writer, args: Arguments, shape: Sequence[int]) -> str:
    """`x[:, 0]`, whose axis goes away."""
    return w.node("Gather", [args[0], w.integers(args[2])], axis=args[1])


def _slice(w: Writer, args: Arguments, shape: Sequence[int]) -> str:
    axis, start, end = args[1], args[2] or 0, args[3] if len(args) > 3 and args[3] is not None else 2**62
    step = args[4] if len(args) > 4 else 1
    return w.node("Slice", [args[0], *(w.integers([n]) for n in (start, end, axis, step))])


def _binary(op: str) -> Translation:
    def write(w: Writer, args: Arguments, shape: Sequence[int]) -> str:
        if len(args) > 2 and args[2] != 1:
            raise UnwrittenError(f"with the factor {args[2]}")
        return w.node(op, [a if isinstance(a, str) else w.number(a) for a in args[:2]])

    return write


def _bilinear(w: Writer, args: Arguments, shape: Sequence[int]) -> str:
    if args[2]:
        raise UnwrittenError("with align_corners")
    return _resize(w, args[0], shape, mode="linear", coordinate_transformation_mode="half_pixel")


def _nearest(coordinates: str, rounding: str) -> Translation:
    how: dict[str, Attribute] = {"coordinate_transformation_mode": coordinates, "nearest_mode": rounding}
    return lambda w, args, shape: _resize(w, args[0], shape, mode="nearest", **how)


def _resize(w: Writer, x: str, shape: Sequence[int], **attributes: Attribute) -> str:
    return w.node("Resize", [x, "", "", w.integers(shape)], **attributes)


def _mean(w: Writer, args: Arguments, shape: Sequence[int]) -> str:
    axes, keep = args[1], bool(args[2]) if len(args) > 2 else False
    if keep and sorted(axis % 4 for axis in axes) == [2, 3] and len(shape) == 4:
        return w.node("GlobalAveragePool", [args[0]])
    return w.node("ReduceMean", [args[0]], axes=list(axes), keepdims=int(keep))


def _window(args: Arguments) -> dict[str, Attribute]:
    kernel, padding = args[1], args[3] if len(args) > 3 else [0, 0]
    stride = args[2] if len(args) > 2 and args[2] else kernel
    return {"kernel_shape": list(kernel), "strides": list(stride), "pads": [*padding, *padding]}


def _max_pool(w: Writer, args: Arguments, shape: Sequence[int]) -> str:
    dilation = list(args[4]) if len(args) > 4 else [1, 1]
    return w.node("MaxPool", [args[0]], dilations=dilation, ceil_mode=int(len(args) > 5 and args[5]), **_window(args))


def _average_pool(w: Writer, args: Arguments, shape: Sequence[int]) -> str:
    if len(args) > 6 and args[6] is not None:
        raise UnwrittenError("with a divisor")
    whole, counted = len(args) > 4 and args[4], len(args) <= 5 or args[5]
    return w.node("AveragePool", [args[0]], ceil_mode=int(whole), count_include_pad=int(counted), **_window(args))


def _pad(w: Writer, args: Arguments, shape: Sequence[int]) -> str:
    # torch lists (before, after) from the last axis on, ONNX all befores and then all afters from the first.
    pairs = [(0, 0)] * (len(shape) - len(args[1]) // 2) + list(zip(args[1][::2], args[1][1::2], strict=True))[::-1]
    widths = [pair[side] for side in (0, 1) for pair in pairs]
    return w.node("Pad", [args[0], w.integers(widths), w.number(args[2] if len(args) > 2 else 0)])


_RESHAPE: Translation = lambda w, args, shape: w.node("Reshape", [args[0], w.integers(shape)])  # noqa: E731

TRANSLATIONS: dict[str, Translation] = {
    "convolution": _convolution,
    "native_batch_norm": _batch_norm,
    "_native_batch_norm_legit_no_training": lambda w, args, shape: _batch_norm(
        w, [*args[:5], False, args[5], args[6]], shape
    ),
    "hardtanh": _clip(-1.0, 1.0),
    "clamp": _clip(None, None),
    "relu6": _clip(0.0, 6.0),
    "relu": _unary("Relu"),
    "sigmoid": _unary("Sigmoid"),
    "tanh": _unary("Tanh"),
    "softplus": _softplus,
    "gelu": _gelu,
    "hardswish": _unary("HardSwish"),
    "hardsigmoid": _unary("HardSigmoid", alpha=1 / 6, beta=0.5),
    "leaky_relu": lambda w, args, shape: w.node("LeakyRelu", [args[0]], alpha=(*args[1:2], 0.01)[0]),
    "elu": lambda w, args, shape: w.node("Elu", [args[0]], alpha=float((*args[1:2], 1.0)[0])),
    "silu": lambda w, args, shape: w.node("Mul", [args[0], w.node("Sigmoid", [args[0]])]),
    "_softmax": lambda w, args, shape: w.node("Softmax", [args[0]], axis=args[1]),
    "add": _binary("Add"),
    "sub": _binary("Sub"),
    "mul": _binary("Mul"),
    "div": _binary("Div"),
    "cat": lambda w, args, shape: w.node("Concat", args[0], axis=args[1] if len(args) > 1 else 0),
    "upsample_bilinear2d": _bilinear,
    "upsample_nearest2d": _nearest("asymmetric", "floor"),
    "_upsample_nearest_exact2d": _nearest("half_pixel", "round_prefer_ceil"),
    "mean": _mean,
    "sum": _sum,
    "sqrt": _unary("Sqrt"),
    "argmax": lambda w, args, shape: w.node("ArgMax", [args[0]], axis=args[1], keepdims=int(len(args) > 2 and args[2])),
    "gt": lambda w, args, shape: w.node("Greater", [args[0], w.number(args[1])]),
    "_to_copy": _cast,
    "select": _pixels,
    "slice": _slice,
    "clamp_min": _clip(None, None),
    "max_pool2d_with_indices": _max_pool,
    "avg_pool2d": _average_pool,
    "constant_pad_nd": _pad,
    "addmm": lambda w, args, shape: w.node("Gemm", [args[1], args[2], args[0]]),
    "mm": lambda w, args, shape: w.node("MatMul", list(args[:2])),
    "view": _RESHAPE,
    "reshape": _RESHAPE,
    "_unsafe_view": _RESHAPE,
    "clone": _unary("Identity"),
}
"""Operator of torch, without its overload -> translation."""
ALIASES = frozenset({"detach", "alias", "lift_fresh", "contiguous"})
"""Operators whose output is their input."""
