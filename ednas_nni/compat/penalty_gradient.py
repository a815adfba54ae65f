"""A profiler as `penalty` does nothing to differentiable one-shot strategies.

Fault: nni 3.0, nni/nas/oneshot/pytorch/supermodule/differentiable.py: `export_probs` turns the probabilities into
Python floats. The penalty of DARTS, GumbelDARTS and Proxyless is computed from them, so it is a constant: no gradient
reaches the architecture. Upstream: not reported. Can go when probabilities keep their gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def needed() -> bool:
    """Whether NNI's own methods are still in place."""
    import nni.nas.strategy  # noqa: F401  (first: see nas_search)
    from nni.nas.oneshot.pytorch.supermodule import differentiable

    return differentiable.DifferentiableMixedLayer.export_probs is not _of_layer


def apply() -> None:
    """Let probabilities keep their gradient."""
    if not needed():
        return
    from nni.nas.oneshot.pytorch.supermodule import differentiable

    differentiable.DifferentiableMixedLayer.export_probs = _of_layer
    differentiable.DifferentiableMixedRepeat.export_probs = _of_repeat
    differentiable.MixedOpDifferentiablePolicy.export_probs = _of_operation


def _of_layer(self: Any, memo: Mapping[str, Any]) -> dict[str, Any]:
    if self.label in memo:
        return {}
    return {self.label: dict(zip(self.names, self._softmax(self._arch_alpha).unbind(), strict=True))}


def _of_repeat(self: Any, memo: Mapping[str, Any]) -> dict[str, Any]:
    return _of_choices(self.depth_choice.simplify(), self._arch_alpha, self._softmax, memo)


def _of_operation(self: Any, operation: Any, memo: Mapping[str, Any]) -> dict[str, Any]:
    return _of_choices(operation.simplify(), operation._arch_alpha, operation._softmax, memo)


def _of_choices(choices: Any, alphas: Any, softmax: Any, memo: Mapping[str, Any]) -> dict[str, Any]:
    return {
        label: dict(zip(choice.values, softmax(alphas[label]).unbind(), strict=True))
        for label, choice in choices.items()
        if label not in memo
    }
