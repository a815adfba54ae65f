"""The doorway to torchvision, which dies beside a torch build that its C extension does not match.

Fault: the wheel on the package index is linked against CUDA builds; beside a CPU-only torch the extension
cannot load and the import ends with `RuntimeError: operator torchvision::nms does not exist`. Upstream:
pytorch/vision#1405 and many
alike ("mismatched pair"). Declaring the two missing operator schemas lets the import succeed; transforms, tensor types
and models then work, the compiled operators (nms, roi_align) do not. Can go when such a pair imports by itself.
"""

from __future__ import annotations

from typing import Any

_library: Any = None  # torch drops the schemas when the library object is collected


def needed() -> bool:
    """Whether a plain import fails for this reason. The failed import leaves nothing behind."""
    import sys

    if "torchvision" in sys.modules:
        return False
    try:
        import torchvision
    except RuntimeError as error:
        for name in [n for n in sys.modules if n == "torchvision" or n.startswith("torchvision.")]:
            del sys.modules[name]
        return "torchvision::nms" in str(error)
    return False


def apply() -> None:
    """Make `import torchvision` work; does nothing where it already does."""
    global _library
    if _library is not None or not needed():
        return
    import torch

    _library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        _library.define(operator + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


apply()

from torchvision import models, tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional
from torchvision.transforms.v2.functional import register_kernel
