"""NNI's profilers have no shape formula for ReLU6 out of place and for bilinear resizing.

Fault: nni 3.0, nni/nas/profiler/pytorch/utils/shape_formula.py knows `hardtanh_` but not `hardtanh`, and no
upsampling; a dense decoder cannot be profiled ("no shape inference formula"). Upstream: not reported. Can go
when both are known.
"""

from __future__ import annotations

from typing import Any

_registered = False


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
    from nni.nas.profiler.pytorch.utils.shape import MutableShape
    from nni.nas.profiler.pytorch.utils.shape_formula import register_shape_inference_formula as register

    def same(_module: Any, x: Any, *_args: Any, **_kwargs: Any) -> Any:
        return MutableShape(*x.real_shape)

    def upsample(_module: Any, x: Any, size: Any, *args: Any, **kwargs: Any) -> Any:
        shape = list(x.real_shape)
        if size is None:
            scales = args[-1] if args and isinstance(args[-1], list | tuple) else kwargs["scale_factors"]
            size = [int(extent * scale) for extent, scale in zip(shape[2:], scales, strict=True)]
        return MutableShape(*shape[:2], *[int(extent) for extent in size])

    register(torch.ops.aten.hardtanh.default, same)
    register(torch.ops.aten.upsample_bilinear2d.vec, upsample)
    register(torch.ops.aten.upsample_bilinear2d.default, upsample)
