"""NNI's profilers cannot follow shapes through ReLU6, SiLU, bilinear resizing, pooling functions and learned sums.

Fault: nni 3.0, nni/nas/profiler/pytorch/utils/shape_formula.py knows `hardtanh_` but not `hardtanh`, no upsampling, no
pooling called as a function; and its formula of sums and products fails when one operand is a plain tensor, such as a
parameter. A dense decoder cannot be profiled ("no shape inference formula"). Upstream: not reported. Can go when
all are known.
"""

from __future__ import annotations

from typing import Any

_registered = False

_SAME = (
    "hardtanh.default",
    "silu.default",
    "silu_.default",
    "sigmoid.default",
    "sigmoid_.default",
    "elu.default",
    "leaky_relu.default",
    "tanh.default",
    "softplus.default",
    "clone.default",
)
_BROADCAST = ("add.Tensor", "add_.Tensor", "sub.Tensor", "mul.Tensor", "mul_.Tensor", "div.Tensor")


def needed() -> bool:
    """Whether the formula for `hardtanh` is still missing."""
    import torch
    from nni.nas.profiler.pytorch.utils import shape_formula

    return torch.ops.aten.hardtanh.default not in shape_formula._shape_inference_formulas


def apply() -> None:
    """Register the missing formulas with NNI's profiler."""
    global _registered
    if _registered:
        return
    _registered = True
    import torch
    from nni.nas.profiler.pytorch.utils import shape_formula

    formulas = shape_formula._shape_inference_formulas  # NNI's own function to register warns when it replaces one

    def operator(name: str) -> Any:
        packet, overload = name.split(".")
        return getattr(getattr(torch.ops.aten, packet), overload)

    for name in _SAME:
        formulas[operator(name)] = _same
    for name in _BROADCAST:
        formulas[operator(name)] = _broadcast
    for name in ("upsample_bilinear2d", "upsample_nearest2d"):
        formulas[operator(f"{name}.vec")] = _upsample
        formulas[operator(f"{name}.default")] = _upsample
    formulas[operator("max_pool2d_with_indices.default")] = _max_pool
    formulas[operator("avg_pool2d.default")] = _avg_pool
    formulas[operator("_adaptive_avg_pool2d.default")] = _adaptive_pool


def _shape_of(x: Any) -> list[Any]:
    """Symbolic where NNI knows it; a plain tensor's own otherwise."""
    known = getattr(x, "real_shape", None)
    return list(known if known is not None else getattr(x, "shape", ()))


def _same(_function: Any, x: Any, *_args: Any, **_kwargs: Any) -> Any:
    from nni.nas.profiler.pytorch.utils.shape import MutableShape

    return MutableShape(*_shape_of(x))


def _broadcast(_function: Any, a: Any, b: Any, *_args: Any, **_kwargs: Any) -> Any:
    """Shapes from the right; where both have an extent, the one that is not 1."""
    from nni.nas.profiler.pytorch.utils.shape import MutableShape

    one, two = _shape_of(a), _shape_of(b)
    length = max(len(one), len(two))
    one, two = [1] * (length - len(one)) + one, [1] * (length - len(two)) + two
    return MutableShape(*(y if isinstance(x, int) and x == 1 else x for x, y in zip(one, two, strict=True)))


def _upsample(_function: Any, x: Any, size: Any, *args: Any, **kwargs: Any) -> Any:
    from nni.nas.profiler.pytorch.utils.shape import MutableShape

    shape = _shape_of(x)
    if size is None:
        scales = args[-1] if args and isinstance(args[-1], list | tuple) else kwargs["scale_factors"]
        size = [int(extent * scale) for extent, scale in zip(shape[2:], scales, strict=True)]
    return MutableShape(*shape[:2], *[int(extent) for extent in size])


def _pooled(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool) -> Any:
    from nni.nas.profiler.pytorch.utils.shape import MutableShape

    shape, up = _shape_of(x), 1 if ceil else 0
    for axis in (0, 1):
        k, p, d = (_at(value, axis) for value in (kernel, padding, dilation))
        s = _at(stride, axis) if stride else k
        extent = shape[axis - 2]
        shape[axis - 2] = (extent + 2 * p - d * (k - 1) - 1 + up * (s - 1)) // s + 1
    return MutableShape(*shape)


def _max_pool(
    _function: Any, x: Any, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil: bool = False
) -> Any:
    shape = _pooled(x, kernel, stride, padding, dilation, ceil)
    return shape, shape  # values and indices


def _avg_pool(
    _function: Any, x: Any, kernel: Any, stride: Any = (), padding: Any = 0, ceil: bool = False, *_args: Any
) -> Any:
    return _pooled(x, kernel, stride, padding, 1, ceil)


def _adaptive_pool(_function: Any, x: Any, size: Any) -> Any:
    from nni.nas.profiler.pytorch.utils.shape import MutableShape

    return MutableShape(*_shape_of(x)[:-2], _at(size, 0), _at(size, 1))


def _at(value: Any, axis: int) -> int:
    return int(value) if isinstance(value, int) else int(value[axis if len(value) > 1 else 0])
