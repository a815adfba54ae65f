"""`LayerChoice.forward` accepts one argument; candidates here may take several tensors.

Fault: nni 3.0, nni/nas/nn/pytorch/choice.py: `forward(self, x)`. A list as the one argument works until Proxyless,
which only saves tensors. A subclass is no way out, as one-shot strategies test `type(module) is LayerChoice`.
Upstream: not reported; NNI 3.0 is the last release. Can go when `LayerChoice.forward` takes `*args`.
"""

from __future__ import annotations

import inspect
from typing import Any


def needed() -> bool:
    """Whether the installed NNI still has the one-argument forward."""
    from nni.nas.nn.pytorch import LayerChoice

    return not any(
        p.kind is inspect.Parameter.VAR_POSITIONAL for p in inspect.signature(LayerChoice.forward).parameters.values()
    )


def apply() -> None:
    """Let `LayerChoice` hand all its arguments to the dry-run candidate."""
    if not needed():
        return
    from nni.nas.nn.pytorch import LayerChoice

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        for name, candidate in self.named_children():
            if str(name) == str(self._dry_run_choice):
                return candidate(*args, **kwargs)
        raise RuntimeError("dry_run_choice is not available. This should not happen.")

    LayerChoice.forward = forward
