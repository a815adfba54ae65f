"""A profiler as `penalty` does nothing to differentiable one-shot strategies, and large spaces never end.

Faults, nni 3.0, nni/nas/oneshot/pytorch:

* supermodule/differentiable.py `export_probs` turns the probabilities into Python floats. The penalty of DARTS,
  GumbelDARTS and Proxyless is computed from them, so it is a constant: no gradient reaches the architecture.
* supermodule/_expression_utils.py `expression_expectation` splits sums only; for anything else it tries every
  combination of all choices inside. A branch of several stages behind one choice has more of them than can be tried.

Upstream: not reported. Can go when probabilities keep their gradient and the expectation splits choices and products.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Mapping
from typing import Any


def needed() -> bool:
    """Whether NNI's own functions are still in place."""
    from nni.nas.oneshot.pytorch import profiler

    return profiler.expression_expectation is not expectation


def apply() -> None:
    """Let probabilities keep their gradient, and split expectations wherever choices are independent."""
    if not needed():
        return
    import nni.nas.strategy  # noqa: F401  (first: see enas_loader)
    from nni.nas.oneshot.pytorch import profiler
    from nni.nas.oneshot.pytorch.supermodule import differentiable

    profiler.expression_expectation = expectation
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


def expectation(expression: Any, weights: Mapping[str, Any]) -> Any:
    """The mean of an expression over independent choices.

    Args:
        expression: NNI's, or a number.
        weights: Label -> probabilities, as value -> probability (numbers or tensors with a gradient).

    Returns:
        A number, or a tensor where the probabilities are.
    """
    return _mean(expression, weights, {})


def _mean(expression: Any, weights: Mapping[str, Any], given: dict[str, Any]) -> Any:
    from nni.mutable import Categorical, MutableExpression

    if not isinstance(expression, MutableExpression):
        return expression
    labels = [label for label in _labels(expression) if label not in given]
    if not labels:
        return expression.evaluate(given)
    if isinstance(expression, Categorical):
        return sum(value * p for value, p in weights[expression.label].items())
    function, arguments = expression.function, expression.arguments
    if function in (operator.add, operator.sub):
        return function(*(_mean(part, weights, given) for part in arguments))
    if function is operator.mul and _apart(*arguments, given):
        return _mean(arguments[0], weights, given) * _mean(arguments[1], weights, given)
    if getattr(function, "__name__", "") == "_switch_fn" and isinstance(arguments[0], Categorical):
        choice, cases = arguments[0], dict(zip(arguments[1::2], arguments[2::2], strict=True))
        if choice.label in given:
            return _mean(cases[given[choice.label]], weights, given)
        return sum(
            p * _mean(cases[value], weights, {**given, choice.label: value})
            for value, p in weights[choice.label].items()
        )
    total: Any = 0
    for chosen in itertools.product(*(weights[label].items() for label in labels)):
        value = expression.evaluate({**given, **{label: v for label, (v, _) in zip(labels, chosen, strict=True)}})
        for _, p in chosen:
            value = value * p
        total = total + value
    return total


def _apart(a: Any, b: Any, given: Mapping[str, Any]) -> bool:
    return not (set(_labels(a)) & set(_labels(b)) - set(given))


def _labels(expression: Any) -> tuple[str, ...]:
    """Labels that an expression depends on; kept on it, as looking them up walks the whole expression."""
    from nni.mutable import MutableExpression

    if not isinstance(expression, MutableExpression):
        return ()
    known = expression.__dict__.get("_labels_seen")
    if known is None:
        known = tuple(dict.fromkeys(symbol.label for symbol in expression.leaf_symbols()))
        expression.__dict__["_labels_seen"] = known
    return known
