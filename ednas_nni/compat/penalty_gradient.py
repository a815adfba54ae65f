"""A profiler as `penalty` does nothing to differentiable one-shot strategies.

Fault: nni 3.0, nni/nas/oneshot/pytorch/supermodule/differentiable.py: `export_probs` turns the probabilities into
Python floats. The penalty of DARTS, GumbelDARTS and Proxyless is computed from them, so it is a constant: no gradient
reaches the architecture. Upstream: not reported. Can go when probabilities keep their gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ednas_nni.compat import patch


def apply() -> None:
    """Let probabilities keep their gradient."""
    import nni.nas.strategy  # noqa: F401  (first: see nas_search)
    from nni.nas.oneshot.pytorch.supermodule import differentiable

    patch(differentiable.DifferentiableMixedLayer, "export_probs", lambda own: _of_layer)
    patch(differentiable.DifferentiableMixedRepeat, "export_probs", lambda own: _of_repeat)
    patch(differentiable.MixedOpDifferentiablePolicy, "export_probs", lambda own: _of_operation)


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
