"""`LayerChoice.forward` accepts one argument; candidates here may take several tensors.

Fault: nni 3.0, nni/nas/nn/pytorch/choice.py: `forward(self, x)`. A list as the one argument works until Proxyless,
which only saves tensors. A subclass is no way out, as one-shot strategies test `type(module) is LayerChoice`.
Upstream: not reported; NNI 3.0 is the last release. Can go when `LayerChoice.forward` takes `*args`.
"""

from __future__ import annotations

from ednas_nni.compat import patch


def apply() -> None:
    """Let `LayerChoice` hand all its arguments to the dry-run candidate."""
    from nni.nas.nn.pytorch import LayerChoice

    patch(LayerChoice, "forward", lambda own: lambda self, *args, **kwargs: self[self._dry_run_choice](*args, **kwargs))
